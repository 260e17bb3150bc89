"""`method: qmc`: SciPy's Sobol sequence."""

from __future__ import annotations

import itertools
import warnings

from .dimensions import Point
from .searcher import Curve, clip_to_unit


class SobolSearcher:
    """Points that fill the unit cube evenly, whatever they give: a scrambled Sobol sequence.

    Each point taken or asked for is one step of the sequence, so that another launch goes on where
    the last one ended. Source: Owen, "Scrambling Sobol' and Niederreiter-Xing points", 1998, as
    ``scipy.stats.qmc.Sobol`` has it.
    """

    def __init__(self, dimensions: int, seed: int) -> None:
        from scipy.stats import qmc

        self._sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
        self._keys = map(str, itertools.count())

    def ask(self) -> tuple[str, list[float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of balance, which holds for powers of 2 only
            (point,) = self._sequence.random(1)
        return next(self._keys), [clip_to_unit(number) for number in point]

    def take(self, point: Point) -> str:
        self._sequence.fast_forward(1)
        return next(self._keys)

    def tell(self, key: str, value: float | None, *more: float, curve: Curve | None = None) -> None:
        """Nothing to learn."""
