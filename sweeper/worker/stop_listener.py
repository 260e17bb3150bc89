"""Hearing, while a script runs, that it must stop: from the trial's owner, or by a signal."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType
from typing import Any

from .client import GRACE_SECONDS, HURRY_SECONDS
from .messages import Connection, Stop


class Stopped(Exception):
    """The trial is to end before its program does."""


class StopListener:
    """Wakes up when the script has ended, and when it must.

    It must when the owner says so or is gone, and on SIGTERM; SIGINT means that somebody waits at
    the keyboard. ``grace`` is then how many seconds it has to end by itself, None until then.
    """

    def __init__(self, connection: Connection) -> None:
        self.grace: float | None = None
        self.why = ""  # where the owner does not say it
        self._connection = connection
        self._gone = False
        self._wake, write = os.pipe()
        os.set_blocking(write, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        # Handlers, unlike SIG_IGN, are not inherited by the program.
        for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._handle)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if signum != signal.SIGCHLD:
            over = signum == signal.SIGINT
            why = "the launch has ended" if over else "its worker is gone"
            self.stop(HURRY_SECONDS if over else GRACE_SECONDS, why)

    def stop(self, grace: float, why: str = "") -> None:
        """The script must stop, within ``grace`` seconds or less if that was said before."""
        if self.grace is None:
            self.why = why
        self.grace = grace if self.grace is None else min(grace, self.grace)

    def wait(self, seconds: float) -> None:
        """Wait until something happens, or ``seconds`` have passed."""
        sources: list[Any] = [self._wake] if self._gone else [self._wake, self._connection]
        ready = select.select(sources, [], [], seconds)[0]
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
        if self._gone:
            return
        try:
            message: Stop | None = self._connection.receive(0)
        except (EOFError, OSError):
            self._gone = True
            self.stop(GRACE_SECONDS, "its worker is gone")
        else:
            if message is not None:
                self.stop(message["grace"])
