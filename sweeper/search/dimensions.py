"""How a searcher sees the axes of a space: as numbers, as steps in order, or as categories."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sweeper.space import Axis, count_of

MOST_AXES = 40  # of more `bayes` is TPE from the start
MOST_LEVELS = 1000  # of more values a searcher sees the number in (0, 1) alone

Point = Sequence["float | None"]
"""One number in (0, 1) per axis; None where it is not active."""


@dataclass(frozen=True)
class Dimension:
    """``levels``: the numbers in (0, 1) of its values, in their order if they are ``ordered``;
    none: any number. ``places``: where each level lies, for what measures distances.
    """

    levels: tuple[float, ...] = ()
    places: tuple[float, ...] = ()
    ordered: bool = True

    @cached_property
    def _sorted(self) -> list[tuple[float, int]]:
        return sorted((u, index) for index, u in enumerate(self.levels))

    def level(self, u: float) -> int:
        """Which of the levels is nearest to ``u``."""
        at = bisect_left(self._sorted, (u, -1))
        near = self._sorted[max(at - 1, 0) : at + 1]
        return min(near, key=lambda pair: abs(pair[0] - u))[1]


def dimension(axis: Axis) -> Dimension:
    """Numbers in ``values`` have an order, however they are listed; other values have none."""
    listed = axis.listed(grid=False)
    if listed is None or count_of(listed) > MOST_LEVELS:
        return Dimension()
    if len(axis.parameters) > 1:
        rows, ordered, counted = list(listed), False, False
    else:
        counted = not axis.parameters[0].distribution.values
        ordered = all(type(value) in (int, float) for value in listed)
        rows = [(value,) for value in (sorted(listed) if ordered and not counted else listed)]
    levels = tuple(axis.encode(row) for row in rows)
    even = tuple((index + 0.5) / len(levels) for index in range(len(levels)))
    return Dimension(levels, levels if counted else even, ordered)
