"""Searchers of other libraries, through Ray Tune's wrappers, behind the seam of adaptive sweeps."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sweeper.errors import UsageError

from .ray_libraries import LIBRARIES, Config, check_installed
from .unit_cube import clip_to_unit

logger = logging.getLogger("sweeper.search")

T = TypeVar("T")

LARGEST = 1e100  # beyond 1e154 a model that squares the values overflows
RANDOM_FIRST = 10  # BayesOpt's points before its model: what Ray's wrapper does too


@dataclass
class _Point:
    """A point that was chosen or taken, and what is known of it."""

    at: list[float]
    told: bool = False
    value: float | None = None


class RaySearcher:
    """A searcher of another library, as :class:`sweeper.search.Searcher`.

    ``dimensions`` is the length of a point, ``trials`` how many the sweep plans (Nevergrad
    chooses its strategy by it). The same seed and the same calls give the same points;
    libraries that draw from the process's generators get generators of this searcher's own.

    What happens inside the library after the start cannot end a launch: if it fails, or wants to
    wait for values, the point is drawn uniformly at random (seeded); each failure is logged once
    as a warning. Points taken before the first ``ask`` are learned; of those taken later only
    Ax and BayesOpt can be told.

    Raises:
        UsageError: the library is not installed, or Ray's wrapper cannot use the installed one.
    """

    def __init__(self, name: str, dimensions: int, seed: int, *, trials: int = 100) -> None:
        check_installed(name)
        if name not in LIBRARIES:
            raise UsageError(f"method: expected one of {', '.join(LIBRARIES)}, found {name!r}.")
        self._name = name
        self._library = LIBRARIES[name]
        self._dimensions = dimensions
        self._trials = trials
        self._seed = seed % 2**32
        self._random = random.Random(seed)
        self._states: list[Any] = []
        self._points: dict[str, _Point] = {}
        self._live: set[str] = set()  # what the library knows and waits for
        self._search: Any = None
        self._warned: set[str] = set()
        self._check()

    def ask(self) -> tuple[str, list[float]]:
        """The next point, each coordinate in (0, 1), and its key."""
        key = self._key()
        at = self._safely(lambda: self._suggest(key))
        if at is None:
            at = [_in_unit_interval(self._random.random()) for _ in range(self._dimensions)]
        self._points[key] = _Point(at)
        return key, list(at)

    def take(self, point: Sequence[float]) -> str:
        """A key for somebody else's point; it counts as running."""
        key = self._key()
        known = self._points[key] = _Point([_in_unit_interval(value) for value in point])
        if self._search is not None and self._library.late:
            self._safely(lambda: self._feed_late(key, known))
        return key

    def tell(self, key: str, value: float | None) -> None:
        """What the point gave; None, NaN and infinity: nothing."""
        point = self._points[key]
        point.told = True
        if value is not None and math.isfinite(value):
            point.value = min(max(float(value), -LARGEST), LARGEST)
        if key in self._live:
            self._live.discard(key)
            self._safely(lambda: self._complete(key, point.value))

    def _key(self) -> str:
        return str(len(self._points))

    def _check(self) -> None:
        """Make the library work once, so that what cannot work fails before the launch."""
        try:
            with self._own_generators():
                search = self._library.build(self._dimensions, self._seed, self._trials, [])
                search.suggest("0")
                search.on_trial_complete("0", {"value": 0.5})
        except Exception as error:
            import ray

            package = self._library.package
            version = importlib.metadata.version(package)
            raise UsageError(
                f"method: {self._name}: Ray Tune {ray.__version__} cannot work with the installed "
                f"{package} {version}: {type(error).__name__}: {error}. "
                f"Install what is known to work: pip install 'sweeper[{self._name}]'"
            ) from error
        self._states = []

    def _suggest(self, key: str) -> list[float] | None:
        if self._name == "bayesopt":
            if not self._replay():
                return None
        elif self._search is None:
            self._start()
        config = self._search.suggest(key)
        if not isinstance(config, dict):  # it waits for values, or thinks that it is done
            return None
        self._live.add(key)
        return [_in_unit_interval(config[f"x{axis}"]) for axis in range(self._dimensions)]

    def _start(self) -> None:
        """Build the search with every point known so far, and tell it of them in order."""
        points = [_config(point.at) for point in self._points.values()]
        self._search = self._library.build(self._dimensions, self._seed, self._trials, points)
        for key, point in self._points.items():
            self._feed(key, point)

    def _feed_late(self, key: str, point: _Point) -> None:
        self._search._points_to_evaluate = [_config(point.at)]
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

    def _replay(self) -> bool:
        """Build BayesOpt anew from all that is known; False: too little for its model.

        It cannot forget a value, so what a running point is assumed to give (the mean) is told to
        a copy that serves one question. A point that gave nothing counts as the worst, or it
        would be suggested again.
        """
        values = [point.value for point in self._points.values() if point.value is not None]
        if len(self._points) < RANDOM_FIRST or not values:
            return False
        mean, worst = sum(values) / len(values), max(values)
        gave: dict[tuple[float, ...], list[float]] = {}  # it refuses a point that it has already
        for point in self._points.values():
            assumed = worst if point.told else mean
            value = assumed if point.value is None else point.value
            gave.setdefault(tuple(point.at), []).append(value)
        seed = (self._seed + len(self._points)) % 2**32
        points = [_config(at) for at in gave]
        self._search = self._library.build(self._dimensions, seed, self._trials, points)
        for number, at in enumerate(gave):
            key = f"known {number}"
            self._search.suggest(key)
            self._complete(key, sum(gave[at]) / len(gave[at]))
        return True

    def _complete(self, key: str, value: float | None) -> None:
        value = self._library.failed if value is None else value
        if value is None:
            self._search.on_trial_complete(key, error=True)
        else:
            self._search.on_trial_complete(key, {"value": value})

    def _safely(self, action: Callable[[], T]) -> T | None:
        try:
            with self._own_generators():
                return action()
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            if text not in self._warned:
                self._warned.add(text)
                logger.warning(
                    "The searcher %s failed and goes on, with random points where it must: %s",
                    self._name,
                    text,
                )
            return None

    @contextmanager
    def _own_generators(self) -> Iterator[None]:
        """The process's random generators in this searcher's state; no warnings of libraries."""
        import numpy

        torch = importlib.import_module("torch") if self._name == "ax" else None
        theirs = _states(torch)
        if self._states:
            _restore(self._states, torch)
        else:
            random.seed(self._seed)
            numpy.random.seed(self._seed)
            if torch is not None:
                torch.manual_seed(self._seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            self._states = _states(torch)
            _restore(theirs, torch)


def _in_unit_interval(value: float) -> float:
    if math.isnan(value):
        raise ValueError("a coordinate is not a number")
    return clip_to_unit(value)


def _config(point: Sequence[float]) -> Config:
    return {f"x{axis}": value for axis, value in enumerate(point)}


def _states(torch: Any) -> list[Any]:
    import numpy

    return [
        random.getstate(),
        numpy.random.get_state(),
        None if torch is None else torch.get_rng_state(),
    ]


def _restore(states: list[Any], torch: Any) -> None:
    import numpy

    random.setstate(states[0])
    numpy.random.set_state(states[1])
    if torch is not None:
        torch.set_rng_state(states[2])
