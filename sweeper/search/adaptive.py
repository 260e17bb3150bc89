"""Adaptive sweeps: a searcher chooses each trial from what the earlier ones gave."""

from __future__ import annotations

import logging
import math
import statistics
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from sweeper.space import canonical_json, draw
from sweeper.sweepfile import Sweep
from sweeper.tree import (
    Claims,
    PlannedTrial,
    RunChooser,
    RunRecord,
    Tree,
    WarmStart,
    next_trial,
    plan_trials,
)

from .dimensions import Point
from .searcher import Curve, Searcher, clip_to_unit, fill

logger = logging.getLogger("sweeper.search")

LARGEST = 1e100  # of values: beyond 1e154 a model that squares them overflows
PATIENCE = 30  # points in a row that break a constraint; then one is drawn at random
REPEATED = 10  # such points count as this many, whose neighbours are all known, too
ENOUGH = 2_000  # random draws in a row that were tried before: there are no others to be found
NEAR = 60  # of points near one tried before, until the searcher is asked again

ScoreFunction = Callable[..., "Sequence[float] | None"]
"""Of a run, and of its first so many reports where that is asked: the value of each goal, and the
excess of each limit; None if it failed or has none.
"""


@dataclass
class _Point:
    """A parameter dict that is being tried: its key at the searcher, what its replicates gave."""

    key: str | None
    running: set[int] = field(default_factory=set)
    values: list[list[float]] = field(default_factory=list)
    rungs: dict[int, list[list[float]]] = field(default_factory=lambda: defaultdict(list))
    reports: int = 0
    whole: bool = False  # has one of them come to its own end?


