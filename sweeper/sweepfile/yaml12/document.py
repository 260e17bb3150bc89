"""A YAML text as data, with the place of everything in it and what was wrong with it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from sweeper.errors import Problem
from sweeper.wording import printable

KeyPath = tuple[str | int, ...]
MOST_PROBLEMS = 100
Place = tuple[int, int]


@dataclass
class Document:
    """A YAML text as data, with the place of every key and value, and what was wrong with it."""

    name: str
    lines: list[str]
    data: Any = None
    places: dict[KeyPath, tuple[Place, Place]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    # What could not be read: that it is missing then is no news.
    unread: set[KeyPath] = field(default_factory=set)
    is_hopeless: bool = False  # nothing more can be said of it
    # Where the items of each list stand: a list may have a million.
    items: dict[KeyPath, array[int]] = field(default_factory=dict)

    def problem(self, place: Place, message: str, key: KeyPath = (), mend: str = "") -> Problem:
        """Note a complaint about ``place`` (line and column, from 1)."""
        key_, mend = printable(key_text(key)), printable(mend)
        found = Problem(message, key_, self.name, *place, self.source(place), mend)
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(found)
        else:
            self.is_hopeless = True
        return found

    def place_of(self, key: KeyPath) -> tuple[Place, Place] | None:
        """Where the name and the value at ``key`` stand; None: nowhere in the file."""
        if key and isinstance(key[-1], int):
            marks = self.items.get(key[:-1], ())
            if 2 * key[-1] < len(marks):
                place = (marks[2 * key[-1]], marks[2 * key[-1] + 1])
                return place, place
        return self.places.get(key)

    def unreadable(self, place: Place, message: str, key: KeyPath, mend: str = "") -> None:
        """Note a complaint about a value that is left out, and about which nothing else is said."""
        self.problem(place, message, key, mend)
        self.unread.add(key)

    def is_unread(self, key: KeyPath) -> bool:
        """Whether the value at ``key``, or one around it, could not be read."""
        return any(key[:length] in self.unread for length in range(len(key) + 1))

    def line(self, number: int) -> str:
        """The text of a line, from 1; empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def source(self, place: Place) -> str:
        """The text of a line as messages show it; nothing where the place is too far right."""
        line, column = place
        text = self.line(line).expandtabs(1)[:200].rstrip() if column <= 200 else ""
        return (
            text if text.isprintable() else "".join(c if c == printable(c) else "�" for c in text)
        )


def key_text(key: KeyPath) -> str:
    """``('parameters', 'lr', 'values', 2)`` as people write it: ``parameters.lr.values[2]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
