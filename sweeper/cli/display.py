"""What a launch shows while it runs: one live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any, TextIO

from sweeper.results import BAD_OUTCOMES
from sweeper.sweepfile import Metric

from .formatting import clock

BAD_ENDS = (*BAD_OUTCOMES, "lost")


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
        self._began = time.monotonic()

    def __enter__(self) -> LaunchProgress:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def started(self, total: int | None) -> None:
        self.total = total
        self._began = time.monotonic()

    def trial_started(self, trial: int) -> None:
        self.running.setdefault(trial, (0, None))

    def trial_reported(self, trial: int, epoch: int, value: float | None, run: str) -> None:
        self.running[trial] = (epoch, value)

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        self.running.pop(trial, None)
        self.ended += 1
        self.bad += end in BAD_ENDS
        if value is not None and end not in BAD_ENDS and self._better(trial, value):
            self.best = (trial, value)

    def seconds_left(self) -> float | None:
        """An estimate from the mean time of the trials that have ended; None before the first."""
        if self.total is None or not self.ended:
            return None
        each = (time.monotonic() - self._began) / self.ended
        return each * (self.total - self.ended)

    def show(self, value: float | None) -> str:
        if self.metric is None or value is None:
            return ""
        return f"{self.metric.name}={value:.5g}"

    def _better(self, trial: int, value: float) -> bool:
        """Whether `best` would now name the trial: of equal values it is the first trial's."""
        if not math.isfinite(value) or self.repeated:
            return False
        if self.best is None or value == self.best[1]:
            return self.best is None or trial <= self.best[0]
        bigger = self.metric is not None and self.metric.goal == "maximize"
        return value > self.best[1] if bigger else value < self.best[1]


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
        with contextlib.suppress(BrokenPipeError):  # nobody reads it: the launch goes on
            print(" ".join(words), file=self._stream, flush=True)


class LiveDisplay(LaunchProgress):
    """A bar with the time left, the running trials and the best so far, redrawn in place."""

    ROWS = 12

    def __init__(self, metric: Metric | None, stream: TextIO, repeated: bool = False) -> None:
        super().__init__(metric, repeated)
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=stream), refresh_per_second=4, transient=True, get_renderable=self
        )

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        super().trial_ended(trial, end, result, value)
        if end in BAD_ENDS:
            message = _first_line(result.get("error"))
            self._live.console.print(f"trial {trial} {end}: {message}", markup=False)

    def __call__(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self.total is None and not self.running and not self.ended:
            return Text("starting Ray and importing the train module …", style="dim")
        left = self.seconds_left()
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
            running.add_row("  trial", str(trial), where, self.show(value))
        parts: list[Any] = [head, running]
        if len(self.running) > self.ROWS:
            parts.append(Text(f"  … and {len(self.running) - self.ROWS} more"))
        if self.best is not None:
            parts.append(Text(f"best: trial {self.best[0]}  {self.show(self.best[1])}", "bold"))
        return Group(*parts)


def _first_line(error: object) -> str:
    return next(iter(str(error or "").strip().splitlines()), "")
