"""Lists of values that are made when asked for, however long they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .canonical import value_key


def distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    """``values`` without those that are equal to an earlier one."""
    kept: dict[str, Any] = {}
    for value in values:
        kept.setdefault(value_key(value), value)
    return tuple(kept.values())


class Multiples(Sequence[Any]):
    """What ``multiple`` makes of the numbers from ``first`` to ``last``, made when asked for."""

    def __init__(self, multiple: Callable[[int], Any], first: int, last: int) -> None:
        self._multiple, self._first = multiple, first
        self._count = max(0, last - first + 1)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._multiple(self._first + index)


class Steps(Sequence[Any]):
    """``start``, ``start + step``, … as NumPy's ``arange`` counts, and ``stop`` where it is a
    step.
    """

    def __init__(self, start: float, stop: float, step: float) -> None:
        self._start, self._stop = start, stop
        self._delta = (start + step) - start  # the same rounding as arange's
        exact = (stop - start) / step
        self._keeps_stop = abs(exact - round(exact)) < 1e-9 * max(1.0, exact)
        self._count = round(exact) + 1 if self._keeps_stop else math.ceil(exact)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        if self._keeps_stop and index == self._count - 1:
            return self._stop
        return self._start + index * self._delta
