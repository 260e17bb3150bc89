"""Several goals: the trials than which none is better in all of them; which trials break limits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.sweepfile import Metric
from sweeper.wording import all_of

from .index import Index
from .ranking import Ranked, rank

SHOWN = 12


@dataclass(frozen=True)
class Front:
    """``ranked``: the Pareto front, by the first goal. ``hypervolume``: what it dominates of all
    up to ``reference``: of each goal its limit, else the worst value of a trial within the limits.
    """

    ranked: list[Ranked]
    hypervolume: float
    reference: dict[str, float]

    def row(self) -> dict[str, Any]:
        """What summary.json says of it."""
        trials = [one.entry.trial for one in self.ranked]
        return {"trials": trials, "hypervolume": self.hypervolume, "reference": self.reference}


def front_of(ranked: Sequence[Ranked], metric: Metric) -> Front:
    """The front of ranked trials: those that keep the limits and have a number for each goal."""
    goals = metric.goals
    points = {
        place: tuple(goal.sign * one.mean(goal.name) for goal in goals)
        for place, one in enumerate(ranked)
        if not one.excess(metric)
    }
    points = {place: point for place, point in points.items() if not math.isnan(sum(point))}
    front: list[int] = []
    for place in sorted(points, key=lambda place: points[place]):
        point = points[place]
        if not any(_dominates(points[other], point) for other in front):
            front.append(place)
    worst = [max(values) for values in zip(*points.values(), strict=True)]
    for at, goal in enumerate(goals if worst else ()):
        for limit in metric.limits:
            bound = -limit.min if goal.sign < 0 else limit.max
            if limit.name == goal.name and math.isfinite(bound):
                worst[at] = bound
    volume = hypervolume([points[place] for place in front], worst)
    reference = {goal.name: goal.sign * value for goal, value in zip(goals, worst, strict=False)}
    return Front([ranked[place] for place in front], volume, reference)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume of what is between any of the points, of which less is better, and a reference."""
    if not points:
        return 0.0
    if len(reference) == 1:
        return max(0.0, reference[0] - min(point[0] for point in points))
    levels = sorted({point[-1] for point in points if point[-1] < reference[-1]})
    return sum(
        (above - level)
        * hypervolume([point[:-1] for point in points if point[-1] <= level], reference[:-1])
        for level, above in itertools.pairwise([*levels, reference[-1]])
    )


def of_several(index: Index, metric: Metric | None) -> list[str]:
    """What to say of a sweep with several goals, or with limits; nothing of others."""
    if metric is None or not (metric.others or metric.limits):
        return []
    ranked, said = rank(index.entries, metric), []
    if metric.others:
        front, names = front_of(ranked, metric), all_of(goal.name for goal in metric.goals)
        upto = ", ".join(f"{name}={value:.5g}" for name, value in front.reference.items())
        said.append(
            f"front of {names}: {_trials(front.ranked)}, hypervolume {front.hypervolume:.5g} "
            f"(up to {upto})"
            if front.ranked
            else f"no trial has a number for each of {names}"
        )
    if beyond := [one for one in ranked if one.excess(metric)]:
        limits = all_of(map(str, metric.limits))
        none = "none keeps" if len(beyond) == len(ranked) else "not kept:"
        said.append(f"{none} {limits}: {_trials(beyond)}")
    return said


def _trials(ranked: Sequence[Ranked]) -> str:
    entries = [one.entry for one in ranked]
    names = [str(e.experiment if e.trial is None else e.trial) for e in entries[:SHOWN]]
    more = ["…"] if len(entries) > SHOWN else []
    return f"trial{'s' * (len(entries) > 1)} {', '.join(names + more)}"
