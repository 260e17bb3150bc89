"""Lists of values that are made when asked for, however long they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from .canonical import value_key

_LONG = 10**300  # indices beyond are multiplied as integers


class Counted(Sequence[Any]):
    """A sequence that may be longer than ``len`` can say: its length is ``count_of_all``."""

    count_of_all: int

    def __len__(self) -> int:
        return self.count_of_all

    def __bool__(self) -> bool:
        return self.count_of_all > 0


def distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    """``values`` without those that are equal to an earlier one."""
    kept: dict[str, Any] = {}
    for value in values:
        kept.setdefault(value_key(value), value)
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
