"""Stopping rules: which running trials go on, judged by what all of them have reported."""

from __future__ import annotations

import bisect
import math
import random
from collections import defaultdict
from collections.abc import Hashable, Sequence

from sweeper.sweepfile import EarlyTerminate, Metric, Sweep


class LearningCurve:
    """What a run has reported, one value per iteration, with the sign that makes smaller better.

    What is no finite number is infinity, the worst there is; ``best`` and ``finite``, how many
    there are, leave it out.
    """

    def __init__(self) -> None:
        self.values: list[float] = []
        self.best = math.inf
        self.finite = 0
        self._total = 0.0

    def add(self, value: float) -> None:
        if math.isfinite(value):
            self.best = min(self.best, value)
            self.finite += 1
            self._total += value
        else:
            value = math.inf
        self.values.append(value)

    @property
    def average(self) -> float:
        """The mean of all values so far."""
        count = len(self.values)
        return self._total / count if self.finite == count else math.inf


class Leaderboard:
    """The values that runs have left where they are compared, best first."""

    def __init__(self) -> None:
        self._values: dict[Hashable, list[float]] = defaultdict(list)
        self._left: dict[str, list[tuple[Hashable, float]]] = defaultdict(list)

    def put(self, run: str, place: Hashable, value: float) -> None:
        bisect.insort(self._values[place], value)
        self._left[run].append((place, value))

    def at(self, place: Hashable) -> list[float]:
        return self._values[place]

    def drop(self, run: str) -> None:
        """Take back all that the run has left."""
        for place, value in self._left.pop(run, ()):
            values = self._values[place]
            del values[bisect.bisect_left(values, value)]


class StoppingRule:
    """Follows the metric of every run, and stops a trial that its subclass finds bad.

    An iteration is one report of the metric, counted from 1 over all attempts of a run. A run is
    named by its directory, ``exp-…/run--…``, which a resumed trial keeps from launch to launch.
    """

    def __init__(self, early: EarlyTerminate, metric: Metric) -> None:
        self.early = early
        self.leaderboard = Leaderboard()
        self._sign = -1.0 if metric.goal == "maximize" else 1.0
        self._curves: dict[str, LearningCurve] = defaultdict(LearningCurve)

    def learn(self, run: str, values: Sequence[float]) -> None:
        """Let a run of another launch count; ``values``: what it has reported so far, in order.

        Of an interrupted one too: what it trains again replaces what it had reported.
        """
        self._rewind(run, len(values))
        for value in values[len(self._curves[run].values) :]:
            self._add(run, self._sign * value)

    def should_stop(self, run: str, iteration: int, value: float) -> bool:
        """Is the run, which has just reported this value of the metric, to be stopped?"""
        self._rewind(run, iteration - 1)
        while len(self._curves[run].values) < iteration:  # reports lost with a worker: as this one
            self._add(run, self._sign * value)
        return self.is_bad(run, self._curves[run])

    def note(self, run: str, curve: LearningCurve) -> None:
        """The run has reported: leave on the leaderboard what others are compared with."""
        raise NotImplementedError

    def is_bad(self, run: str, curve: LearningCurve) -> bool:
        """Is the trial, which has just reported and was noted, to be stopped?"""
        raise NotImplementedError

    def _add(self, run: str, value: float) -> None:
        curve = self._curves[run]
        curve.add(value)
        self.note(run, curve)

    def _rewind(self, run: str, iteration: int) -> None:
        """Forget what the run has reported after ``iteration``: it has trained that again."""
        values = self._curves[run].values
        if len(values) > iteration:
            del self._curves[run]
            self.leaderboard.drop(run)
            for value in values[:iteration]:
                self._add(run, value)


