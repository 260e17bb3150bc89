"""Searchers see the unit cube, one number in (0, 1) per axis of the search space."""

from __future__ import annotations

_MARGIN = 2.0**-53


def clip_to_unit(number: float) -> float:
    """``number`` moved into the open interval (0, 1)."""
    return min(max(float(number), _MARGIN), 1 - _MARGIN)