class AdaptivePlan(Iterator["PlannedTrial | None"]):
    """The trials of an adaptive sweep: what the tree holds undone, then what ``searcher`` chooses.

    ``planned`` is what :func:`plan_trials` says of the tree. The searcher learns from all that is
    planned, from the runs of other sweeps with the same parameters, and from what the
    ``warm_start`` knows; where the sweep stops trials early also how far each of them has come, and
    what it had by then. A trial that failed counts as bad as the worst so far: its surroundings
    are avoided. No experiment is tried twice; where the searcher insists, one or two of the axes
    are drawn anew. Where the sweep is ``shared`` with other launches, theirs count as ours, and
    None is given while they leave us nothing.
    """

    def __init__(
        self,
        sweep: Sweep,
        tree: Tree,
        searcher: Searcher | None,
        planned: Sequence[PlannedTrial],
        score: ScoreFunction,
        shared: Claims | None = None,
        warm_start: WarmStart | None = None,
    ) -> None:
        self._sweep = sweep
        self.run_cap = sweep.run_cap
        self._shared = shared
        self._tree = tree
        self._searcher = searcher
        self._score = score
        self._signs = [goal.sign for goal in sweep.metric.goals] if sweep.metric else [1.0]
        self._signs += [1.0 for _ in sweep.metric.limits] if sweep.metric else []
        self._worst: list[float] | None = None
        self._points: dict[int, _Point] = {}  # trial index -> its point
        self._seen: set[tuple[Path, str]] = set()  # base of the tree, experiment
        self._tried: set[str] = set()  # the parameters of these, which cost no look at the tree
        self._foreign: set[tuple[Path, str]] = set()  # such as are no trial's
        self._claims: dict[Path, dict[str, bytes]] = defaultdict(dict)
        self._enqueued = iter(sweep.enqueue)
        self._random: Iterator[dict[str, Any]] | None = None
        self._failures: set[str] = set()  # of the searcher, each said once
        self._todo = deque(item for item in planned if item.state in ("new", "resumed"))
        self._trials = len(planned)
        after = [next_trial(sweep, tree), *(item.trial.index + 1 for item in planned)]
        self._next = max(after)
        self._next += -self._next % sweep.repeats
        for params, value in warm_start.points if warm_start else ():
            known = _Point(self._take(params))
            self._count(known, [value])
            self._tell(known)
        self._learn(planned)

    def __next__(self) -> PlannedTrial | None:
        if not self._todo:
            if self._shared is None:
                self._extend()
                return self._todo.popleft()
            with self._shared.choosing() as our_turn:
                if not our_turn:
                    return None
                theirs = self._catch_up(self._shared.elsewhere())
                if not self._todo and 0 < self._left() <= theirs:
                    return None
                if not self._todo:
                    self._extend(theirs)
        return self._todo.popleft()

    def _extend(self, theirs: int = 0) -> None:
        """Choose the next trials. Raises StopIteration where ``run_cap`` leaves none."""
        left = self._left() - theirs
        if left <= 0:
            raise StopIteration
        self._todo.extend(self._choose()[:left])
        self._trials += len(self._todo)
        for item in self._todo:
            self._points[item.trial.index].running.add(item.trial.index)

    def _catch_up(self, taken: Set[int]) -> int:
        """Learn what other launches have begun; how many of the ``taken`` trials are not yet seen.

        What they have begun is in the plan as if it were ours to go on with: who hands it out sees
        how it stands.
        """
        places = (self._tree, self._tree.debug)
        there = {(place.base, name) for place in places for name in place.experiments()}
        if new := there - self._seen - self._foreign:
            has_runs = {
                key for key in new if Tree(key[0]).runs(key[1])
            }  # before the plan sees them
            found = list(plan_trials(self._sweep, self._tree.as_it_is()))
            begun = [replace(item, state="resumed") for item in found if self._is_new(item)]
            self._learn(begun)
            self._todo.extend(begun)
            self._trials += len(begun)
            self._foreign |= has_runs - self._seen
        unseen = {index // self._sweep.repeats for index in taken - self._points.keys()}
        first = max([*taken, *self._points], default=-1) + 1
        self._next = max(self._next, first + -first % self._sweep.repeats)
        return len(unseen) * self._sweep.repeats

    def _is_new(self, item: PlannedTrial) -> bool:
        return (self._tree.of(item.trial.params).base, item.experiment) not in self._seen

    def ended(
        self, trial: int, values: Sequence[float] | None, run: RunRecord | None = None
    ) -> None:
        """The trial has ended; ``values``: what ``score`` says of its ``run``."""
        point = self._points.get(trial)
        if point is None:
            return
        point.running.discard(trial)
        self._count(point, values, run)
        if not point.running:
            self._tell(point)

    def _left(self) -> int:
        """How many more trials ``run_cap`` allows; without it, as many as are chosen at once."""
        cap = self.run_cap
        return self._sweep.repeats if cap is None else cap - self._trials

    def _count(
        self, point: _Point, values: Sequence[float] | None, run: RunRecord | None = None
    ) -> None:
        given = self._signed(values)
        if not given:
            return
        point.values.append(given)
        point.whole |= run is None or run.status not in ("stopped", "pruned")
        early, metric = self._sweep.early_terminate, self._sweep.metric
        if run is None or early is None or metric is None:
            return
        reports = sum(metric.name in row for row in run.rows)
        point.reports = max(point.reports, reports, 1)  # of a log that is lost, the least
        for rung in early.bands(reports - 1):
            if so_far := self._signed(self._score(run, upto=rung)):
                point.rungs[rung].append(so_far)

    def _signed(self, values: Sequence[float] | None) -> list[float]:
        """Values that are to be minimised; empty if one is no number."""
        if not values or not all(map(math.isfinite, values)):
            return []
        pairs = zip(self._signs, values, strict=True)
        return [s * moderate(v) for s, v in pairs]

    def _tell(self, point: _Point) -> None:
        values = _mean(point.values) or self._worst
        if values:
            self._worst = list(map(max, values, self._worst or values))
        if point.key is not None and self._searcher is not None:
            curve = None
            if self._sweep.early_terminate is not None:
                rungs = {rung: _mean(found) for rung, found in point.rungs.items()}
                curve = Curve(point.reports, not point.whole, rungs)
            self._guarded(self._searcher.tell, point.key, *(values or (None,)), curve=curve)

    def _learn(self, planned: Sequence[PlannedTrial]) -> None:
        """Tell the searcher of the trials so far, the failed ones last."""
        points: dict[tuple[Path, str], _Point] = {}
        for item in planned:
            key = (self._tree.of(item.trial.params).base, item.experiment)
            if item.run is not None and item.run.parent is not None:
                continue  # what it gives does not follow from its parameters
            self._seen.add(key)
            self._tried.add(canonical_json(item.trial.params))
            point = points.get(key)
            if point is None:
                point = points[key] = _Point(self._take(item.trial.params))
            self._points[item.trial.index] = point
            if item.state in ("new", "resumed"):
                point.running.add(item.trial.index)
            elif item.run is not None:
                self._count(point, self._score(item.run), item.run)
        ended = [point for point in points.values() if not point.running]
        for point in sorted(ended, key=lambda point: not point.values):
            self._tell(point)

    def _take(self, params: dict[str, Any]) -> str | None:
        """The searcher's key for parameters that it did not choose; None outside its space."""
        if self._searcher is None:
            return None
        try:
            point = self._sweep.space.encode(params)
        except ValueError:
            return None
        key: str | None = self._guarded(self._searcher.take, point)
        return key

    def _choose(self) -> list[PlannedTrial]:
        """The replicates of the next parameter dict. Raises StopIteration if there is no other."""
        assert self._searcher is not None
        for first in self._enqueued:
            planned = self._plan(first)
            if planned:
                return planned
        patience = PATIENCE
        while patience > 0:
            asked = self._guarded(self._searcher.ask)
            if asked is None:
                break
            key, point = asked
            params = self._sweep.space.decode(fill(point))
            planned = self._plan(params, key) if params is not None else None
            if planned is None:
                self._guarded(self._searcher.tell, key, None)
                planned = self._near(point) if params is not None else None
                patience -= 1 if params is None else REPEATED
            if planned:
                return planned
        if self._random is None:
            self._random = draw(self._sweep.space, self._sweep.seed)
        known = 0
        while known < ENOUGH:
            planned = self._plan(next(self._random))
            if planned:
                return planned
            known = known + 1 if planned is None else 0
        raise StopIteration

    def _near(self, point: Point) -> list[PlannedTrial] | None:
        """The replicates of a new dict that differs on one axis or two from one tried before."""
        random = Random(f"{self._sweep.seed} {self._next}")
        active = [place for place, u in enumerate(point) if u is not None]
        for attempt in range(NEAR):
            moved = [clip_to_unit(random.random()) if u is None else u for u in point]
            for place in random.sample(active, min(len(active), 1 + attempt % 2)):
                moved[place] = clip_to_unit(random.random())
            params = self._sweep.space.decode(moved)
            planned = self._plan(params) if params is not None else None
            if planned:
                return planned
        return None

    def _plan(self, params: dict[str, Any], key: str | None = None) -> list[PlannedTrial] | None:
        """The replicates still to run; none if others have run them all, None if tried before.

        ``key`` is the searcher's, if it has chosen them.
        """
        sweep, text = self._sweep, canonical_json(params)
        if text in self._tried:
            return None
        tree = self._tree.of(params)
        claims = self._claims[tree.base]
        experiment, runs = tree.find_runs(params, sweep.monitored, claims)
        if (tree.base, experiment) in self._seen or self._is_theirs(runs):
            return None
        self._seen.add((tree.base, experiment))
        self._tried.add(text)
        point = _Point(self._take(params) if key is None else key)
        todo = []
        for replicate in range(sweep.repeats):
            trial = sweep.trial_of(self._next + replicate, params, replicate)
            planned = self._chooser.plan(trial, experiment, runs)
            if planned.state == "reused" and planned.run is not None:
                self._count(point, self._score(planned.run), planned.run)
                continue
            if planned.state == "other":  # as if it were not there
                planned = replace(planned, run=None, state="new", changed=False)
            todo.append(planned)
        if todo and self._shared is not None:
            taken = self._shared.take(todo[0].trial)
            if taken is None or self._is_theirs(tree.runs(experiment)):
                self._shared.release(todo[0].trial.index)
                if key is None and point.key is not None and self._searcher is not None:
                    self._guarded(self._searcher.tell, point.key, None)
                self._seen.remove((tree.base, experiment))
                self._tried.remove(text)
                return None
        self._points |= {item.trial.index: point for item in todo}
        if todo:
            self._next += sweep.repeats
        else:
            self._tell(point)
        return todo

    def _is_theirs(self, runs: Sequence[RunRecord]) -> bool:
        """Has another launch begun this point since we caught up? The next time we learn of it."""
        ours = self._sweep.sweep_name
        theirs = (run for run in runs if run.unreadable is None and run.sweep == ours)
        return self._shared is not None and any(theirs)

    @cached_property
    def _chooser(self) -> RunChooser:
        return RunChooser(self._sweep, self._tree)

    def _guarded(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """None where the searcher's library fails: that must not end the sweep."""
        try:
            return call(*arguments, **named)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if text not in self._failures:
                self._failures.add(text)
                logger.warning(
                    "method %s: the searcher failed (%s); trials are drawn at random where it does",
                    self._sweep.method,
                    text,
                )
            return None


def moderate(value: float) -> float:
    """The value, in the same order as all others but never much beyond :data:`LARGEST`."""
    if abs(value) <= LARGEST:
        return value
    return math.copysign(LARGEST * (1 + math.log(abs(value) / LARGEST)), value)


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    """Of each column."""
    return [statistics.fmean(column) for column in zip(*rows, strict=True)]
