"""`repeats: {runs: 5, race: true}`: a parameter dict that surely loses is not run to the end."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from sweeper.sweepfile import Sweep
from sweeper.tree import PlannedTrial, RunRecord

from .adaptive import AdaptivePlan, ScoreFunction, moderate

SURE = 0.01  # the odds, at most, that chance alone makes the difference
FIRST = 2  # replicates that every dict gets


class Race(Iterator["PlannedTrial | None"]):
    """The trials of ``plan``, but those of replicates that cannot matter, which ``drop`` hears of.

    From its third replicate on a dict is looked at before each: it goes on unless it is worse than
    the best rival by a paired t test over the replicates that both have behind them. Those share
    their seeds. Rivals are all dicts where the plan lists them all, which then get their first
    replicates, their second, and so on; else those that were chosen before. A rival's replicates up
    to there are waited for, and later ones do not count: what is dropped follows from the values
    alone, however fast they came and whoever was killed in between. A dict of which no run has
    given a number loses to any that has them all.
    """

    def __init__(
        self,
        sweep: Sweep,
        plan: Iterator[PlannedTrial | None],
        planned: Sequence[PlannedTrial],
        score: ScoreFunction,
        drop: Callable[[PlannedTrial, str], None],
        learner: AdaptivePlan | None = None,
    ) -> None:
        self._plan, self._score, self._drop, self._learner = plan, score, drop, learner
        self._sign = sweep.metric.sign if sweep.metric else 1.0
        self._lists_all = learner is None and sweep.size() is not None
        self._exhausted = False
        # A dict is named by its first trial.
        self._values: dict[int, dict[int, float]] = defaultdict(dict)  # dict -> replicate -> value
        self._blank: Counter[int] = Counter()  # dict -> replicates that ended without a number
        self._pending: dict[int, tuple[int, int]] = {}  # trial -> dict, replicate
        self._held: list[PlannedTrial] = []
        self._lost: dict[int, str] = {}  # dict -> why
        for item in planned:
            self._note(item)

    def __next__(self) -> PlannedTrial | None:
        while True:
            item = self._ready()
            if item is not None:
                return item
            if self._exhausted and not self._held:
                raise StopIteration
            if self._exhausted:
                return None
            try:
                item = next(self._plan)
            except StopIteration:
                self._exhausted = True
                continue
            if item is None:
                return None
            self._note(item)
            if item.state not in ("new", "resumed"):
                return item
            self._pending[item.trial.index] = _place(item)
            if item.trial.replicate < FIRST:
                return item
            self._held.append(item)

    def ended(
        self, trial: int, values: Sequence[float] | None, run: RunRecord | None = None
    ) -> None:
        """As :meth:`AdaptivePlan.ended`, which hears of it, too."""
        if place := self._pending.pop(trial, None):
            self._count(place, values, run)
        if self._learner is not None:
            self._learner.ended(trial, values, run)

    def _note(self, item: PlannedTrial) -> None:
        if item.state in ("new", "resumed") or item.run is None:
            return
        values = self._score(item.run)
        self._count(_place(item), values, item.run)
        if values is None and item.run.status == "pruned" and item.trial.replicate >= FIRST:
            self._lost[_place(item)[0]] = "dropped before (repeats.race)"

    def _count(
        self, place: tuple[int, int], values: Sequence[float] | None, run: RunRecord | None
    ) -> None:
        if values is not None and math.isfinite(values[0]):
            self._values[place[0]][place[1]] = self._sign * moderate(values[0])
        elif run is not None and run.status in ("finished", "stopped"):
            self._blank[place[0]] += 1

    def _ready(self) -> PlannedTrial | None:
        """One of those held that is to run; those before it that lose are dropped."""
        if self._lists_all and not self._exhausted:
            return None
        self._held.sort(key=lambda item: (item.trial.replicate, item.trial.index))
        for item in list(self._held):
            own, upto = _place(item)
            if own not in self._lost:
                before = (other for other, number in self._pending.values() if number < upto)
                if any(self._lists_all or other <= own for other in before):
                    if self._lists_all:
                        return None  # what all behind it wait for, too
                    continue
                self._judge(own, upto)
            self._held.remove(item)
            if own not in self._lost:
                return item
            self._drop(item, self._lost[own])
            self.ended(item.trial.index, None)
        return None

    def _judge(self, own: int, upto: int) -> None:
        """Is the dict ``own`` lost, by its replicates before the one numbered ``upto``?"""
        from scipy.special import stdtr

        rivals = {
            statistics.fmean(values[number] for number in range(upto)): other
            for other, values in self._values.items()
            if other != own
            and (self._lists_all or other < own)
            and all(number in values for number in range(upto))
        }
        if not rivals:
            return
        best = rivals[min(rivals)]
        mine, theirs = self._values[own], self._values[best]
        if not mine and self._blank[own] >= FIRST:
            self._lost[own] = f"no number in {self._blank[own]} runs (repeats.race)"
            return
        apart = [mine[number] - theirs[number] for number in range(upto) if number in mine]
        if len(apart) < FIRST or (mean := statistics.fmean(apart)) <= 0:
            return
        error = statistics.stdev(apart) / math.sqrt(len(apart))
        if error == 0 or stdtr(len(apart) - 1, -mean / error) < SURE:
            self._lost[own] = (
                f"surely worse than trial {best}, by {mean:.3g} ± "
                f"{error:.2g} over {len(apart)} seeds (repeats.race)"
            )


def _place(item: PlannedTrial) -> tuple[int, int]:
    """The first trial of its parameter dict, and which replicate it is."""
    return item.trial.first, item.trial.replicate
