"""Signals for the length of a launch: Ctrl-C, SIGTERM, SIGHUP, the alarm that ends its time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from .listener import Listener

AGAIN_SECONDS = 1.0


class Interrupted(KeyboardInterrupt):
    """A signal arrived; not an ``Exception``, so that little on the way swallows it."""


class LaunchSignals:
    """Signals for the length of a launch: the first ends it in order, the second at once.

    A context manager: on leaving it, the handlers are those from before. ``listener`` hears of
    both from within the handler.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.received = 0  # the number of the first signal
        self.unwinding = False  # the launch is ending: nothing more is to be interrupted
        self.at_once: Callable[[], object] = lambda: None  # what is left to do on the second
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> LaunchSignals:
        self._before = [signal.getsignal(signum) for signum in self.SIGNALS]
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._unraisable
        self.install()
        return self

    def __exit__(self, *exception: object) -> None:
        sys.unraisablehook = self._hook
        if self._main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for signum, handler in zip(self.SIGNALS, self._before, strict=True):
                signal.signal(signum, handler)

    def install(self) -> None:
        """Take the signals over; again after ``ray.init``, which takes SIGTERM for itself."""
        if self._main:
            for signum in self.SIGNALS:
                if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup
                    signal.signal(signum, self._handle)

    def alarm_after(self, seconds: float | None) -> None:
        """Interrupt the launch when its budget of wall-clock seconds is spent."""
        if seconds is not None and self._main:
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # A terminal that goes says so twice: its kernel, then its shell.
        if self.received and signum not in (signal.SIGALRM, signal.SIGHUP):
            try:
                self._listener.abandon()
                self.at_once()
            finally:
                os._exit(128 + signum)
        if not self.received:
            self.received = signum
            self._listener.stopping(signum)
        if not self.unwinding:
            # What is raised while a process is forked, or in a destructor, goes nowhere.
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
            raise Interrupted(signum)

    def _unraisable(self, what: sys.UnraisableHookArgs) -> None:
        if not isinstance(what.exc_value, Interrupted):
            self._hook(what)
