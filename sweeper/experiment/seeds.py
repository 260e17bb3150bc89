"""Seeds that follow from a run's seed."""

from __future__ import annotations

import hashlib
import random
import sys
from typing import Any


def derived_seed(seed: int, *parts: int) -> int:
    """A seed below 2**31 that depends on all its arguments."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") >> 1


def seed_loaded(seed: int) -> None:
    """Seed Python, and NumPy and PyTorch where they are loaded: without Keras nobody else does."""
    random.seed(seed)
    for name in ("numpy.random", "torch"):
        if name in sys.modules:
            seed_library(seed, sys.modules[name])


def seed_library(seed: int, module: Any) -> None:
    """Seed ``numpy.random`` or ``torch``."""
    getattr(module, "seed" if module.__name__ == "numpy.random" else "manual_seed")(
        derived_seed(seed)
    )
