"""What every process of one launch must know of it, on every node."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sweeper.errors import Problem, UsageError
from sweeper.sweepfile import Sweep, command_words, find_module, program_file, program_mode

from .import_check import looks_broken
from .processes import end_marked

HELD = "held"
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
STOP_SECONDS = 2.0


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
        return _root() / f"{_prefix()}{self.token}"

    @property
    def file(self) -> Path:
        """Where the fork server finds the session: its environment is no one else's business."""
        return self.directory / "session.json"

    def end(self) -> None:
        """Say, before its processes on this node are killed, that their deaths are no failures."""
        with contextlib.suppress(OSError):
            self._ended.touch()

    @property
    def over(self) -> bool:
        """Whether the launch is killing its processes on this node, or has done so."""
        return self._ended.exists() or not self.directory.exists()

    def ended_by(self, signum: int | None) -> bool:
        """Whether what died of ``signum`` did so because the launch ends.

        Who stops a job signals all of its processes at once: the launch may say so a little later.
        """
        deadline = time.monotonic() + (STOP_SECONDS if signum in STOPPING else 0)
        while not self.over and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.over

    def hold(self) -> int:
        """Keep the directory, made if need be, until the descriptor that is returned is closed.

        In every process: the kernel knows whether one of them lives.
        """
        while True:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # removed this very moment
                held = os.open(self.directory / HELD, os.O_CREAT | os.O_RDWR, 0o600)
                fcntl.flock(held, fcntl.LOCK_SH)
                if (self.directory / HELD).exists():
                    return held
                os.close(held)

    @property
    def _ended(self) -> Path:
        return self.directory / "ended"

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


def _root() -> Path:
    root = tempfile.gettempdir()
    # A socket has 107 bytes for its path; Ray puts one 89 below.
    return Path(root if len(root) <= 10 else "/tmp")


def _prefix() -> str:
    return f"sweeper-{os.getuid()}-"


def remove_abandoned() -> None:
    """Remove what launches that were killed as a whole have left here: directories, processes."""
    for directory in _root().glob(f"{_prefix()}*"):
        with contextlib.suppress(OSError):
            held = os.open(directory / HELD, os.O_RDWR)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end_marked(directory.name.removeprefix(_prefix()))
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(held)


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
        problem = Problem(
            f"the program is no Python: {error.msg}; {mend}",
            path=str(path),
            line=error.lineno or 1,
            column=max(0, error.offset or 0),
            source=(error.text or "").rstrip(),
        )
        raise UsageError(str(problem)) from error
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{path}: the program is no Python: {error}") from error
