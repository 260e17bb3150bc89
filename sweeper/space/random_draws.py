"""Random search: one generator per parameter, and no dict twice in a finite space."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

from sweeper.errors import UsageError

from .canonical import canonical_json, stream_seed
from .space import Space
from .walks import walk

# So many draws in a row that give nothing new, and the rest is walked through (or given up).
_PATIENCE = 2_000
_MORE_PATIENCE = 100_000
_SHUFFLED = 10_000  # points of a walk in order
_SMALLEST = 2.0**-54


class NothingAllowed(UsageError):
    """The constraints refuse draw after draw."""


def draw(space: Space, seed: int) -> Iterator[dict[str, Any]]:
    """The space's random draws: draw k takes the k-th number of every parameter's generator.

    Raises NothingAllowed if the constraints refuse draw after draw.
    """
    streams = [Random(stream_seed(seed, axis.parameters[0].path)) for axis in space.axes]
    remembers = space.is_finite or bool(space.conditions)
    seen: set[bytes] = set()
    total = space.size() if space.is_finite and not space.size_is_bound else None
    is_wide = space.is_finite and not space.is_plain and space.raw_size > _MORE_PATIENCE
    patience = _MORE_PATIENCE if is_wide else _PATIENCE
    in_vain = refused = 0
    while total is None or len(seen) < total:
        params = space.decode([stream.random() or _SMALLEST for stream in streams])
        if params is None:
            refused += 1
        elif not remembers or (key := _key(params)) not in seen:
            if remembers:
                seen.add(key)
            in_vain = refused = 0
            yield params
            continue
        in_vain += 1
        if space.is_finite and in_vain >= patience:
            yield from _rest(space, seed, seen, is_wide)
            return
        if in_vain >= _MORE_PATIENCE:
            if in_vain - refused >= _PATIENCE:
                return  # what conditions and constraints leave of the space has been drawn
            texts = "; ".join(constraint.text for constraint in space.constraints)
            raise NothingAllowed(f"{in_vain:,} draws in a row broke a constraint ({texts})")


def _rest(space: Space, seed: int, seen: set[bytes], is_wide: bool) -> Iterator[dict[str, Any]]:
    """What was not drawn yet, in a random order.

    Of a wide space, most of which is not allowed, only a walk in the grid's order comes to an end.
    """
    every = walk(space, None if is_wide else seed)
    if is_wide:
        first = list(itertools.islice(every, _SHUFFLED))
        Random(seed).shuffle(first)
        every = itertools.chain(first, every)
    yield from (params for params in every if _key(params) not in seen)


def _key(params: dict[str, Any]) -> bytes:
    return hashlib.blake2b(canonical_json(params).encode(), digest_size=12).digest()
