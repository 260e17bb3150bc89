"""Reaching the fork server of a session, and owning one warm child of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sweeper.errors import SweeperError, UsageError

from .messages import Broken, Connection, Exit, Hello, Ready, TrialMessage, TrialRequest
from .session import Session

START_SECONDS = 120.0  # a cold import of TensorFlow from a network disk takes a minute
GRACE_SECONDS = 10.0  # what a script that is stopped has to end by itself
HURRY_SECONDS = 3.0  # the same when somebody waits at the keyboard
LOG_LINES = 20

# Words of a script's command that only the worker's machine knows; no argument has a NUL.
INTERPRETER = "\0interpreter"
JSON_FILE = "\0params.json"
RUN_DIR = "\0run"


class ServerLost(SweeperError):
    """The fork server does not answer: lost infrastructure, not the user's fault."""


def connect(session: Session) -> Connection:
    """A connection to this node's fork server, which is started if there is none.

    Raises ``ServerLost`` if it cannot be started.
    """
    directory = session.directory
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise ServerLost(f"{directory}: belongs to another user; remove it or set TMPDIR")
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _dial(directory)
        except OSError:
            _start(session)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return _dial(directory)
            except OSError:
                if time.monotonic() > deadline:
                    log = server_log(session)
                    raise ServerLost(f"the fork server did not start:\n{log}") from None
                time.sleep(0.02)


def _dial(directory: Path) -> Connection:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(str(directory / "socket"))
    except OSError:
        sock.close()
        raise
    return Connection(sock)


def _start(session: Session) -> None:
    directory = session.directory
    (directory / "socket").unlink(missing_ok=True)
    threads = str(session.threads)
    # Read when the libraries load, so they must be there before the server starts.
    defaults = {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "NPROC": threads,  # JAX's
        # A module that starts JAX as it is imported must not take all GPUs' memory.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # PyTorch then counts GPUs without starting CUDA, which no fork survives.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        # Else a set of strings has another order in each launch, and what is made of it, too.
        "PYTHONHASHSEED": "0",
    }
    env = {**defaults, **os.environ, **session.env}
    session.file.write_text(session.to_json())
    with open(directory / "server.log", "ab") as log:
        started = subprocess.run(
            [*helper_command("forkserver", session), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            cwd=session.cwd if os.path.isdir(session.cwd) else None,
            start_new_session=True,
            check=False,
        )
    if started.returncode:
        how = f"it ended with code {started.returncode}"
        raise ServerLost(f"the fork server did not start: {how}:\n{server_log(session)}")


def helper_command(module: str, session: Session) -> list[str]:
    """What starts ``main`` of a module of this room in a process of the session."""
    return [sys.executable, str(Path(__file__).with_name("start.py")), module, str(session.file)]


def server_log(session: Session) -> str:
    """The last lines that the fork server and its children wrote outside any trial."""
    try:
        text = (session.directory / "server.log").read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LOG_LINES:])


class ServerControl:
    """The driver's hold on its own node's fork server: when it goes, the server goes too."""

    def __init__(self, session: Session) -> None:
        self._answer: Ready | Broken | None = None
        # Asked to end, a server that imports does not hear it; scripts have their time to end.
        self._patience = 10.0 if session.mode == "script" else 0.5
        self._held = session.hold()
        self._connection = connect(session)
        self._connection.send({"kind": "control"})

    def wait_ready(self) -> Ready:
        """What the server found when it imported the train module.

        Raises ``UsageError`` with the traceback if the module does not import or its train
        function cannot be called.
        """
        answer = self.look(START_SECONDS)
        if answer is None:
            raise ServerLost("the process that imports the train module died or hangs")
        return answer

    def look(self, seconds: float = 0.0) -> Ready | None:
        """The same, or None if it is not known within ``seconds``."""
        if self._answer is None:
            with contextlib.suppress(EOFError):
                self._answer = self._connection.receive(seconds)
        answer: Ready | Broken | None = self._answer
        if answer is not None and answer["kind"] == "broken":
            raise UsageError(answer["message"])
        return answer

    def close(self) -> None:
        """End the server and every child of it, and wait until they are gone.

        One that still imports the train module ends when it has done so, or is killed.
        """
        if self._connection.sock.fileno() < 0:
            return
        with contextlib.suppress(OSError, EOFError):
            self._connection.send({"kind": "bye"})
            while self._connection.receive(self._patience) is not None:
                pass
        self._connection.close()
        os.close(self._held)


class Child:
    """One warm child: runs trial after trial until it is not surely clean."""

    def __init__(self, session: Session, env: dict[str, str]) -> None:
        """Fork a child with ``env`` added to its environment.

        Raises ``UsageError`` if the train module does not import on this node, ``ServerLost`` if
        there is no server to fork from.
        """
        self._gentle = session.mode == "script"
        self.trials = 0
        # A child forked from libraries that do not bear it hangs: a fresh process does not.
        for fresh in (False, True):
            self._connection = connect(session)
            hello = self._greet(env, fresh)
            if hello is not None:
                self.pid = hello["pid"]
                return
            self._connection.close()  # the server kills whoever is at its other end
        raise ServerLost(
            "neither a forked nor a fresh child started; what they said last:\n"
            + server_log(session)
        )

    def _greet(self, env: dict[str, str], fresh: bool) -> Hello | None:
        try:
            self._connection.send({"kind": "fork", "env": env, "fresh": fresh})
            hello: Hello | Broken | Exit | None = self._connection.receive(START_SECONDS)
        except (EOFError, OSError):
            return None
        if hello is not None and hello["kind"] == "broken":
            self._connection.close()
            raise UsageError(hello["message"])
        return hello if hello is not None and hello["kind"] == "hello" else None

    def start(self, request: TrialRequest | Any) -> None:
        """Hand the child one trial; its messages follow until ``end`` or ``exit``.

        What ``request`` has beyond a :class:`TrialRequest` is not read.
        """
        self.trials += 1
        self._connection.send(request)

    def receive(self, timeout: float | None = None) -> TrialMessage | None:
        """The child's next message; ``{"kind": "exit", …}`` is its last, however it died."""
        try:
            message: TrialMessage | None = self._connection.receive(timeout)
        except (EOFError, OSError):
            return {"kind": "exit", "signal": None, "code": None}
        return message

    def stop(self) -> None:
        """End the child in the middle of a trial; a script gets SIGTERM and its grace first."""
        if self._gentle:
            with contextlib.suppress(OSError):
                self._connection.send({"kind": "stop", "grace": GRACE_SECONDS})
            if self._exited(GRACE_SECONDS + 2):
                self._connection.close()
                return
        self.kill()

    def kill(self) -> None:
        """Kill the child and everything it started, and wait until it is gone."""
        if self._connection.sock.fileno() < 0:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._exited(10)
        self._connection.close()

    def _exited(self, seconds: float) -> bool:
        """Wait for the end of the child, or of the server: true if it came in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self.receive(1.0)
            if message is not None and message["kind"] == "exit":
                return True
        return False
