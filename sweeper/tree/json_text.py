"""JSON as a tree has it: how it says numbers that it cannot say, and what is read as a record.

Whoever reads a record need not be surprised: it is a mapping, not too deep, its numbers fit into a
double unless they say that they are infinite, its texts can be written as UTF-8.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError

from .file_errors import TornFile
from .regular import MOST, read_bytes

_INFINITY = "infinity-" + os.urandom(8).hex()  # no parameter is called that
_DEEPEST = 100  # as a sweep file
_DIGITS = 309  # of an integer that fits into a double
_MOST_LEVELS, _MOST_KEYS = 1_000_000, 100_000  # each list or mapping takes twenty times its text
_LIMITS = (
    f"{MOST >> 20} MB, {_DEEPEST} levels, {_MOST_LEVELS:,} lists and mappings, "
    f"{_MOST_KEYS:,} names, numbers that fit into a double"
)
_LONG = re.compile(rb"[0-9]{%d}" % _DIGITS)


def dump_json(value: Any) -> str:
    """``value`` as valid JSON, indented, with a final newline.

    JSON has no NaN and no infinity: NaN becomes ``null``, and the infinities become ``1e999`` and
    ``-1e999``, which are valid JSON numbers beyond the range of a double, so that nearly every
    reader (Python's and JavaScript's among them) gives infinity back.
    """
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    if _INFINITY in text:
        text = text.replace(f'"-{_INFINITY}"', "-1e999").replace(f'"{_INFINITY}"', "1e999")
    return text + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return None
        return _INFINITY if value > 0 else "-" + _INFINITY
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def read_json(
    path: Path | str, shape: Callable[[Any], bool] | None = None, most: int = MOST
) -> dict[str, Any] | None:
    """The mapping in ``path``, None where there is no such file; raises TornFile for anything else.

    Every JSON file of a tree is a mapping, so a file that was cut anywhere cannot be read as one.
    ``shape`` says whether it is the one that is expected.
    """
    data = read_bytes(path, most)
    if data is None:
        return None
    try:
        value = _parse(data)
    except (ValueError, RecursionError) as error:
        raise TornFile(Path(path), f"{len(data)} bytes that are not JSON") from error
    if not isinstance(value, dict):
        raise TornFile(Path(path), f"JSON that is not a mapping ({type(value).__name__})")
    if shape is not None and not shape(value):
        raise TornFile(Path(path), "JSON of another shape")
    return value


def check_json(value: dict[str, Any]) -> None:
    """Raise UsageError for what could be written as a record, and not be read as one."""
    try:
        data = dump_json(value).encode(errors="surrogatepass")
        if len(data) > MOST:
            raise ValueError("too long")
        _parse(data)
    except (ValueError, RecursionError) as error:
        what = f"what a record can hold ({_LIMITS})"
        raise UsageError(
            f"parameters: expected {what}, found {error}; keep the rest in a file"
        ) from error


def _parse(data: bytes) -> Any:
    """What a record may hold. Raises ValueError, RecursionError."""
    levels = data.count(b"[") + data.count(b"{")
    if levels > _MOST_LEVELS or data.count(b'":') > _MOST_KEYS:
        raise ValueError("too many lists and mappings, or names")
    odd = _is_odd(data)
    value = (_CAREFUL if odd else _PLAIN).decode(data.decode())
    if levels > _DEEPEST:
        _check_depth(value)
    if odd:
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    return value


def _is_odd(data: bytes) -> bool:
    """Whether it must be looked at closely; asked of every record, so it is quick for most."""
    if b"\\u" in data or b"NaN" in data or b"Infinity" in data:
        return True
    # So many digits in a row reach into one of these places.
    some = data[_DIGITS - 1 :: _DIGITS]
    return any(byte in b"0123456789" for byte in some) and _LONG.search(data) is not None


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for one in level
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
        ]
    if level:
        raise ValueError("too deep")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS + 1 or abs(int(digits)) > sys.float_info.max:
        raise ValueError("an integer beyond every double")
    return int(digits)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_PLAIN = json.JSONDecoder()
_CAREFUL = json.JSONDecoder(parse_int=_integer, parse_constant=_constant)
