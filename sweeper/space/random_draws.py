"""Random search: one generator per parameter, and no dict twice in a finite space."""

from __future__ import annotations

import hashlib
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
        if space.is_finite and in_vain >= _PATIENCE:
            yield from _rest(space, seed, seen)
            return
        if in_vain >= _MORE_PATIENCE:
            if refused < in_vain // 2:
                return  # what conditions leave of the space has been drawn
            texts = "; ".join(constraint.text for constraint in space.constraints)
            raise NothingAllowed(f"{in_vain:,} draws in a row broke a constraint ({texts})")


def _rest(space: Space, seed: int, seen: set[bytes]) -> Iterator[dict[str, Any]]:
    """What was not drawn yet, in a random order."""
    for params in walk(space, shuffle=seed):
        if _key(params) not in seen:
            yield params


def _key(params: dict[str, Any]) -> bytes:
    return hashlib.blake2b(canonical_json(params).encode(), digest_size=12).digest()
