"""What every searcher is: the seam between a sweep and the libraries that choose points."""

from __future__ import annotations

from typing import Protocol

from .dimensions import Point

_MARGIN = 2.0**-53


class Searcher(Protocol):
    """Chooses points of the unit cube, one number in (0, 1) per axis of the search space.

    The space decodes a point through its distributions' inverse CDFs, so that every distribution
    keeps its exact meaning. An axis that is not active at a point is None there, or any number from
    a searcher that knows no conditions. Values are to be minimised.
    """

    def ask(self) -> tuple[str, Point] | None:
        """The next point to try and a key for it; points that were not told yet are running.

        None if it has none before it is told more.
        """

    def take(self, point: Point) -> str:
        """A key for a point that somebody else chose: it counts as running from now on."""

    def tell(self, key: str, value: float | None, *more: float) -> None:
        """What the point gave, a finite number; None if it will never give a value.

        ``more``: of each other goal, and how far it is beyond each limit.
        """


def clip_to_unit(number: float) -> float:
    """``number`` moved into the open interval (0, 1)."""
    return min(max(float(number), _MARGIN), 1 - _MARGIN)


def fill(point: Point) -> list[float]:
    """The point with the middle of each axis that is not active."""
    return [0.5 if u is None else u for u in point]
