"""Lists of values, made when asked for however long, one of them by probability, a random order."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from .canonical import value_key

_ROUNDS = 4
_MASK = (1 << 64) - 1
_MANY = 2**53  # beyond, a float in (0, 1) cannot name each of so many values


class Lazy(Sequence[Any]):
    """``at(0)``, ``at(1)``, …, made when asked for; ``length`` may be more than ``len`` can say."""

    def __init__(self, length: int, at: Callable[[int], Any]) -> None:
        self.length, self._at = max(0, length), at

    def __len__(self) -> int:
        return self.length

    def __bool__(self) -> bool:
        return self.length > 0

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.length:
            raise IndexError(index)
        return self._at(index)


def count_of(values: Sequence[Any]) -> int:
    """``len``, for what is longer than ``sys.maxsize`` too."""
    if isinstance(values, Lazy):
        return values.length
    return values.stop - values.start if isinstance(values, range) else len(values)


def distinct(values: Sequence[Any], key: Callable[[Any], Hashable] = value_key) -> tuple[Any, ...]:
    """``values`` without those that are equal to an earlier one, by ``key``."""
    kept: dict[Hashable, Any] = {}
    for value in values:
        kept.setdefault(key(value), value)
    return tuple(kept.values())


def first_of_equals(
    values: Sequence[Any], key: Callable[[Any], Hashable] = value_key
) -> tuple[Any, ...]:
    """``values`` with the first that is equal, by ``key``, in place of each."""
    first: dict[Hashable, Any] = {}
    return tuple(first.setdefault(key(value), value) for value in values)


def steps(start: float, stop: float, step: float) -> Lazy:
    """``start``, ``start + step``, … as NumPy's ``arange`` counts, and ``stop`` where it is a
    step.
    """
    delta = (start + step) - start  # the same rounding as arange's
    number = (stop - start) / step
    keeps_stop = abs(number - round(number)) < 1e-9 * max(1.0, number)
    count = round(number) + 1 if keeps_stop else math.ceil(number)

    def at(index: int) -> float:
        return stop if keeps_stop and index == count - 1 else start + index * delta

    return Lazy(count, at)


def quotient(value: float, by: float) -> float:
    """``value / by``, or infinity where that is beyond the largest float."""
    try:
        return value / by
    except (OverflowError, ZeroDivisionError):
        return math.inf if (value > 0) == (by >= 0) else -math.inf


def nth(values: Sequence[Any]) -> Callable[[float], Any]:
    """For u in ((k-1)/n, k/n] the k-th of n values, as SciPy's ``randint`` has it."""
    count = count_of(values)
    if count > _MANY:
        return lambda u: values[_far_place(u, count)]
    return lambda u: values[min(max(math.ceil(u * count), 1), count) - 1]


def weighted(values: Sequence[Any], weights: Sequence[float]) -> Callable[[float], Any]:
    """By cumulative weights; a value of weight 0 never comes out."""
    pairs = [(v, weight) for v, weight in zip(values, weights, strict=True) if weight > 0]
    ends = list(itertools.accumulate(weight for _, weight in pairs))
    return lambda u: pairs[min(bisect.bisect_right(ends, u), len(pairs) - 1)][0]


def _far_place(u: float, count: int) -> int:
    """A place below ``count``: u decides the first 53 bits, a hash of those the other digits."""
    leading = min(max(int(u * _MANY), 0), _MANY - 1)
    rest = hashlib.blake2b(leading.to_bytes(8, "big"), digest_size=64).digest()
    shift = count.bit_length()
    more = int.from_bytes(rest, "big") * (1 << shift) >> 512
    return ((leading << shift) + more) * count >> (53 + shift)


def shuffled(count: int, seed: int) -> Iterator[int]:
    """``range(count)`` in an order of the seed's, without a list: ``count`` may be any number.

    By a Feistel network, walked until it lands inside.
    """
    half = max(1, (max(count - 1, 1).bit_length() + 1) // 2)
    low = (1 << half) - 1
    digest = hashlib.sha512(f"shuffle {seed}".encode()).digest()
    keys = [int.from_bytes(digest[i * 8 : i * 8 + 8], "big") | 1 for i in range(_ROUNDS)]

    def mix(index: int) -> int:
        left, right = index >> half, index & low
        for key in keys:
            mixed = (right + key) * 0x9E3779B97F4A7C15 & _MASK
            mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _MASK
            left, right = right, left ^ (mixed ^ mixed >> 32) & low
        return left << half | right

    for index in range(count):
        index = mix(index)
        while index >= count:
            index = mix(index)
        yield index
