"""What an experiment is: the digits of a parameter dict's monitored groups.

A group is the value under one monitored key, or several keys hashed together. Its digits are the
first decimal digits of the SHA-256 of its canonical JSON, read as one big integer: the same on
every machine, in every version of Python, for ever.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.errors import UsageError

DIGITS = 8
"""Digits per group, unless a collision asks for more."""

Monitored = Sequence["str | Sequence[str]"]
"""The monitored groups: a key, or several keys hashed together, each."""


def plain(value: Any, where: str = "params", *, allow_nan: bool = False) -> Any:
    """``value`` in the types of JSON: tuples become lists, numpy scalars Python numbers.

    Raises UsageError, naming the place in the dict, for a key that is not a string, for a set, an
    array or any other object, and (unless ``allow_nan``) for NaN and the infinities.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, int)):  # an IntEnum, a numpy.str_ is stored as what it stands for
        return str(value) if isinstance(value, str) else int(value)
    if isinstance(value, float):
        if not allow_nan and not math.isfinite(value):
            raise UsageError(
                f"{where}: expected a finite number, found {value!r}: NaN and infinity equal no "
                "parameter, not even themselves; use a number, or null"
            )
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UsageError(
                    f"{where}: expected keys that are strings, found {key!r} "
                    f"({type(key).__name__}): write it as {str(key)!r}"
                )
        return {str(k): plain(v, f"{where}.{k}", allow_nan=allow_nan) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, f"{where}[{i}]", allow_nan=allow_nan) for i, v in enumerate(value)]
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "shape", None) == ():
        item = value.item()  # a numpy scalar, or an array without dimensions
        if type(item) is not type(value):
            return plain(item, where, allow_nan=allow_nan)
    raise UsageError(
        f"{where}: expected a number, string, boolean, null, list or mapping, found "
        f"{type(value).__name__}: parameters are stored as JSON; convert it first"
    )


def canonical(value: Any, where: str = "params") -> str:
    """The text that is hashed: JSON with sorted keys. Raises UsageError as :func:`plain` does."""
    if _is_plain(value):
        with contextlib.suppress(ValueError):  # NaN: plain says where
            return _encode(value)
    return json.dumps(plain(value, where), sort_keys=True)


_SCALARS = frozenset((str, int, float, bool, type(None)))
_encode = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


def _is_plain(value: Any) -> bool:
    """Is ``value`` made of JSON's own types alone, so that it is encoded as :func:`plain` would?

    NaN and the infinities aside. Nearly every value is, and a large sweep asks for each of them.
    """
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or (type(item) not in _SCALARS and not _is_plain(item)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(type(item) in _SCALARS or _is_plain(item) for item in value)
    return kind in _SCALARS


def group_names(monitored: Monitored) -> list[str]:
    """A readable name per group: its key, or its keys joined with ``+``."""
    return ["+".join(group_keys(group)) for group in monitored]


def group_keys(group: str | Sequence[str]) -> Sequence[str]:
    """The top-level keys of one monitored group."""
    return [group] if isinstance(group, str) else group


def groups_as_stored(monitored: Monitored) -> list[str | list[str]]:
    """The monitored groups as run.json has them."""
    return [group if isinstance(group, str) else list(group) for group in monitored]


def group_canonicals(params: Mapping[str, Any], monitored: Monitored) -> list[str]:
    """The canonical text of every monitored group, in order.

    Of a group of several keys those count that are there: a parameter may have a condition.
    Raises UsageError when a monitored key is missing or a value cannot be identified.
    """
    texts = []
    for group in monitored:
        present = {key: params[key] for key in group_keys(group) if key in params}
        if not present:
            raise UsageError(
                f"monitored key {group!r}: expected one of the parameters' top-level keys "
                f"({', '.join(sorted(map(str, params)))}): mend monitored_param_keys"
            )
        if isinstance(group, str):
            texts.append(canonical(present[group], f"params.{group}"))
        else:
            texts.append(canonical(present))
    return texts


@functools.lru_cache(maxsize=10_000)  # in a grid every group but the last repeats for long
def digits_of(text: str, digits: int = DIGITS) -> str:
    """The first ``digits`` decimal digits of the SHA-256 of ``text``."""
    return str(int(hashlib.sha256(text.encode()).hexdigest(), 16))[:digits]


def experiment_id(canonicals: Sequence[str], digits: int = DIGITS) -> str:
    """``exp-`` and the digits of every canonical group, as :func:`group_canonicals` gives them."""
    return "-".join(["exp", *(digits_of(text, digits) for text in canonicals)])
