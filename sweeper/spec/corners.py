"""The extreme parameter dicts of a space: where a train function is likeliest to fail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .canonical import encode
from .space import Space, merge

# Distributions without an end are taken this far: one draw in ten thousand lies beyond.
_LOW, _HIGH = 0.0001, 0.9999


def corners(space: Space, most: int = 64) -> Iterator[dict[str, Any]]:
    """At most ``most`` different dicts in which every parameter is at one of its ends.

    All combinations of the ends where these are few; else everything low, everything high, and each
    parameter at one end while the others are at the other. A categorical parameter's ends are its
    first and last value. Dicts that break a constraint are left out.
    """
    if space.listed is not None:
        yield from itertools.islice(space.walk(), most)
        return
    count = len(space.axes)
    seen: set[str] = set()
    for us in _combinations(count, most):
        params = space.decode(us)
        if params is None or encode(params) in seen:
            continue
        seen.add(encode(params))
        yield merge({}, params)
        if len(seen) == most:
            return


def _combinations(count: int, most: int) -> Iterator[list[float]]:
    if 2**count <= most:
        for ends in itertools.product((_LOW, _HIGH), repeat=count):
            yield list(ends)
        return
    yield [_LOW] * count
    yield [_HIGH] * count
    for place in range(count):
        for one, others in ((_HIGH, _LOW), (_LOW, _HIGH)):
            yield [one if index == place else others for index in range(count)]
