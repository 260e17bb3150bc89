"""A random order of 0 … n-1 that needs no list: any element of it, at once, for any n."""

from __future__ import annotations

import hashlib

_ROUNDS = 4
_MASK = (1 << 64) - 1


class Permutation:
    """A seeded permutation of ``range(count)``: a Feistel network, walked until it lands inside."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self._half = max(1, ((max(count - 1, 1)).bit_length() + 1) // 2)
        self._low = (1 << self._half) - 1
        digest = hashlib.sha512(f"shuffle {seed}".encode()).digest()
        self._keys = [int.from_bytes(digest[i * 8 : i * 8 + 8], "big") | 1 for i in range(_ROUNDS)]

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(index)
        while True:
            index = self._mix(index)
            if index < self.count:
                return index

    def _mix(self, index: int) -> int:
        left, right = index >> self._half, index & self._low
        for key in self._keys:
            mixed = (right + key) * 0x9E3779B97F4A7C15 & _MASK
            mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _MASK
            left, right = right, left ^ (mixed ^ mixed >> 32) & self._low
        return left << self._half | right
