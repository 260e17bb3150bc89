"""Whose program a run is of: the sweep's as it is now, an older text of it, or another program.

What a run has run, its program and the local modules that it had loaded, is kept as plain copies
below ``programs/`` of its tree, each text once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweeper.errors import TreeError

from . import files
from .records import RunRecord
from .tree import Tree

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep

LARGEST_TEXT = 1_000_000  # bytes; a larger file is no program's text

Belonging = Literal["same", "changed", "other"]
"""A run's program, next to a sweep's: its very text; the same file with another text; another."""

Texts = dict[str, bytes]
"""File -> its text; the names are relative to the program's root."""


@dataclass(frozen=True)
class Program:
    """What trains, as run.json has it.

    ``path`` is the file (absolute); of a command that names none its first word; None in a
    notebook. ``root`` is the directory whose modules count as the program's text: the git root, or
    the file's own directory. ``command`` is that of the sweep file.
    """

    path: str | None
    root: str
    function: str | None = None
    command: tuple[str, ...] | None = None

    @staticmethod
    def at(path: str | None, function: str | None = None, command: Any = None) -> Program:
        """The program in the file ``path``; None is a notebook's."""
        file = path if path is None or not os.path.isabs(path) else os.path.realpath(path)
        words = None if command is None else tuple(str(word) for word in command)
        return Program(file, _root(file), function, words)

    @staticmethod
    def of(sweep: Sweep) -> Program:
        """What the sweep runs now. Nothing is imported; the file may be missing."""
        from sweeper.sweepfile import called_function, program_name

        function = sweep.program.function if sweep.program else None
        if sweep.command:
            function = called_function(sweep.command)
        return Program.at(program_name(sweep), function, sweep.command)

    @staticmethod
    def from_json(found: dict[str, Any]) -> Program:
        """The program that run.json, or a message, has."""
        command = found.get("command")
        words = None if command is None else tuple(command)
        return Program(found["path"], found["root"], found.get("function"), words)

    def to_json(self) -> dict[str, Any]:
        """The program as run.json has it, but for the SHA-256 of its file."""
        return asdict(self)

    @property
    def file(self) -> str | None:
        """The name of its file, relative to the root; None if it has none."""
        path = self.path
        return os.path.relpath(path, self.root) if path and os.path.isabs(path) else None

    def sha256(self) -> str | None:
        """The SHA-256 of its file; None if there is none that can be read."""
        text = None if self.file is None else read_text(str(self.path))
        return None if text is None else hashlib.sha256(text).hexdigest()

    def __str__(self) -> str:
        named = self.function not in (None, "train")
        return f"{self.path or 'a notebook'}{f':{self.function}' if named else ''}"


def program_of(record: RunRecord) -> Program | None:
    """The program that a run is of; None where it does not tell, as its run.json is torn."""
    found = record.provenance.get("program")
    return Program.from_json(found) if found else None


def texts_of(record: RunRecord, seen: frozenset[str] = frozenset()) -> list[Texts | None]:
    """What the attempts that gave the run its rows have run; None: another text than is known.

    Without a copy, as of a run that has not started, there is none. Raises TreeError.
    """
    found: dict[str | None, None] = {}
    for attempt in reversed(record.attempts):
        if "source" in attempt:
            found[attempt["source"]] = None
        if attempt.get("resumed_from_epoch") in (None, 0):
            break  # it began afresh
    else:
        before = record.provenance.get("continues")
        if before and before["run"] not in seen:  # a forged chain may be a ring
            earlier = RunRecord(record.base, before["experiment"], before["run"])
            return [*_texts(record, found), *texts_of(earlier, seen | {before["run"]})]
    return _texts(record, found)


def _texts(record: RunRecord, found: Iterable[str | None]) -> list[Texts | None]:
    texts = [None if source is None else _kept(record, source) for source in found]
    return [text for text in texts if text is None or text]


