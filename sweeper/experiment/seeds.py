"""Seeds that follow from a run's seed."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, *parts: int) -> int:
    """A seed below 2**31 that depends on all its arguments."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") >> 1
