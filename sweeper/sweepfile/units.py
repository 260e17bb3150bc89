"""Durations and sizes as people write them: ``12h``, ``1h30m``, ``50GB``."""

from __future__ import annotations

import math
import re

_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES |= {f"{prefix}I": 1024 ** (place + 1) for place, prefix in enumerate("KMGTP")}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]I?)?B?\s*\Z", re.IGNORECASE)
_CLOCK = re.compile(r"([0-9]{1,12}):([0-5]?[0-9])(?::([0-5]?[0-9]))?\Z")


def seconds(value: object) -> float | None:
    """Seconds in ``12h``, ``90m``, ``1h30m``, ``2d``, ``01:30:00`` or a number; None if it is
    none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if 0 < value < math.inf else None
    if not isinstance(value, str):
        return None
    clock = _CLOCK.match(value.strip())
    if clock:
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(hours * 3600 + minutes * 60 + rest) or None
    parts = _PART.findall(value.lower())
    if _PART.sub("", value.lower()) or any(unit not in _SECONDS for _, unit in parts):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return total if 0 < total < math.inf else None


def size_in_bytes(value: object) -> int | None:
    """Bytes in ``50GB`` (decimal), ``50GiB`` (binary) or a number; None if it is no size."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value) if 0 < value < math.inf else None
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    size = float(match[1]) * _BYTES[(match[2] or "").upper()]
    return (int(size) if size < math.inf else 0) or None
