"""The extreme parameter dicts of a space: where a train function is likeliest to fail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .axes import Axis
from .canonical import canonical_json
from .kinds import BOUNDED
from .nested_dicts import merge
from .sequences import count_of
from .space import Space
from .walks import walk

# Distributions that thin out towards their ends (normal, beta …) are taken this far: one draw in
# ten thousand lies beyond.
_LOW, _HIGH = 0.0001, 0.9999


def corners(space: Space, most: int = 64) -> Iterator[dict[str, Any]]:
    """At most ``most`` different dicts in which every parameter is at one of its ends.

    All combinations of the ends where these are few; else everything low, everything high, and each
    parameter at one end while the others are at the other. The ends of a range are its bounds; a
    categorical parameter's are its first and last value. Dicts that break a constraint are left
    out.
    """
    if space.listed is not None:
        yield from itertools.islice(walk(space), most)
        return
    ends = [_ends(axis, space.grid) for axis in space.axes]
    seen: set[str] = set()
    for sides in _combinations(len(ends), most):
        params = space.build(
            [v for pair, side in zip(ends, sides, strict=True) for v in pair[side]]
        )
        if params is None or canonical_json(params) in seen:
            continue
        seen.add(canonical_json(params))
        yield merge({}, params)
        if len(seen) == most:
            return


def _ends(axis: Axis, grid: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The lowest and the highest value of an axis, for each of its parameters."""
    of = axis.parameters[0].distribution
    if len(axis.parameters) > 1:
        return axis.rows[0], axis.rows[-1]
    values = axis.listed(grid)
    if values is not None and of.kind != "q_beta":
        return (values[0],), (values[count_of(values) - 1],)
    if of.kind in BOUNDED:
        low, high = of.bounds
        return (float(low),), (float(high),)
    return axis.decode(_LOW), axis.decode(_HIGH)


def _combinations(count: int, most: int) -> Iterator[list[int]]:
    """The side of each axis: 0 is its low end, 1 its high one."""
    if 2**count <= most:
        for sides in itertools.product((0, 1), repeat=count):
            yield list(sides)
        return
    yield [0] * count
    yield [1] * count
    for place in range(count):
        for one, others in ((1, 0), (0, 1)):
            yield [one if index == place else others for index in range(count)]
