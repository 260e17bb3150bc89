"""What is shown while trials run: drawn again and again in a terminal or a notebook, plain lines
elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import Any, TextIO

from sweeper.sweepfile import Metric
from sweeper.wording import clock, printable

from . import formatting, tables
from .progress import LaunchProgress, Running

LOOKS = 1.0  # seconds between two looks at the files of those that run


class PlainDisplay(LaunchProgress):
    """One line per trial when it ends; the line says when it is the best so far."""

    def __init__(self, metric: Metric | None, stream: TextIO, repeated: bool = False) -> None:
        super().__init__(metric, repeated)
        self._stream = stream

    def warn(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it: the launch goes on
            print(printable(text, "\n"), file=self._stream, flush=True)


class DrawnDisplay(PlainDisplay):
    """Lines too, and below them what is drawn anew: counts, time, the running trials, the best."""

    ROWS = 12
    WAITING = "starting Ray and importing the train module …"

    _stopping = ""
    _looked = 0.0

    def drawn(self, width: int, height: int) -> list[tuple[str, str]]:
        """The lines, each with its style, at most so many."""
        if self.total is None and not self.running and not self.ended:
            text = self._stopping or self.WAITING
            return [(text, "bold" if self._stopping else "dim")]
        running = list(self.running.items())
        rows = min(self.ROWS, max(1, height - 5))
        if time.monotonic() > self._looked + LOOKS:
            self._looked = time.monotonic()
            for _, one in running[:rows]:
                one.look()
        left = None if self._stopping else self.seconds_left()
        share = min(1.0, self.ended / self.total) if self.total else 0.0
        bar = ("━" * round(20 * share)).ljust(20, "╌")
        elapsed = clock(time.monotonic() - self.since)
        head = [bar, f"{self.ended}/{self.total or '?'} trials", f"{elapsed} elapsed"]
        head += [f"{clock(left)} left"] if left is not None else []
        head += [f"{self.bad} failed"] if self.bad else []
        head += [self.note] if self.note else []
        found = [("  ".join(head), "")]
        if running:
            shown = [self._row(trial, one) for trial, one in running[:rows]]
            texts, left_out = tables.fit(shown, self._columns(shown), tables.Screen(width - 4))
            heads, *lines = [text.rstrip("\n") for text in texts]
            more = f"  +{left_out}" if left_out else ""
            found += [(f"{heads}{more}", "dim"), *((text, "") for text in lines)]
        if len(running) > rows:
            found.append((f"… and {len(running) - rows} more", ""))
        if self.best is not None:
            found.append((f"best: trial {self.best[0]}  {self.show(self.best[1])}", "bold"))
        if self._stopping:
            found.append((self._stopping, "bold"))
        return found

    def stopping(self, signum: int) -> None:
        self._stopping = self.stopping_text(signum)

    def _row(self, trial: int | str, one: Running) -> dict[str, Any]:
        row = {"trial": trial, "value": one.value, "best": one.best, "params": one.params}
        row["epoch"] = f"{one.epoch}/{one.epochs}" if one.epochs else one.epoch or "starting"
        row["curve"] = tables.sparkline(one.curve) or None
        row["s/epoch"] = one.pace and round(one.pace, 2)
        return {**row, "GPU": one.gpus, "memory": one.memory}

    def _columns(self, rows: list[dict[str, Any]]) -> list[tables.Column]:
        names = ["trial", "epoch"]
        names += ["value", "best", "curve"] if self.metric else []
        found = [formatting.column(name) for name in [*names, "s/epoch"]]
        if self.metric:
            found[2] = formatting.column("value", self.metric.name)
        places = [name for name in ("GPU", "memory") if any(row[name] for row in rows)]
        found += formatting.param_columns(self.names)
        return [*found, *(formatting.column(name, optional=True) for name in places)]


class LiveDisplay(DrawnDisplay):
    """Drawn in place at the end of a terminal."""

    def __init__(self, metric: Metric | None, stream: TextIO, repeated: bool = False) -> None:
        super().__init__(metric, stream, repeated)
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream)
        self._live = Live(
            console=self._console, refresh_per_second=4, transient=True, get_renderable=self
        )

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        self._console.show_cursor(True)  # hidden, it would stay so after a SIGKILL
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._live.stop()
            if self._stopping:
                print(self._stopping, file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        self._console.print(printable(text, "\n"), markup=False, highlight=False, soft_wrap=True)

    def stopping(self, signum: int) -> None:
        super().stopping(signum)
        with contextlib.suppress(OSError):
            self._live.refresh()

    def abandon(self) -> None:
        thread, clear = self._live._refresh_thread, "\r\x1b[2K"  # of `^C`
        if thread is not None:
            thread.stop()
            thread.join(1)  # it may wait for a lock that whoever was interrupted holds
            clear = str(self._live._live_render.position_cursor())
        # Past the stream's buffer, which whoever a signal has interrupted may be using.
        with contextlib.suppress(OSError):
            os.write(self._stream.fileno(), clear.encode())

    def __call__(self) -> Any:
        from rich.text import Text

        size = self._console.size
        lines = [Text(text, style) for text, style in self.drawn(size.width, size.height)]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


class FramesDisplay(DrawnDisplay):
    """For a notebook: each frame is a line of JSON, which ``sweeper.launch`` shows in its cell."""

    def __init__(self, metric: Metric | None, stream: TextIO, frames: int, repeated: bool) -> None:
        super().__init__(metric, stream, repeated)
        os.set_inheritable(frames, False)
        self._frames = frames
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> FramesDisplay:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _draw(self) -> None:
        over = False
        with contextlib.suppress(OSError):  # who shows them is gone
            while not over:
                over = self._over.wait(0.5)
                text = "\n".join(text for text, _ in self.drawn(110, 24))
                os.write(self._frames, json.dumps(text).encode() + b"\n")
