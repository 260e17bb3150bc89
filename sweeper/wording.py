"""Lists, values and near misses in words, for messages everywhere."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any


def describe(value: Any) -> str:
    """A found value in words: ``the string 'x'``, ``the list [1, 2]``, ``nothing``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= 60 else text[:57] + "…"
    kinds: dict[type, str] = {str: "string", list: "list", dict: "mapping"}
    kind = kinds.get(type(value), type(value).__name__)
    return f"the {kind} {text}"


def one_of(names: Iterable[str]) -> str:
    """``a, b or c``."""
    words = [str(name) for name in names]
    return "".join(words) if len(words) < 2 else ", ".join(words[:-1]) + " or " + words[-1]


def all_of(names: Iterable[str]) -> str:
    """``a, b and c``."""
    words = [str(name) for name in names]
    return "".join(words) if len(words) < 2 else ", ".join(words[:-1]) + " and " + words[-1]


def nearest(word: str, names: Iterable[str], count: int = 1) -> list[str]:
    """The names closest to ``word``, best first; may be empty."""
    by_lower = {str(name).lower(): str(name) for name in names}
    close = difflib.get_close_matches(word.lower(), list(by_lower), count, 0.65)
    return [by_lower[name] for name in close]


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """``did you mean `name`?``, or nothing."""
    close = nearest(word, names)
    return f"did you mean `{close[0]}`?" if close else ""
