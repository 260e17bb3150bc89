"""The guardian of a launch: the process that the user started, which outlives whatever Ray does.

It has the terminal, the signals and the fork server. Ray is in the driver, a child of it, whose
death is no loss: what must last is in the tree. So every launch ends in one way: the driver is
killed, then what trains, then what is left of Ray.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn, Protocol, cast

from sweeper.errors import SweeperError, UsageError
from sweeper.worker import MARK, ServerControl, Session, die_with_parent, end_marked

from .cluster import why_gone
from .signals import LaunchSignals

logger = logging.getLogger("sweeper.raytune")

LEAVE_SECONDS = 10.0  # what the driver has to leave a cluster in order


class Listener(Protocol):
    """Is told by the launch's guardian; a context manager, entered at its start."""

    def __enter__(self) -> object: ...

    def __exit__(self, *exception: object) -> None:
        """No trial runs any more: Ray and what trains are about to be ended."""

    def started(self, total: int | None) -> None:
        """Trials are about to run: ``total`` of them, None if their number is not known."""

    def deadline(self, left: float | None, wall: float | None) -> None:
        """The launch ends in ``left`` seconds, as its budget of ``wall`` seconds says."""

    def more(self, trials: int | None) -> None:
        """There are so many more, or fewer; None if it is not known."""

    def trial_started(self, trial: int, params: dict[str, Any]) -> None:
        """A worker has taken the trial."""

    def trial_reported(self, trial: int, epoch: int, value: float | None, path: str) -> None:
        """The trial has ended an epoch, with this value of the sweep's metric; its run's path."""

    def trial_lost(self, trial: int) -> None:
        """The trial's worker is gone: it waits to go again."""

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        """The trial has ended: finished, stopped, failed, out-of-memory, timed-out or lost.

        ``value`` is its run's value of the metric, None if it failed or has none.
        """

    def warn(self, text: str) -> None:
        """There is something that the user should know now."""

    def stopping(self, signum: int) -> None:
        """A signal, or the alarm of its budget of time, ends the launch in order."""

    def abandon(self) -> None:
        """A second signal ends the process at once. From its handler: no lock may be taken."""


class GuardianListener(Listener, Protocol):
    """What the driver tells: it is sent to the guardian."""

    def ended(self, reason: str | None, early: bool, cut_off: str | None) -> None:
        """The trials have ended; see ``Ending``."""


@dataclass
class Ending:
    """How a launch ended, beyond what the tree tells.

    ``reason`` says why no further trial was started (a budget, the breaker, the target), ``early``
    whether that left trials undone, ``again`` whether the next launch would start some, ``signum``
    which signal ended it, 0 for none, ``cut_off`` what ended the trials that were running.
    ``began``: it had made its place in the tree.
    """

    reason: str | None = None
    early: bool = False
    again: bool = True
    signum: int = 0
    cut_off: str | None = None
    began: bool = False


class Guardian:
    """Runs what starts Ray in a child of its own, until nothing of the launch is left."""

    def __init__(self, session: Session, listener: Listener, signals: LaunchSignals) -> None:
        self._session = session
        self._listener = listener
        self._signals = signals
        self._driver = 0
        self._began = False

    def run(
        self,
        drive: Callable[[ServerControl, GuardianListener], None],
        address: str | None,
    ) -> Ending:
        """Run ``drive`` and return the ending it has told, or that it came to.

        It has as long as it says, and some seconds more to leave the cluster at ``address`` if it
        is in one. Raises the ``SweeperError`` that it raised.
        """
        self._signals.at_once = self._end_at_once
        os.environ[MARK] = self._session.token
        server = None
        try:
            # The server imports the train module beside Ray's start: both take seconds.
            server = ServerControl(self._session)
            ours, theirs = Pipe()
            guardian = os.getpid()
            self._driver = os.fork()
            if not self._driver:
                ours.close()
                self._signals.leave_to_guardian()
                _be_driver(partial(drive, server), _ToGuardian(theirs), guardian)
            theirs.close()
            with ours, self._listener:
                ending = self._follow(ours) or self._died_of(self._end_driver(), address)
                if address is not None and ending.cut_off is None:
                    ours.poll(LEAVE_SECONDS)  # it hangs up
            ending.began = self._began
            return ending
        finally:
            self._session.end()
            self._end_driver()
            if server is not None:
                server.close()
            end_marked(self._session.token)
            shutil.rmtree(self._session.directory, ignore_errors=True)
            os.environ.pop(MARK, None)
            self._signals.at_once = None

    def _follow(self, driver: Connection) -> Ending | None:
        """Tell the listener what the driver tells, until its end; None if it died."""
        deadline, wall = math.inf, 0.0
        while not self._signals.received:
            left = deadline - time.monotonic()
            if left <= 0:
                self._listener.stopping(signal.SIGALRM)
                reason = f"the budget of {wall:g} s is spent"
                return Ending(reason, early=True, cut_off="the budget of time is spent")
            ready = wait([driver, self._signals.wake], None if left == math.inf else left)
            self._signals.wait_again()
            if driver not in ready:
                continue
            try:
                said, *what = driver.recv()
            except (EOFError, OSError):
                return None
            if said == "ended":
                reason, early, cut_off = what
                return Ending(reason, early, cut_off=cut_off)
            if said == "raised":
                raise _rebuilt(*what)
            getattr(self._listener, said)(*what)
            if said == "started":
                self._began = True
            if said == "deadline":
                left, wall = what
                deadline = math.inf if left is None else time.monotonic() + left
        return self._stopped_by(self._signals.received)

    def _stopped_by(self, signum: int) -> Ending:
        self._listener.stopping(signum)
        return Ending(signum=signum, cut_off=f"the launch got {signal.Signals(signum).name}")

    def _end_driver(self) -> int:
        """Kill the driver if it lives; its exit code, where it had died before."""
        if not self._driver:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._driver, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self._driver, 0)[1])
        self._driver = 0
        return code

    def _died_of(self, code: int, address: str | None) -> Ending:
        if -code in LaunchSignals.SIGNALS:
            return self._stopped_by(-code)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        why = f"Ray ended by itself ({how}): one of its processes died"
        reason = why if address is None else why_gone(address) or why
        return Ending(reason, cut_off=why)

    def _end_at_once(self) -> None:
        """For a signal's handler."""
        self._session.end()
        if self._driver:
            self._listener.abandon()
            os.kill(self._driver, signal.SIGKILL)
        end_marked(self._session.token)
        shutil.rmtree(self._session.directory, ignore_errors=True)


class _ToGuardian:
    """The driver's end: what a listener hears, and ``ended`` and ``raised``, sent on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *what: self._connection.send((name, *what))


def _be_driver(
    drive: Callable[[GuardianListener], None], to_guardian: _ToGuardian, guardian: int
) -> NoReturn:
    try:
        die_with_parent(signal.SIGKILL)
        if os.getppid() == guardian:
            drive(cast("GuardianListener", to_guardian))
    except BaseException as error:
        logger.debug("the driver failed", exc_info=True)
        code = error.exit_code if isinstance(error, SweeperError) else None
        with contextlib.suppress(OSError):
            to_guardian.raised(code, type(error).__name__, str(error))
    finally:
        os._exit(0)


def _rebuilt(exit_code: int | None, name: str, text: str) -> Exception:
    if exit_code is None:
        unexpected: type[Exception] = type(name, (Exception,), {})
        return unexpected(text)
    return UsageError(text) if exit_code == UsageError.exit_code else SweeperError(text)
