"""Lists of values, made when asked for however long they are, and one of them by probability."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from typing import Any

from .canonical import value_key

_LONG = 10**300  # indices beyond are multiplied as integers
_MANY = 2**53  # beyond, a float in (0, 1) cannot name each of so many values


class Counted(Sequence[Any]):
    """A sequence that may be longer than ``len`` can say: its length is ``count_of_all``."""

    count_of_all: int

    def __len__(self) -> int:
        return self.count_of_all

    def __bool__(self) -> bool:
        return self.count_of_all > 0


def count_of(values: Sequence[Any]) -> int:
    """``len``, for what is longer than ``sys.maxsize`` too."""
    if isinstance(values, Counted):
        return values.count_of_all
    return values.stop - values.start if isinstance(values, range) else len(values)


def distinct(values: Sequence[Any], key: Callable[[Any], Hashable] = value_key) -> tuple[Any, ...]:
    """``values`` without those that are equal to an earlier one, by ``key``."""
    kept: dict[Hashable, Any] = {}
    for value in values:
        kept.setdefault(key(value), value)
    return tuple(kept.values())


class Multiples(Counted):
    """What ``multiple`` makes of the numbers from ``first`` to ``last``, made when asked for."""

    def __init__(self, multiple: Callable[[int], Any], first: int, last: int) -> None:
        self._multiple, self._first = multiple, first
        self.count_of_all = max(0, last - first + 1)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count_of_all:
            raise IndexError(index)
        return self._multiple(self._first + index)


class Steps(Counted):
    """``start``, ``start + step``, … as NumPy's ``arange`` counts, and ``stop`` where it is a
    step.
    """

    def __init__(self, start: float, stop: float, step: float) -> None:
        self._start, self._stop = start, stop
        self._delta = (start + step) - start  # the same rounding as arange's
        steps = quotient(stop - start, step)
        exact: float | Fraction = steps
        if steps > _LONG:  # beyond what a float can count
            exact = (Fraction(stop) - Fraction(start)) / Fraction(step)
        self._keeps_stop = abs(float(exact - round(exact))) < 1e-9 * max(1.0, steps)
        self.count_of_all = round(exact) + 1 if self._keeps_stop else math.ceil(exact)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count_of_all:
            raise IndexError(index)
        if self._keeps_stop and index == self.count_of_all - 1:
            return self._stop
        if index > _LONG:
            return float(Fraction(self._start) + index * Fraction(self._delta))
        return self._start + index * self._delta


def quotient(value: float, by: float) -> float:
    """``value / by``, or infinity where that is beyond the largest float."""
    try:
        return value / by
    except (OverflowError, ZeroDivisionError):
        return math.inf if (value > 0) == (by >= 0) else -math.inf


def nth(values: Sequence[Any]) -> Callable[[float], Any]:
    """For u in ((k-1)/n, k/n] the k-th of n values, as SciPy's ``randint`` has it."""
    count = count_of(values)
    if count > _MANY:
        return lambda u: values[_far_place(u, count)]
    return lambda u: values[min(max(math.ceil(u * count), 1), count) - 1]


def weighted(values: Sequence[Any], weights: Sequence[float]) -> Callable[[float], Any]:
    """By cumulative weights; a value of weight 0 never comes out."""
    pairs = [(v, weight) for v, weight in zip(values, weights, strict=True) if weight > 0]
    ends = list(itertools.accumulate(weight for _, weight in pairs))
    return lambda u: pairs[min(bisect.bisect_right(ends, u), len(pairs) - 1)][0]


def _far_place(u: float, count: int) -> int:
    """A place below ``count``: u decides the first 53 bits, a hash of those the other digits."""
    leading = min(max(int(u * _MANY), 0), _MANY - 1)
    rest = hashlib.blake2b(leading.to_bytes(8, "big"), digest_size=64).digest()
    shift = count.bit_length()
    more = int.from_bytes(rest, "big") * (1 << shift) >> 512
    return ((leading << shift) + more) * count >> (53 + shift)
