"""The fork server: imports the train module once on a node and forks every child from it.

For scripts there is no module to import; what its children need is there all the same.
Single-threaded, runs no TensorFlow operation. A child's connection stands between the child and
its owner; the server keeps a copy of it, to kill the child when the owner goes away and to say
how the child died. Why not ``multiprocessing``'s: that one serves only the process that started
it, so each worker of a node would import TensorFlow again, and it hides import errors.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import math
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from sweeper.errors import UsageError

from . import child, script
from .client import GRACE_SECONDS, HURRY_SECONDS, helper_command
from .load_train import TrainFunction, load_session
from .memory import peak_of
from .messages import Broken, Connection, Control, Fork, Ready
from .processes import MARK, adopt_orphans, die_with_parent, end_marked, rest_openmp
from .session import Session, remove_abandoned

IDLE_SECONDS = 8.0  # without a client for so long, the launch is over
_GONE = select.POLLHUP | select.POLLRDHUP | select.POLLERR | select.POLLNVAL


class ForkServer:
    """Serves one session's socket until its driver, or its last client, is gone."""

    def __init__(self, session: Session, listener: socket.socket) -> None:
        self.session = session
        self.listener = listener
        self.control: Connection | None = None
        self.abandoned = False  # the driver died without a word
        self.ending = False
        self.children: dict[int, Connection] = {}  # pid -> our copy of its owner's connection
        self.ended_by: dict[int, float] = {}  # pid -> when a script that was stopped is killed
        self.own: list[psutil.Process] = []  # what the train module has started as it was imported
        self.train: TrainFunction | None = None
        self.script = session.mode == "script"
        self.forkable = True
        self.answer: Ready | Broken

    def load(self) -> None:
        """Import the train module; what went wrong is kept for those who ask."""
        self.answer = self._load()
        self.own = psutil.Process().children(recursive=True)
        # What is shared with the children should stay shared: keep the collector's hands off it.
        gc.collect()
        gc.freeze()

    def _load(self) -> Ready | Broken:
        if self.script:
            return {"kind": "ready"}
        try:
            self.train = load_session(self.session)
            self.forkable = child.prepare(self.train)
            rest_openmp()
        except UsageError as error:
            return {"kind": "broken", "message": str(error)}
        except BaseException as error:
            where = self.session.path or self.session.module
            message = f"{where}: the train module does not import; mend it and launch again"
            message += f"\n{_users_traceback(error)}{_shadowed(self.session)}"
            return {"kind": "broken", "message": message}
        return {"kind": "ready", "takes_run": self.train.takes_run, "forkable": self.forkable}

    def serve(self) -> None:
        """Answer clients until the launch is over."""
        wake, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        idle_since = time.monotonic()
        while True:
            poll = select.poll()
            poll.register(self.listener, select.POLLIN)
            poll.register(wake, select.POLLIN)
            if self.control is not None:
                poll.register(self.control, select.POLLIN)
            for pid, connection in self.children.items():
                if pid not in self.ended_by:
                    poll.register(connection, _GONE & ~(select.POLLERR | select.POLLNVAL))
            ready = dict(poll.poll(1000))
            if wake in ready:
                os.read(wake, 4096)
            self._reap()
            for pid, connection in self.children.items():
                if ready.get(connection.fileno(), 0) & _GONE:
                    self._stop(pid, signal.SIGTERM, GRACE_SECONDS)
                if self.ended_by.get(pid, math.inf) < time.monotonic():
                    _kill(pid)
            if self.control is not None and self.control.fileno() in ready and self._driver_left():
                return
            if self.listener.fileno() in ready:
                self._accept()
            if self.children or self.control is not None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS:
                return

    def _accept(self) -> None:
        connection = Connection(self.listener.accept()[0])
        try:
            request: Control | Fork | None = connection.receive(5.0)
            able = self.train is not None or self.script
            if request is not None and request["kind"] == "fork" and able:
                self._fork(connection, request["env"], request["fresh"])
                return
            if request is not None:
                connection.send(self.answer)
                if request["kind"] == "control":
                    self.control = connection
                    return
        except (OSError, EOFError):
            pass
        connection.close()

    def _fork(self, connection: Connection, env: dict[str, str], fresh: bool) -> None:
        if not self.script:  # whose programs are marked, not their keeper
            env = {**env, MARK: self.session.token}
        if fresh or not self.forkable:
            # Threads or a device are alive in here, which no fork survives: start afresh.
            process = subprocess.Popen(
                helper_command("child", self.session),
                stdin=connection.sock.fileno(),
                env={**os.environ, **env},
                start_new_session=True,
            )
            process.returncode = 0  # reaped in _reap
            self.children[process.pid] = connection
            return
        pid = os.fork()
        if pid:
            self.children[pid] = connection
            return
        code = 1
        try:
            self._become_child(connection, env)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _become_child(self, connection: Connection, env: dict[str, str]) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.listener.close()
        if self.control is not None:
            self.control.close()
        for other in self.children.values():
            other.close()
        os.environ.update(env)
        if self.train is not None:
            child.serve(connection, self.train, self.session)
        else:
            script.serve(connection, self.session)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            connection = self.children.pop(pid, None)
            self.ended_by.pop(pid, None)
            if connection is None:
                continue
            _kill(pid)  # what the child started and left behind
            self._kill_orphans()
            if self.ending:  # no death of its own: to its owner it is lost, as this server is
                connection.close()
                continue
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                # The newline ends a message that the child, killed, left half written.
                connection.sock.sendall(b"\n")
                connection.send(
                    {
                        "kind": "exit",
                        "signal": -code if code < 0 else None,
                        "code": code if code >= 0 else None,
                        "peak": peak_of(usage),
                    }
                )
            connection.close()

    def _kill_orphans(self) -> None:
        """What a child has started, out of its group: its death has made that ours."""
        for process in psutil.Process().children():
            if process.pid not in self.children and process not in self.own:
                for orphan in (process, *process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        orphan.kill()

    def _driver_left(self) -> bool:
        assert self.control is not None
        try:
            message: Control | None = self.control.receive(0)
        except (EOFError, OSError):
            self.abandoned = True
            return True
        return message is not None

    def _stop(self, pid: int, signum: int, grace: float) -> None:
        """End a child that nobody owns; one that keeps a script has a grace to end that first."""
        if not self.script:
            _kill(pid)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        self.ended_by[pid] = time.monotonic() + grace + 1

    def end(self) -> None:
        """End every child and wait for it, then tell the driver by closing its connection."""
        self.ending = True
        self.session.end()
        for pid in self.children:
            self._stop(pid, signal.SIGINT, HURRY_SECONDS)
        if self.script:
            self._await_children(HURRY_SECONDS + 1)
            for pid in self.children:
                _kill(pid)
        self._await_children(5)
        if self.abandoned:
            end_marked(self.session.token)  # what is left of a private Ray
        shutil.rmtree(self.session.directory, ignore_errors=True)
        if self.control is not None:
            self.control.close()

    def _await_children(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)


def _users_traceback(error: BaseException) -> str:
    """The traceback without the frames, ours and the import system's, that led to the user's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = ("<frozen importlib", str(Path(__file__).parent), importlib.__file__)
    first = next((n for n, f in enumerate(frames) if not f.filename.startswith(ours)), 0)
    lines = traceback.format_list(frames[first:]) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()


def _shadowed(session: Session) -> str:
    """A word about files of the user's that Python does not import, for want of a free name."""
    folder = Path(session.path).parent if session.path else Path(session.place or session.cwd)
    places = {Path(session.cwd), folder}
    files = sorted(file for place in places for file in place.glob("*.py"))
    taken = [str(file) for file in files if file.stem in sys.stdlib_module_names]
    return "".join(
        f"\n{file} has the name of a module of Python's own, which is imported instead: rename it"
        for file in taken
    )


def _ignore(signum: int, frame: FrameType | None) -> None:
    """A handler must be set for SIGCHLD to reach the wake-up descriptor."""


def _kill(pid: int) -> None:
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, signal.SIGKILL)


def main() -> NoReturn:
    """Run one session's fork server; the arguments are the session's file and the caller's pid."""
    die_with_parent(signal.SIGKILL)  # without a caller no client would come
    if os.getppid() != int(sys.argv[2]):
        os._exit(1)
    session = Session.enter(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(session.directory / "socket"))
    listener.listen(128)
    if os.fork():  # the caller waits for this; the server belongs to no worker that may go
        os._exit(0)
    session.hold()
    remove_abandoned()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = ForkServer(session, listener)
    adopt_orphans()
    try:
        server.load()
        server.serve()
    finally:
        server.end()
    os._exit(0)
