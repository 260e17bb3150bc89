"""`method: bayes` and `gp`: a Gaussian process of our own, on NumPy and SciPy alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import distance
from scipy.stats import qmc

from sweeper.space import Space

from .acquisition import Acquisition, boxes_above, climb
from .candidates import Candidates, Table
from .dimensions import MOST_AXES, Point
from .gaussian_process import (
    POWERS,
    Array,
    GaussianProcess,
    Hyperparameters,
    first_guesses,
    fit,
    on_one_core,
    warp,
)
from .optuna_searcher import OptunaSearcher
from .searcher import Curve

MOST_FITTED = 250  # points; the time of a fit grows with their cube
GOOD_ONES = 150  # of them, where there are more
MOST_IN_FIRST_FIT = 100  # of a launch, evenly from the best to the worst: it begins from nothing
MOST_CLIMBS = 4
HANDOVER = 500  # points, from which on `bayes` is TPE
NEAR = 0.1  # along an axis: every second point is looked for around the best
APART = 0.01  # along one axis at least: trials that run at the same time
ELSEWHERE = 0.05  # the same, from all trials, at every fourth point while none gets better
LITTLE = 1e-3  # of how far the median of the startup points lies above the best


@dataclass
class _Known:
    point: tuple[float | None, ...]
    values: tuple[float, ...] = ()
    running: bool = True
    curve: Curve | None = None

    @property
    def gave(self) -> bool:
        """Has it a value of its own? A failed trial is told with that of the worst."""
        return bool(self.values) and not (self.curve and self.curve.failed)


_Row = tuple[tuple["float | None", ...], float]
"""A point and a level."""


def _level(reports: int, longest: int) -> float:
    """Where so many reports lie between one and those of the longest trial: 0 to 1."""
    return math.log(reports) / math.log(longest) if reports < longest else 1.0


@dataclass
class _Fitted:
    points: int
    power: float
    known: dict[float, Hyperparameters]


class GpSearcher:
    """A :class:`~sweeper.search.Searcher`: the point of the highest expected improvement.

    Each goal, and how far each limit is broken, is a process of its own. First ``startup_trials``
    Sobol points. What runs is believed to give what the process expects, and so trials at the same
    time differ; a point that gave nothing counts as the worst. A finite space is looked through
    whole if it is small; no point is chosen twice.

    Every second point is looked for near the best. While this has brought next to nothing for some
    time, every fourth is looked for away from all that was tried, by processes that know of each
    neighbourhood the best point alone: many points in one optimum hide how much values differ.

    With ``levels`` the processes have one more axis: how long a trial had trained, as the logarithm
    of its reports over that of the longest trial's. A trial is known at all rungs that it has
    passed and where it was stopped, and points are chosen by what is hoped for at the full level.
    Source: Kandasamy et al., "Multi-fidelity Bayesian Optimisation with Continuous
    Approximations", ICML 2017.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        startup_trials: int | None = None,
        goals: int = 1,
        limits: int = 0,
        levels: bool = False,
    ) -> None:
        self._levels = levels
        self._seed = seed % 2**32
        self._goals = goals
        self._limits = limits
        self._fits: dict[tuple[int, bool], _Fitted] = {}
        self._candidates = Candidates(space)
        self._categorical = np.array([*self._candidates.categorical, *[False] * levels], bool)
        columns = len(space.axes)
        self._startup = min(max(4, columns + 2), 12) if startup_trials is None else startup_trials
        self._points: list[_Known] = []

    def ask(self) -> tuple[str, Point] | None:
        told = [one for one in self._points if not one.running]
        with warnings.catch_warnings(), on_one_core():
            warnings.simplefilter("ignore")  # of balance, which Sobol points have in powers of 2
            values = sum(one.values != () for one in told)
            if len(self._points) < self._startup or values < max(2, self._startup // 2):
                point = self._sobol()
            else:
                elsewhere = len(self._points) % 4 == 0 and self._is_stuck()
                point = self._promising(told, elsewhere)
        return None if point is None else (self.take(point), point)

    def take(self, point: Point) -> str:
        self._points.append(_Known(tuple(point)))
        return str(len(self._points) - 1)

    def tell(self, key: str, value: float | None, *more: float, curve: Curve | None = None) -> None:
        one = self._points[int(key)]
        one.values, one.running = () if value is None else (value, *more), False
        one.curve = curve

    def _sobol(self) -> Point | None:
        sequence = qmc.Sobol(self._candidates.columns, scramble=True, rng=self._seed)
        cube = sequence.random(len(self._points) + 64)[len(self._points) :]
        tried = {one.point for one in self._points}
        return self._candidates.first_new(self._candidates.drawn(cube), tried)

    def _is_stuck(self) -> bool:
        """Have twice as many points as there are axes, 10 at least, brought next to nothing?"""
        values = [one.values for one in self._points if one.gave]
        latest = 2 * max(5, self._candidates.columns)
        if self._goals > 1 or self._levels or len(values) <= latest:
            return False
        merits = self._merits(np.array(values))
        best, typical = merits.min(), np.median(merits[: self._startup])
        return bool(merits[:-latest].min() - best <= LITTLE * (typical - best))

    def _promising(self, told: Sequence[_Known], elsewhere: bool) -> Point | None:
        candidates = self._candidates
        values = self._values(told)
        chosen = self._thinned(values)
        if elsewhere:
            chosen = self._best_of_each(chosen)
        known = candidates.table([point for point, _ in chosen])
        x = self._encoded(known, [level for _, level in chosen])
        y = np.array([values[row] for row in chosen])
        running = [one.point for one in self._points if one.running]
        believed = self._encoded(candidates.table(running))
        acquisition = self._acquisition(x, y, believed, elsewhere)
        tried = {one.point for one in self._points}
        random = np.random.default_rng([self._seed, len(self._points)])
        local = len(self._points) % 2 == 1
        first = np.arange(min(5, len(chosen)))
        if self._goals > 1:  # anywhere along the front
            merits = self._merits(y)
            first = random.permutation(int((merits == merits.min()).sum()))[:5]
        good = known.rows(first[:1] if local else first)
        found = candidates.around(good, random, local)
        box = NEAR if local else 1.0
        others, gap = believed, APART
        if elsewhere:
            others, gap = self._encoded(candidates.table(list(tried))), ELSEWHERE

        def score(table: Table) -> Array:
            at = self._encoded(table)
            new = np.array([point not in tried for point in candidates.points(table)], bool)
            if len(others):
                new &= distance.cdist(at, others, "chebyshev").min(1) >= gap
            return np.where(new, acquisition.scores(at), -math.inf)

        scores = score(found)
        if elsewhere and not np.isfinite(scores).any():  # there is nothing away from all others
            return self._promising(told, False)
        if candidates.all is not None:
            return candidates.first_new(found.rows(np.argsort(-scores)), tried)
        tops = [int(index) for index in np.argsort(-scores)[:MOST_CLIMBS]]
        best_score, chosen_point = -math.inf, None
        for index in tops:
            row, value = found.rows([index]), float(scores[index])
            for _ in range(3):
                before = value
                free = candidates.free(row)
                if free:
                    end = climb(acquisition, self._encoded(row)[0], free, box)
                    for part in (1.0, 0.5, 0.25):
                        moved = candidates.moved(row, end, free, part)
                        higher = float(score(moved)[0]) if len(moved) else -math.inf
                        if higher > value:
                            row, value = moved, higher
                            break
                near = candidates.neighbours(row)
                if len(near):
                    near_scores = score(near)
                    top = int(np.argmax(near_scores))
                    if near_scores[top] > value:
                        row, value = near.rows([top]), float(near_scores[top])
                if value - before < 1e-3 or not len(near):
                    break
            if value > best_score:
                best_score, (chosen_point,) = value, candidates.points(row)
        return chosen_point or self._sobol()

    def _encoded(self, table: Table, levels: float | Sequence[float] = 1.0) -> Array:
        """The points as the processes see them: the level, if it is one, is the last column."""
        found = self._candidates.encoded(table)
        if not self._levels:
            return found
        return np.hstack([found, np.broadcast_to(levels, len(found))[:, None]])

    def _values(self, told: Sequence[_Known]) -> dict[_Row, tuple[float, ...]]:
        """What each point gave at its levels; the worst at the last, if it gave nothing."""
        worst = tuple(map(max, zip(*(one.values for one in told if one.values), strict=True)))
        given = [one for one in told if one.gave]
        other = {one.point for one in self._points if one.running or one.gave}
        found = {(one.point, 1.0): worst for one in told if one.point not in other}
        longest = max((one.curve.reports for one in told if one.curve), default=0)
        for one in given:
            curve = one.curve or Curve()
            for reports, values in curve.rungs.items():
                found[one.point, _level(reports, longest)] = tuple(values)
            level = _level(curve.reports, longest) if curve.stopped else 1.0
            found[one.point, level] = one.values
        return found

    def _thinned(self, values: dict[_Row, tuple[float, ...]]) -> list[_Row]:
        """The rows that the processes are fitted to, the highest level first, there the best."""
        merits = self._merits(np.array(list(values.values())))
        by_merit = sorted(zip(merits, values, strict=True), key=lambda p: (-p[1][1], p[0]))
        order = [row for _, row in by_merit]
        if len(order) <= MOST_FITTED:
            return order
        rest = order[GOOD_ONES:]
        others = np.linspace(0, len(rest) - 1, MOST_FITTED - GOOD_ONES).astype(int)
        return order[:GOOD_ONES] + [rest[index] for index in others]

    def _best_of_each(self, rows: list[_Row]) -> list[_Row]:
        """Those of the rows, the best first, that lie apart from all better ones."""
        at = self._encoded(self._candidates.table([point for point, _ in rows]))
        far = distance.cdist(at, at, "chebyshev") >= ELSEWHERE
        kept: list[int] = []
        for place in range(len(rows)):
            if far[place, kept].all():
                kept.append(place)
        return [rows[place] for place in kept]

    def _merits(self, values: Array) -> Array:
        """What is less of a better point: its value; of several goals how many points dominate it;
        beyond a limit, more than of any within.
        """
        goals, excess = values[:, : self._goals], np.maximum(values[:, self._goals :], 0).sum(1)
        merits = goals[:, 0]
        if self._goals > 1:
            below = (goals[:, None] <= goals[None]).all(2) & (goals[:, None] < goals[None]).any(2)
            merits = below.sum(0)
        return np.where(excess > 0, merits.max() + excess, merits)

    def _acquisition(self, x: Array, y: Array, believed: Array, elsewhere: bool) -> Acquisition:
        """What is hoped for; while no point keeps the limits, that they are kept."""
        categorical, processes, most = self._categorical, [], []
        for column in range(y.shape[1]):
            is_goal = column < self._goals
            beyond = [] if is_goal else [0.0]
            warped, hyper = self._fit((column, elsewhere), x, np.array([*y[:, column], *beyond]))
            process = GaussianProcess(x, warped[: len(x)], categorical, hyper)
            processes.append(process.imagine(believed) if len(believed) else process)
            most.append(warped[-1])
        known = processes[0].points
        if self._levels:
            known = known[known[:, -1] == 1.0]
        means = np.array([of.predict(known)[0] for of in processes]).T
        limits = list(zip(processes, most, strict=True))[self._goals :]
        kept = means[(means <= most)[:, self._goals :].all(1), : self._goals]
        if not len(kept):
            return Acquisition((), kept, kept, limits)
        return Acquisition(processes[: self._goals], *boxes_above(kept), limits)

    def _fit(
        self, process: tuple[int, bool], points: Array, values: Array
    ) -> tuple[Array, Hyperparameters]:
        """The values on the scale on which the process explains them best, and its
        hyperparameters: those of the last fit, unless enough points have come since.

        What ``values`` there are beyond the points is moved to the same scale.
        """
        before = self._fits.get(process)
        most = MOST_IN_FIRST_FIT if before is None else MOST_FITTED
        places = np.unique(np.linspace(0, len(points) - 1, most).astype(int))
        if before is None or len(self._points) > before.points + before.points // 25:
            steps = 50 if len(values) < 100 else 12
            found = []
            for power in POWERS:
                warped, lost = warp(values, power)
                starts = first_guesses(points.shape[1])
                if before:  # the last ones, and at first what knows nothing of these
                    starts = [before.known[power], *starts[: len(values) < 100]]
                least, known = fit(points[places], warped[places], self._categorical, starts, steps)
                found.append((least + lost, power, known))
            _, power, _ = min(found, key=lambda one: one[0])
            known_of = {one[1]: one[2] for one in found}
            before = self._fits[process] = _Fitted(len(self._points), power, known_of)
        return warp(values, before.power)[0], before.known[before.power]


class BayesSearcher(GpSearcher):
    """The same until :data:`HANDOVER` points are known, then TPE, whose time does not grow so."""

    def __init__(self, space: Space, seed: int, *args: Any, **options: Any) -> None:
        super().__init__(space, seed, *args, **options)
        self._space = space
        self._after = HANDOVER if len(space.axes) <= MOST_AXES else 0
        self._next: OptunaSearcher | None = None
        self._keys: dict[str, str] = {}

    def ask(self) -> tuple[str, Point] | None:
        if len(self._points) < self._after:
            return super().ask()
        if self._next is None:
            self._next = OptunaSearcher("tpe", self._space, self._seed, self._goals, self._limits)
            for number, one in enumerate(self._points):
                self._keys[str(number)] = self._next.take(one.point)
                if not one.running:
                    self._next.tell(self._keys[str(number)], *(one.values or (None,)))
        key, point = self._next.ask()
        own = super().take(point)
        self._keys[own] = key
        return own, point

    def take(self, point: Point) -> str:
        own = super().take(point)
        if self._next is not None:
            self._keys[own] = self._next.take(point)
        return own

    def tell(self, key: str, value: float | None, *more: float, curve: Curve | None = None) -> None:
        super().tell(key, value, *more, curve=curve)
        if self._next is not None:
            self._next.tell(self._keys[key], value, *more)
