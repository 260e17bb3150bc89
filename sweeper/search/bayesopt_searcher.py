"""`method: bayesopt`: the Gaussian process of the package bayesian-optimization."""

from __future__ import annotations

import importlib
import itertools
import statistics
import warnings
from collections.abc import Sequence
from random import Random
from typing import Any

from .searcher import clip_to_unit

RANDOM_FIRST = 10  # points before its model: what Ray Tune's wrapper does too


class BayesOptSearcher:
    """A :class:`~sweeper.search.Searcher` that builds the optimizer anew for every question.

    It cannot forget a value: so what a running point is assumed to give, the mean, is told to one
    that serves one question. A point that gave nothing counts as the worst, or it would be
    suggested again. Not through Ray Tune's wrapper, which cannot work with releases 2 and 3.
    """

    def __init__(self, dimensions: int, seed: int) -> None:
        self._dimensions, self._seed = dimensions, seed % 2**32
        self._random = Random(seed)
        self._points: dict[str, tuple[float, ...]] = {}
        self._told: dict[str, float | None] = {}
        self._keys = map(str, itertools.count())
        self._suggest({(0.5,) * dimensions: [0.5]})  # what cannot work fails before the launch

    def ask(self) -> tuple[str, list[float]]:
        values = [value for value in self._told.values() if value is not None]
        if len(self._points) < RANDOM_FIRST or not values:
            point = [clip_to_unit(self._random.random()) for _ in range(self._dimensions)]
            return self.take(point), point
        mean, worst = statistics.fmean(values), max(values)
        gave: dict[tuple[float, ...], list[float]] = {}  # it refuses a point that it has already
        for key, at in self._points.items():
            value = self._told.get(key, mean)
            gave.setdefault(at, []).append(worst if value is None else value)
        point = self._suggest(gave)
        return self.take(point), point

    def take(self, point: Sequence[float]) -> str:
        key = next(self._keys)
        self._points[key] = tuple(point)
        return key

    def tell(self, key: str, value: float | None) -> None:
        self._told[key] = value

    def _suggest(self, gave: dict[tuple[float, ...], list[float]]) -> list[float]:
        library = importlib.import_module("bayes_opt")
        names = [f"x{axis}" for axis in range(self._dimensions)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer: Any = library.BayesianOptimization(
                None,
                dict.fromkeys(names, (0.0, 1.0)),
                random_state=(self._seed + len(self._points)) % 2**32,
                verbose=0,
            )
            for point, values in gave.items():
                optimizer.register(dict(zip(names, point, strict=True)), -statistics.fmean(values))
            # Release 1, which Nevergrad pins, wants to be told what is the default of the others.
            old = hasattr(library, "UtilityFunction")
            utility = [library.UtilityFunction("ucb", kappa=2.576, xi=0.0)] if old else []
            found = optimizer.suggest(*utility)
        return [clip_to_unit(found[name]) for name in names]
