"""Lists, values, numbers of things and near misses in words, for messages everywhere."""

from __future__ import annotations

import difflib
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

_STEERS = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
_MOST_COMPARED, _LONGEST_COMPARED = 1000, 100  # names and characters looked at for a near miss


def describe(value: Any) -> str:
    """A found value in words: ``the string 'x'``, ``the list [1, 2]``, ``nothing``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = shortened(text)
    kinds: dict[type, str] = {str: "string", list: "list", dict: "mapping"}
    kind = kinds.get(type(value), type(value).__name__)
    return f"the {kind} {text}"


def printable(text: str, keep: str = "") -> str:
    """``text`` as it is safe to show: what a terminal would obey, or hide, is written out.

    That is control characters (those in ``keep`` stay), marks of direction and the like.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs" else _escaped(c)
        for c in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def uncoloured(text: str) -> str:
    """``text`` without what colours it in a terminal, as Keras does, or steers one."""
    return _STEERS.sub("", text)


def shortened(text: str, most: int = 60) -> str:
    """``text``, or its beginning where it is long."""
    return text if len(text) <= most else text[: most - 3] + "…"


def one_of(names: Iterable[str]) -> str:
    """``a, b or c``."""
    return _listed(names, " or ")


def all_of(names: Iterable[str]) -> str:
    """``a, b and c``."""
    return _listed(names, " and ")


def _listed(names: Iterable[str], before_last: str) -> str:
    *others, last = [str(name) for name in names] or [""]
    return ", ".join(others) + before_last + last if others else last


def counted(number: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def tally(numbers: Mapping[str, int]) -> str:
    """``3 finished, 1 failed``: how many there are of each; empty of none."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def nearest(word: str, names: Iterable[str], count: int = 1) -> list[str]:
    """The names closest to ``word``, best first; may be empty."""
    names = itertools.islice(names, _MOST_COMPARED)
    by_lower = {str(name).lower()[:_LONGEST_COMPARED]: str(name) for name in names}
    close = difflib.get_close_matches(word.lower()[:_LONGEST_COMPARED], list(by_lower), count, 0.65)
    return [by_lower[name] for name in close]


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """``did you mean `name`?``, or nothing."""
    close = nearest(word, names)
    return f"did you mean `{close[0]}`?" if close else ""


def clock(seconds: float) -> str:
    """``75`` seconds as ``1:15``, ``4000`` as ``1:06:40``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def show_bytes(count: float) -> str:
    """``1500000`` bytes as ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
