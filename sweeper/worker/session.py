"""What every process of one launch must know of it, on every node."""

from __future__ import annotations

import ast
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sweeper.errors import UsageError
from sweeper.spec import Sweep, program_mode, script_call


@dataclass(frozen=True)
class Session:
    """What every process of one launch must know to train: the same on every node.

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
        script_call(sweep, {})  # is there a command at all?
        _check_syntax(sweep)
    elif program is None:
        raise UsageError(f"{sweep.path}: program: expected a train module, found none")
    return Session(
        token=secrets.token_hex(6),
        path=str(program.path) if program and program.path else None,
        module=program.module if program else None,
        function=program.function if program else "",
        cwd=os.getcwd(),
        mode=mode,
        argv=tuple(sys.argv),
        threads=max(1, int(sweep.resources.cpu)),
        env=dict(env or {}),
    )


def _check_syntax(sweep: Sweep) -> None:
    """A Python file that does not parse passes for a script, for its functions cannot be seen."""
    path = sweep.program.path if sweep.program else None
    if sweep.command is not None or path is None or path.suffix != ".py":
        return
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UsageError(f"{path}:{line}: the program is no Python: {error}") from error
