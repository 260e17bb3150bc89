"""What a launch shows while it runs: one live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from typing import Any, TextIO

from sweeper.sweepfile import Metric
from sweeper.tree import FAILED
from sweeper.wording import clock, counted, printable

from .time_left import TimeLeft

BAD_ENDS = (*FAILED, "lost")


class LaunchProgress:
    """How far a launch is: the trials running, the counts, the best trial so far. Shows nothing.

    A trial counts once it has ended, with the value of its run. ``best`` may be set before the
    start to what earlier launches have reached. Where trials are ``repeated`` there is no best one:
    what counts is a mean.
    """

    def __init__(self, metric: Metric | None, repeated: bool = False) -> None:
        self.metric = metric
        self.repeated = repeated
        self.total: int | None = None
        self.ended = 0
        self.bad = 0
        self.running: dict[int, tuple[int, float | None]] = {}  # trial -> epoch, value
        self.best: tuple[int, float] | None = None  # trial, value
        self.time_left = TimeLeft()

    def __enter__(self) -> LaunchProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the terminal as it was."""

    def started(self, total: int | None) -> None:
        self.total = total
        self.time_left.begin()

    def trial_started(self, trial: int) -> None:
        self.running.setdefault(trial, (0, None))
        self.time_left.trial_started(trial)

    def trial_reported(self, trial: int, epoch: int, value: float | None, run: str) -> None:
        self.running[trial] = (epoch, value)

    def trial_lost(self, trial: int) -> None:
        self.running.pop(trial, None)
        self.time_left.trial_lost(trial)

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        self.running.pop(trial, None)
        self.time_left.trial_ended(trial, resumed=bool(result.get("resumed_epoch")))
        self.ended += 1
        self.bad += end in BAD_ENDS
        if value is not None and end not in BAD_ENDS and self._better(trial, value):
            self.best = (trial, value)

    def warn(self, text: str) -> None:
        """Tell what the user should know now."""

    def stopping(self, signum: int) -> None:
        """Tell that a signal ends the launch."""

    def abandon(self) -> None:
        """Leave: the process ends at once. From a signal's handler: no lock may be taken."""

    def seconds_left(self) -> float | None:
        """An estimate; None while there is nothing to make it from."""
        return None if self.total is None else self.time_left.seconds(self.total - self.ended)

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

    def _better(self, trial: int, value: float) -> bool:
        """Whether `best` would now name the trial: of equal values it is the first trial's."""
        if not math.isfinite(value) or self.repeated:
            return False
        sign = -1 if self.metric is not None and self.metric.goal == "maximize" else 1
        return self.best is None or (sign * value, trial) <= (sign * self.best[1], self.best[0])


class PlainDisplay(LaunchProgress):
    """One line per trial when it ends; the line says when it is the best so far."""

    def __init__(self, metric: Metric | None, stream: TextIO, repeated: bool = False) -> None:
        super().__init__(metric, repeated)
        self._stream = stream

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        super().trial_ended(trial, end, result, value)
        words = [f"[{self.ended}/{self.total or '?'}]", f"trial {trial}", end]
        if value is not None:
            words.append(self.show(value))
            if self.best == (trial, value) and end not in BAD_ENDS:
                words.append("(best so far)")
        if result.get("error"):
            words.append(_first_line(result["error"]))
        self.warn(" ".join(words))

    def warn(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it: the launch goes on
            print(printable(text, "\n"), file=self._stream, flush=True)

    def stopping(self, signum: int) -> None:
        self.warn(self.stopping_text(signum))


class LiveDisplay(LaunchProgress):
    """A bar with the time left, the running trials and the best so far, redrawn in place."""

    ROWS = 12

    def __init__(self, metric: Metric | None, stream: TextIO, repeated: bool = False) -> None:
        super().__init__(metric, repeated)
        from rich.console import Console
        from rich.live import Live

        self._stream = stream
        self._stopping = ""
        self._live = Live(
            console=Console(file=stream), refresh_per_second=4, transient=True, get_renderable=self
        )

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        self._live.console.show_cursor(True)  # hidden, it would stay so after a SIGKILL
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._live.stop()
            if self._stopping:
                print(self._stopping, file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        self._live.console.print(
            printable(text, "\n"), markup=False, highlight=False, soft_wrap=True
        )

    def stopping(self, signum: int) -> None:
        self._stopping = self.stopping_text(signum)  # drawn with the next refresh

    def abandon(self) -> None:
        thread = self._live._refresh_thread
        if thread is not None:
            thread.stop()
            thread.join(1)  # it may wait for a lock that whoever was interrupted holds
            # Past the stream's buffer, which whoever a signal has interrupted may be using.
            with contextlib.suppress(OSError):
                os.write(
                    self._stream.fileno(), str(self._live._live_render.position_cursor()).encode()
                )

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        super().trial_ended(trial, end, result, value)
        if end in BAD_ENDS:
            self.warn(f"trial {trial} {end}: {_first_line(result.get('error'))}")

    def __call__(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self.total is None and not self.running and not self.ended:
            starting = "starting Ray and importing the train module …"
            return Text(self._stopping or starting, style="bold" if self._stopping else "dim")
        left = None if self._stopping else self.seconds_left()
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=self.total, completed=self.ended, width=36),
            f"{self.ended}/{self.total or '?'} trials",
            f"{clock(left)} left" if left is not None else "",
            f"{self.bad} failed" if self.bad else "",
        )
        running = Table.grid(padding=(0, 2))
        for trial, (epoch, value) in list(self.running.items())[: self.ROWS]:
            where = f"epoch {epoch}" if epoch else "starting"
            running.add_row("  trial", str(trial), where, Text(self.show(value)))
        parts: list[Any] = [head, running]
        if len(self.running) > self.ROWS:
            parts.append(Text(f"  … and {len(self.running) - self.ROWS} more"))
        if self.best is not None:
            parts.append(Text(f"best: trial {self.best[0]}  {self.show(self.best[1])}", "bold"))
        if self._stopping:
            parts.append(Text(self._stopping, "bold"))
        return Group(*parts)


def _first_line(error: object) -> str:
    return next(iter(str(error or "").strip().splitlines()), "")
