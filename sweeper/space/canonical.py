"""One text for one value, whatever the order of its keys: what equality and seeds are made of."""

from __future__ import annotations

import hashlib
import json
from typing import Any

canonical_json = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


def value_key(value: Any) -> str:
    """The text by which two values of one parameter are the same, as W&B has it.

    3 and 3.0 are equal, True and 1 are not, mappings are equal whatever the order of their keys.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return canonical_json(value)


def run_seed(seed: int, replicate: int, params: dict[str, Any]) -> int:
    """The seed of a run, below 2**32, from the sweep's seed, the replicate and the parameters."""
    text = f"{seed}\n{replicate}\n{canonical_json(params)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def stream_seed(seed: int, path: tuple[str, ...]) -> int:
    """The seed of one parameter's generator: its own, so that others can come and go."""
    text = json.dumps([seed, *path])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
