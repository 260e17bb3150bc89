"""Searchers of other libraries, through Ray Tune's wrappers, behind the seam of adaptive sweeps."""

from __future__ import annotations

import importlib
import math
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .dimensions import Point
from .ray_libraries import LIBRARIES, Config
from .searcher import Curve, clip_to_unit, fill


@dataclass
class _Point:
    """A point that was chosen or taken, and what is known of it."""

    at: list[float]
    told: bool = False
    value: float | None = None


class RaySearcher:
    """A searcher of another library, as :class:`sweeper.search.Searcher`.

    ``dimensions`` is the length of a point, ``trials`` how many the sweep plans (Nevergrad
    chooses its strategy by it). The same seed and the same calls give the same points: the
    process's random generators, from which libraries draw, are seeded for each call.

    Points taken before the first ``ask`` are learned; of those taken later only Ax can be told.
    """

    def __init__(self, name: str, dimensions: int, seed: int, *, trials: int = 100) -> None:
        self._name = name
        self._library = LIBRARIES[name]
        self._dimensions = dimensions
        self._trials = trials
        self._seed = seed % 2**32
        self._points: dict[str, _Point] = {}
        self._live: set[str] = set()  # what the library knows and waits for
        self._search: Any = None
        with self._seeded():  # make it work once: what cannot fails before the launch
            search = self._build([])
            search.suggest("0")
            search.on_trial_complete("0", {"value": 0.5})

    def ask(self) -> tuple[str, list[float]] | None:
        key = str(len(self._points))
        with self._seeded():
            if self._search is None:
                self._start()
            config = self._search.suggest(key)
        if not isinstance(config, dict):  # it waits for values, or thinks that it is done
            return None
        at = [config[f"x{axis}"] for axis in range(self._dimensions)]
        if any(map(math.isnan, at)):
            raise ValueError("a coordinate is not a number")
        self._live.add(key)
        self._points[key] = _Point(list(map(clip_to_unit, at)))
        return key, list(self._points[key].at)

    def take(self, point: Point) -> str:
        key = str(len(self._points))
        known = self._points[key] = _Point(list(map(clip_to_unit, fill(point))))
        if self._search is not None and self._library.late:
            with self._seeded():
                self._search._points_to_evaluate = [_config(known.at)]
                self._feed(key, known)
        return key

    def tell(self, key: str, value: float | None, *more: float, curve: Curve | None = None) -> None:
        point = self._points[key]
        point.told, point.value = True, value
        if key in self._live:
            self._live.discard(key)
            with self._seeded():
                self._complete(key, value)

    def _build(self, points: list[Config]) -> Any:
        return self._library.build(self._dimensions, self._seed, self._trials, points)

    def _start(self) -> None:
        """Build the search with every point known so far, and tell it of them in order."""
        self._search = self._build([_config(point.at) for point in self._points.values()])
        for key, point in self._points.items():
            self._feed(key, point)

    def _feed(self, key: str, point: _Point) -> None:
        """Have the wrapper "suggest" a known point, so that it can be told of it."""
        config = self._search.suggest(key)
        wanted = _config(point.at)
        if not isinstance(config, dict):
            return
        if any(abs(config[name] - wanted[name]) > 1e-6 for name in wanted):
            self._complete(key, None)  # a point of its own choice, which nobody will try
        elif point.told:
            self._complete(key, point.value)
        else:
            self._live.add(key)

    def _complete(self, key: str, value: float | None) -> None:
        value = self._library.failed if value is None else value
        if value is None:
            self._search.on_trial_complete(key, error=True)
        else:
            self._search.on_trial_complete(key, {"value": value})

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """The process's random generators seeded by what is known; no warnings of libraries."""
        import numpy

        seed = (self._seed + len(self._points)) % 2**32
        random.seed(seed)
        numpy.random.seed(seed)
        if self._name == "ax":
            importlib.import_module("torch").manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield


def _config(point: Sequence[float]) -> Config:
    return {f"x{axis}": value for axis, value in enumerate(point)}