def _kept(record: RunRecord, source: str) -> Texts:
    programs = Tree(record.base).programs
    files.refuse_link(programs)
    return dict(files.contents(programs / source, LARGEST_TEXT, files.MOST))


def texts_now(then: Program, text: Texts, today: Program | None = None) -> Texts:
    """The files of ``text``, which ``then`` ran, as they are now: those that are there.

    Of ``today``'s program, if it is in another file; its own file is under the name it had then.
    """
    found = ((name, read_text(_path_now(then, name, today))) for name in text)
    return {name: now for name, now in found if now is not None}


def may_be_shown(then: Program, name: str, now: bytes, today: Program | None = None) -> bool:
    """Does the file that :func:`texts_now` has read for ``name`` look like a program's?

    The tree says which files are read, and a stranger's may name those that hold your keys.
    """
    path = os.path.realpath(_path_now(then, name, today))
    return path.endswith((".py", ".sh")) or now.startswith(b"#!")


def _path_now(then: Program, name: str, today: Program | None) -> str:
    if today is None or today.file is None or today.path == then.path:
        return os.path.join(then.root, name)
    return str(today.path) if name == then.file else os.path.join(today.root, name)


class ProgramCheck:
    """Says of runs whether they are of ``today``'s program; each text is compared once."""

    def __init__(self, today: Program) -> None:
        self.today = today
        self._sha256 = today.sha256()
        self._known: dict[str, Belonging] = {}

    def belonging(self, record: RunRecord) -> Belonging:
        """Where nobody can tell, as the run or the sweep names no program, it is the same."""
        then = program_of(record)
        if then is None or self.today.path is None:
            return "same"
        told = [
            (a.get("source"), a.get("resumed_from_epoch") in (None, 0)) for a in record.attempts
        ]
        key = f"{record.base} {record.sweep is None} {record.provenance.get('program')} {told}"
        if key not in self._known:
            self._known[key] = self._compare(record, then)
        return self._known[key]

    def _compare(self, record: RunRecord, then: Program) -> Belonging:
        today, texts = self.today, texts_of(record)
        if record.sweep is None and then.path != today.path:
            # A script or notebook that has imported the sweep's program has trained with it.
            inside = os.path.relpath(str(today.path), then.root)
            if not any(text and inside in text for text in texts):
                return "other"
            around = then.file  # the script itself may change
            rest = [t and {k: v for k, v in t.items() if k != around} for t in texts]
            same = all(text is not None and texts_now(then, text) == text for text in rest)
            return "same" if same else "changed"
        same_file = then.path == today.path
        if today.file is None and then.file is not None:  # read from elsewhere, where it is not
            return self._by_name(then)
        if None not in (then.function, today.function) and then.function != today.function:
            return "other"
        if same_file and today.file and self._sha256 is None:
            return "same"  # read where the program is not
        if texts:
            same_text = all(t is not None and texts_now(then, t, today) == t for t in texts)
        else:
            sha256 = record.provenance["program"].get("sha256")
            same_text = sha256 == self._sha256 and (same_file or sha256 is not None)
        if same_text and then.command == today.command:
            return "same"
        return "changed" if same_file else "other"

    def _by_name(self, then: Program) -> Belonging:
        """Where today's program names no file that there is: is it the run's by its words?"""
        today = self.today
        if today.command is not None:
            return "same" if then.command == today.command else "other"
        stem = os.path.join(*str(today.path).split("."))
        found = str(then.path).endswith((f"/{stem}.py", f"/{stem}/__init__.py"))
        return "same" if found and then.function == today.function else "other"


def _root(path: str | None) -> str:
    directory = Path(path).parent if path and os.path.isabs(path) else Path.cwd()
    for place in (directory, *directory.parents):
        if os.path.exists(place / ".git"):
            return str(place)
    return str(directory)


def read_text(path: str) -> bytes | None:
    """The bytes of a file; None where there is none that can be read."""
    try:
        return files.read_bytes(os.path.realpath(path), LARGEST_TEXT)
    except (TreeError, ValueError):  # a zero byte in its name
        return None
