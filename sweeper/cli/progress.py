"""How far the trials of a sweep are, as a guardian tells of a launch, or ``watching`` of a tree."""

from __future__ import annotations

import contextlib
import math
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError
from sweeper.results import ParameterNames
from sweeper.sweepfile import Metric
from sweeper.tree import FAILED, RunRecord
from sweeper.wording import counted, printable, show_bytes

from .time_left import TimeLeft

BAD_ENDS = (*FAILED, "lost")
CURVE = 256  # values that a sparkline is made of


@dataclass
class Running:
    """A trial that runs: what it has reported, and what its files say beside."""

    params: dict[str, Any]
    since: float | None = None  # when it started
    path: Path | None = None
    epoch: int = 0
    value: float | None = None
    best: float | None = None
    curve: list[float] = field(default_factory=list)
    reported: float = 0.0  # when
    epochs: int | None = None  # how many it will have
    pace: float | None = None  # seconds for each of them
    gpus: str | None = None
    memory: str | None = None
    _first: tuple[int, float] = (0, 0.0)  # an epoch, and when it had ended

    def look(self) -> None:
        """Read what lies in its directory, if that is known."""
        if self.path is None or not self.epoch:
            return
        import psutil

        with contextlib.suppress(TreeError):
            record = RunRecord.at(self.path)
            found, attempt = record.performances or {}, (record.attempts or [{}])[-1]
            epoch, seconds = (found.get("last") or {}).get("epoch", 0), found.get("elapsed", 0.0)
            if epoch > self._first[0]:
                self.pace = (seconds - self._first[1]) / (epoch - self._first[0])
                self._first = self._first if self._first[0] else (epoch, seconds)
            self.epochs = found.get("epochs")
            gpus = attempt.get("gpus")
            self.gpus = ",".join(map(str, gpus)) or None if isinstance(gpus, list) else None
            if attempt.get("host") == socket.gethostname():
                with contextlib.suppress(
                    psutil.Error, ArithmeticError, LookupError, TypeError, ValueError
                ):
                    used = psutil.Process(int(attempt["pid"])).memory_info().rss
                    self.memory = show_bytes(used)

    def rest(self) -> float | None:
        """In how many seconds it has all its epochs, if that is known."""
        if not self.epochs or not self.pace:
            return None
        passed = time.monotonic() - self.reported
        return max(0.0, (self.epochs - self.epoch) * self.pace - passed)


class LaunchProgress:
    """How far a launch is: the trials running, the counts, the best trial so far. Shows nothing.

    A trial counts once it has ended, with the value of its run. ``best`` may be set before the
    start to what earlier launches have reached. Where trials are ``repeated`` there is no best one:
    what counts is a mean. ``names`` knows the parameters of the trials.
    """

    def __init__(self, metric: Metric | None, repeated: bool = False) -> None:
        self.metric = metric
        self.repeated = repeated
        self.total: int | None = None
        self.ended = 0
        self.bad = 0
        self.running: dict[int | str, Running] = {}
        self.best: tuple[int | str, float] | None = None  # trial, value
        self.names = ParameterNames()
        self.note = ""
        self.since = time.monotonic()
        self.time_left = TimeLeft()

    def __enter__(self) -> LaunchProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the terminal as it was."""

    def started(self, total: int | None) -> None:
        self.total = total

    def deadline(self, left: float | None, wall: float | None) -> None:
        self.time_left.end = None if left is None else time.monotonic() + left

    def more(self, trials: int | None) -> None:
        known = None not in (self.total, trials)
        self.total = (self.total or 0) + (trials or 0) if known else None

    def trial_started(
        self, trial: int | str, params: dict[str, Any] | None = None, age: float = 0.0
    ) -> None:
        if params:
            self.names.add(params)
        found = self.running.setdefault(trial, Running(params or {}))
        found.since = time.monotonic() - age
        self.time_left.trial_started(len(self.running))

    def trial_reported(self, trial: int | str, epoch: int, value: float | None, path: str) -> None:
        found = self.running.setdefault(trial, Running({}))
        found.epoch, found.value, found.path = epoch, value, Path(path) if path else None
        found.reported = time.monotonic()
        if value is not None and math.isfinite(value):
            found.curve.append(value)
            if len(found.curve) > 2 * CURVE:
                del found.curve[::2]
            if found.best is None or self._sign * value < self._sign * found.best:
                found.best = value

    def trial_lost(self, trial: int | str) -> None:
        self.running.pop(trial, None)

    def trial_ended(
        self, trial: int | str, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        resumed = bool(result.get("resumed_epoch"))
        best = self.count(trial, end, value, resumed=resumed, breaks="breaks" in result)
        words = [f"[{self.ended}/{self.total or '?'}]", f"trial {trial}", end]
        if value is not None:
            words.append(self.show(value))
        words += dict.fromkeys([*result.get("breaks", ()), *result.get("lacks", ())])
        if best:
            words.append("(best so far)")
        if result.get("error"):
            words.append(next(iter(str(result["error"]).strip().splitlines()), ""))
        self.warn(" ".join(words))

    def count(
        self,
        trial: int | str,
        end: str,
        value: float | None,
        *,
        resumed: bool = False,
        took: float | None = None,
        breaks: bool = False,
    ) -> bool:
        """A trial has ended, in ``took`` seconds if its start was not told. Is it the best?

        What ``breaks`` a limit is not.
        """
        running = self.running.pop(trial, None)
        if running is not None and running.since is not None:
            took = time.monotonic() - running.since
        self.time_left.trial_ended(resumed, took)
        self.ended += 1
        self.bad += end in BAD_ENDS
        if value is None or breaks or end in BAD_ENDS or not self._better(trial, value):
            return False
        self.best = (trial, value)
        return True

    def warn(self, text: str) -> None:
        """Tell what the user should know now."""

    def stopping(self, signum: int) -> None:
        """Tell that a signal ends the launch."""
        self.warn(self.stopping_text(signum))

    def abandon(self) -> None:
        """Leave: the process ends at once. From a signal's handler: no lock may be taken."""

    def seconds_left(self) -> float | None:
        """An estimate; None while there is nothing to make it from."""
        if self.total is None:
            return None
        now, running = time.monotonic(), list(self.running.values())
        known = [(now - one.since, one.rest()) for one in running if one.since is not None]
        return self.time_left.seconds(self.total - self.ended, known)

    def stopping_text(self, signum: int) -> str:
        """Why the launch stops, and what becomes of the trials that run."""
        why, again = f" ({signal.Signals(signum).name})", "; once more to stop at once"
        if signum == signal.SIGINT:
            why, again = "", "; Ctrl-C again to stop at once"
        elif signum == signal.SIGALRM:
            why, again = " (the budget of time is spent)", ""
        running = counted(len(self.running), "running trial")
        they = "ends" if len(self.running) == 1 else "end"
        what = f": {running} {they} here and can be resumed" if self.running else ""
        return f"stopping{why}{what}{again}"

    def show(self, value: float | None) -> str:
        if self.metric is None or value is None:
            return ""
        return printable(f"{self.metric.name}={value:.5g}")

    @property
    def _sign(self) -> float:
        return self.metric.sign if self.metric is not None else 1.0

    def _better(self, trial: int | str, value: float) -> bool:
        """Whether `best` would now name the trial: of equal values it is the first trial's."""
        if not math.isfinite(value) or self.repeated:
            return False
        if self.best is None:
            return True
        both = ((self._sign * v, f"{t:>99}") for t, v in ((trial, value), self.best))
        return next(both) <= next(both)
