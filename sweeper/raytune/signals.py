"""Signals for the length of a launch: Ctrl-C, SIGTERM, SIGHUP, SIGQUIT."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

ECHO_SECONDS = 3.0
"""For so long a second SIGTERM is the first one's echo."""


class LaunchSignals:
    """A context manager, entered before anything is started.

    While trials may run (``at_once`` is set) the first signal is noted, and makes ``wake``
    readable; nothing is raised. A second one, and any before the trials or after them, ends the
    process at once, with what ``at_once`` does.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

    def __init__(self) -> None:
        self.received = 0  # the number of the first signal while trials ran
        self.at_once: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> LaunchSignals:
        self.wake, self._write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._write, False)
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            for signum in self.SIGNALS:
                if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup
                    self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        self._put_back(self._before)
        os.close(self.wake)
        os.close(self._write)

    def leave_to_guardian(self) -> None:
        """In the driver: whoever signals it ends it, and its guardian hears of that.

        SIGQUIT, which comes from a terminal to both of them, would leave a core file.
        """
        default = dict.fromkeys(self._before, signal.SIG_DFL)
        self._put_back({**default, signal.SIGQUIT: signal.SIG_IGN} if default else {})

    def wait_again(self) -> None:
        """Make ``wake`` unreadable until the next signal."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)

    def _put_back(self, handlers: dict[Any, Any]) -> None:
        if handlers:
            signal.set_wakeup_fd(-1)
        for signum, handler in handlers.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.at_once is not None and not self.received:
            self.received, self._at = signum, time.monotonic()
        elif not (self.received and self._is_echo(signum)):
            try:
                if self.at_once is not None:
                    self.at_once()
            finally:
                os._exit(128 + signum)

    def _is_echo(self, signum: int) -> bool:
        """A terminal that goes says so twice: its kernel, then its shell; so does a SLURM job."""
        soon = time.monotonic() < self._at + ECHO_SECONDS
        return signum == signal.SIGHUP or (signum == signal.SIGTERM and soon)
