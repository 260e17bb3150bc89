"""Collecting every complaint about a sweep file, each with its place and its likely mend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sweeper.errors import Problem, SpecError
from sweeper.wording import describe, did_you_mean, one_of

from .yaml12 import MOST_PROBLEMS, Document, KeyPath, Place, key_text


class Problems:
    """Problems and warnings of one sweep file, in file order."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found = document.problems
        self.warnings: list[str] = []
        self.options: set[KeyPath] = set()
        # Parameters that could not be read: other complaints should not pretend they are unknown.
        self.broken: dict[str, tuple[str, ...]] = {}
        self.base_is_unread = False
        self.is_stored = False  # it lies in a tree, and takes no file from elsewhere

    def add(
        self,
        key: KeyPath,
        message: str,
        mend: str = "",
        *,
        on_key: bool = False,
        inside: tuple[str, int] | None = None,
    ) -> None:
        """Complain about the value at ``key``, its name (``on_key``), or a column of its text."""
        if any(key[: len(option)] == option for option in self.options):  # no place has it
            self.found.append(Problem(message, key_text(key), mend=mend))
            return
        if key and self.document.is_unread(key):
            return
        place = self._inside(key, *inside) if inside else None
        place = place or self._place(key, on_key)[0]
        self.document.problem(place, message, key, mend)
        if len(self.found) >= MOST_PROBLEMS:
            self.stop_on_problems()

    def _inside(self, key: KeyPath, text: str, column: int) -> Place | None:
        """The place of a column of the text at ``key``; None if the text does not stand there."""
        (line, start), exact = self._place(key, False)
        found = self.document.line(line).find(text, start - 1) if exact else -1
        return (line, found + column + 1) if found >= 0 else None

    def mark_broken(self, path: tuple[str, ...]) -> None:
        """Remember that the parameter at ``path`` could not be read."""
        self.broken[".".join(path)] = path

    def option_below(self, key: KeyPath) -> KeyPath | None:
        """What came from the command line for the value at ``key``, or for a part of it."""
        return next((option for option in self.options if option[: len(key)] == key), None)

    def is_broken(self, name: str) -> bool:
        """Whether the parameter with this dotted name, or a group around it, could not be read."""
        return any(name == one or name.startswith(f"{one}.") for one in self.broken)

    def _place(self, key: KeyPath, on_key: bool) -> tuple[Place, bool]:
        for length in range(len(key), -1, -1):
            if found := self.document.place_of(key[:length]):
                exact = length == len(key)
                return found[not on_key and exact], exact
        return (1, 1), False

    def expected(self, key: KeyPath, what: str, found: Any, mend: str = "") -> None:
        """The common complaint: ``expected WHAT, found FOUND``."""
        self.add(key, f"expected {what}, found {describe(found)}", mend)

    def items(
        self, key: KeyPath, what: str, found: Any, mend: str = "", *, least: int = 1
    ) -> list[Any]:
        """What a list holds; nothing, and a complaint, if it is none or has too few."""
        if isinstance(found, list) and len(found) >= least:
            return found
        self.expected(key, what, found, mend)
        return []

    def unknown(self, key: KeyPath, allowed: Iterable[str], what: str = "key") -> None:
        """Complain about a name that is not one of ``allowed``."""
        name = str(key[-1])
        self.add(
            key,
            f"unknown {what} `{name}`: expected {one_of(allowed)}",
            did_you_mean(name, allowed),
            on_key=True,
        )

    def warn(self, key: KeyPath, message: str, *, inside: tuple[str, int] | None = None) -> None:
        """Note something that is no error but that the user should hear once."""
        place: tuple[int, ...] | None = self._inside(key, *inside) if inside else None
        place = place or self._place(key, inside is None)[0][:1]
        at = ":".join(map(str, place))
        self.warnings.append(f"{self.document.name}:{at}: {key_text(key)}: {message}")

    def warn_of_python_words(self, key: KeyPath, value: Any) -> None:
        """Say so where text in ``value`` is Python's word for what YAML writes otherwise."""
        found, todo = set(), [value]
        while todo:
            item = todo.pop()
            if isinstance(item, str):
                found.add(item)
            elif isinstance(item, (list, tuple)):
                todo += item
            elif isinstance(item, dict):
                todo += item.values()
        for word, meant in (("None", "null"), ("True", "true"), ("False", "false")):
            if word in found:
                self.warn(key, f"'{word}' is text here: write {meant} if Python's {word} is meant")

    def stop_on_problems(self) -> None:
        """Raise :class:`SpecError` with all problems, if there are any."""
        if self.found:
            self.found.sort(key=lambda problem: (problem.line, problem.column))
            if len(self.found) >= MOST_PROBLEMS:
                self.found.append(Problem("there may be more: these are mended first"))
            raise SpecError(self.found)
