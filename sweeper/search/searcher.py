"""What every searcher is: the seam between a sweep and the libraries that choose points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .dimensions import Point

_MARGIN = 2.0**-53


@dataclass(frozen=True)
class Curve:
    """How a trial that a scheduler may stop has come to what it gave.

    ``reports``: how many it has made of the metric; ``rungs``: what it had given after so many,
    fewer than these; ``stopped``: it has not come to its own end.
    """

    reports: int = 0
    stopped: bool = False
    rungs: Mapping[int, Sequence[float]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.stopped and not self.reports


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

    def tell(self, key: str, value: float | None, *more: float, curve: Curve | None = None) -> None:
        """What the point gave, a finite number; None if it will never give a value.

        ``more``: of each other goal, and how far it is beyond each limit. ``curve``: of a sweep
        with ``early_terminate``.
        """


def clip_to_unit(number: float) -> float:
    """``number`` moved into the open interval (0, 1)."""
    return min(max(float(number), _MARGIN), 1 - _MARGIN)


def fill(point: Point) -> list[float]:
    """The point with the middle of each axis that is not active."""
    return [0.5 if u is None else u for u in point]