class Hyperband(StoppingRule):
    """Stops a trial that does badly at a band, as W&B's hyperband does.

    A band is a number of reports, those that are no finite number not counted. Its threshold is
    the value at index ``floor(n / eta)`` of the n values that runs had there, best first. A
    running trial is stopped when its value at the latest band it has reached is worse than the
    threshold now; unless ``strict``, its best value so far is what is judged.

    Source: ``sweeps`` 0.3.0 (W&B), ``hyperband_stopping.py``; Li et al., "Hyperband", JMLR 18
    (2018).
    """

    def __init__(self, early: EarlyTerminate, metric: Metric) -> None:
        super().__init__(early, metric)
        self._bands: dict[str, tuple[int, float]] = {}  # run -> latest band, value there

    def note(self, run: str, curve: LearningCurve) -> None:
        value, count = curve.values[-1], curve.finite
        if math.isfinite(value) and count in self.early.bands(count)[-1:]:
            self.leaderboard.put(run, count, value)
            self._bands[run] = (count, value)

    def is_bad(self, run: str, curve: LearningCurve) -> bool:
        band, value = self._bands.get(run, (0, math.inf))
        if band > curve.finite or not band:  # it has begun again, and is not there yet
            return False
        values = self.leaderboard.at(band)
        threshold = values[min(int(1 / self.early.eta * len(values)), len(values) - 1)]
        return (value if self.early.strict else curve.best) > threshold


class Asha(StoppingRule):
    """Stops a trial that reaches a rung outside the best 1/eta of those that have reached it.

    The rungs of bracket s are at ``min_iter * eta**(s + k)`` reports, below ``max_iter``: a trial
    that has come so far runs to its own end. Of n values the best ``max(1, floor(n / eta))`` stay,
    and whoever equals them: the best so far is never stopped. A value that is no finite number is.
    A trial's bracket is drawn by its experiment's name, s with the odds ``eta**-s``, so that it
    is the same in every launch.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, as a
    stopping rule: no trial is paused.
    """

    def note(self, run: str, curve: LearningCurve) -> None:
        rung = self._rung(run, curve)
        if rung is not None:
            self.leaderboard.put(run, rung, curve.values[-1])

    def is_bad(self, run: str, curve: LearningCurve) -> bool:
        rung = self._rung(run, curve)
        if rung is None:
            return False
        value, values = curve.values[-1], self.leaderboard.at(rung)
        stay = max(1, int(len(values) / self.early.eta))
        return math.isinf(value) or value > values[stay - 1]

    def _rung(self, run: str, curve: LearningCurve) -> tuple[int, int] | None:
        """Bracket and iteration of the rung that the run stands at."""
        brackets = range(self.early.options["brackets"])
        odds = [float(self.early.eta) ** -bracket for bracket in brackets]
        (bracket,) = random.Random(run.partition("/")[0]).choices(brackets, odds)
        iteration = len(curve.values)
        return (bracket, iteration) if self.early.is_rung(iteration, bracket) else None


class MedianStop(StoppingRule):
    """Stops a trial whose best value is worse than the median of what others had on average.

    Judged at every report from ``min_iter`` on: its best value so far against the median, over the
    other runs that have got so far, of the mean of their values up to there; not before there are
    ``min_trials`` of them. A value that is no finite number is the worst: a trial that reports one
    when it is judged is stopped.

    Source: Golovin et al., "Google Vizier", KDD 2017, the median stopping rule.
    """

    def note(self, run: str, curve: LearningCurve) -> None:
        self.leaderboard.put(run, len(curve.values), curve.average)

    def is_bad(self, run: str, curve: LearningCurve) -> bool:
        iteration = len(curve.values)
        averages = self.leaderboard.at(iteration)
        others = len(averages) - 1
        if iteration < (self.early.min_iter or 1) or others < self.early.options["min_trials"]:
            return False
        own = bisect.bisect_left(averages, curve.average)
        middle = [averages[i + (i >= own)] for i in ((others - 1) // 2, others // 2)]
        return math.isinf(curve.values[-1]) or curve.best > sum(middle) / 2


_RULES: dict[str, type[StoppingRule]] = {
    "hyperband": Hyperband,
    "asha": Asha,
    "bohb": Asha,  # with all brackets; its other half is a searcher, such as `method: bayes`
    "median": MedianStop,
}


def stopping_rule(sweep: Sweep) -> StoppingRule | None:
    """The rule that the sweep's ``early_terminate`` names; None where it names none."""
    early, metric = sweep.early_terminate, sweep.metric
    if early is None or early.type not in _RULES:
        return None
    assert metric is not None  # the loader sees to it
    return _RULES[early.type](early, metric)
