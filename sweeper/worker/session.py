"""What every process of one launch must know of it, on every node."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep, command_words, find_module, program_file, program_mode

from .import_check import looks_broken


@dataclass(frozen=True)
class Session:
    """What every process of one launch must know to train: the same on every node.

    ``place`` is where on the import path the ``module`` was found.
    ``mode`` is ``function`` or ``script``; ``argv`` is the launch's own command line; ``threads``
    is the number of threads that numerical libraries may start per trial; ``env`` is added to the
    environment.
    """

    token: str
    path: str | None
    module: str | None
    function: str
    cwd: str
    mode: str = "function"
    place: str | None = None
    argv: tuple[str, ...] = ()
    threads: int = 1
    env: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """The session's private directory on this node: socket, log and lock."""
        root = Path(tempfile.gettempdir())
        if len(str(root)) > 10:  # a socket has 107 bytes for its path; Ray puts one 89 below
            root = Path("/tmp")
        return root / f"sweeper-{os.getuid()}-{self.token}"

    @property
    def file(self) -> Path:
        """Where the fork server finds the session: its environment is no one else's business."""
        return self.directory / "session.json"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Session:
        return Session(**json.loads(text))

    @staticmethod
    def enter(file: str) -> Session:
        """Read the session of a process of it, and take on the launch's command line."""
        session = Session.from_json(Path(file).read_text())
        sys.argv = list(session.argv)
        return session


def session_of(sweep: Sweep, env: Mapping[str, str] | None = None) -> Session:
    """A new session for the sweep's program; ``env`` is added to the environment of its processes.

    Raises ``UsageError`` if there is no program, no command, or a file that is no Python.
    """
    program, mode = sweep.program, program_mode(sweep)
    if mode == "script":
        command_words(sweep, {})  # is there a command at all?
    elif program is None:
        raise UsageError(f"{sweep.path}: program: expected a train module, found none")
    _check_syntax(sweep)
    found = find_module(sweep)
    return Session(
        token=secrets.token_hex(6),
        path=str(program.path) if program and program.path else None,
        module=program.module if program else None,
        place=None if found is None else str(found[0].absolute()),
        function=program.function if program else "",
        cwd=os.getcwd(),
        mode=mode,
        argv=tuple(sys.argv),
        threads=max(1, int(sweep.resources.cpu)),
        env=dict(env or {}),
    )


def import_in_doubt(sweep: Sweep, session: Session) -> bool:
    """Whether the train module's text suggests that its import will fail."""
    file = program_file(sweep)
    if session.mode == "script" or file is None:
        return False
    return looks_broken(file, session.function, [*filter(None, [session.place]), session.cwd])


def _check_syntax(sweep: Sweep) -> None:
    """A Python file that does not compile trains nothing, be it called or run."""
    path = program_file(sweep)
    if sweep.command is not None or path is None or path.suffix != ".py":
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user's doubtful escapes
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        mend = "mend it, or say how it is run: `command: […]`"
        raise UsageError(f"{_place(path, error)}; {mend}{_line(error)}") from error
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{path}: the program is no Python: {error}") from error


def _place(path: Path, error: SyntaxError) -> str:
    known = error.offset is not None and error.offset > 0
    column = f":{error.offset}" if known else ""
    return f"{path}:{error.lineno or 1}{column}: the program is no Python: {error.msg}"


def _line(error: SyntaxError) -> str:
    """The line of the error, and a caret below its column."""
    text = (error.text or "").rstrip("\n")
    if not text.strip():
        return ""
    before = text[: max(0, (error.offset or 1) - 1)]
    blank = "".join(c if c == "\t" else " " for c in before)
    return f"\n    {text}\n    {blank}^"
