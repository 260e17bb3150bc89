"""Seeds that follow from a run's seed."""

from __future__ import annotations

import hashlib
import random
import sys

from . import libraries


def derived_seed(seed: int, *parts: int) -> int:
    """A seed below 2**31 that depends on all its arguments."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") >> 1


def seed_loaded(seed: int) -> None:
    """Seed Python, and NumPy and PyTorch where they are loaded: without Keras nobody else does."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(derived_seed(seed))
    libraries.seed_torch(derived_seed(seed))
