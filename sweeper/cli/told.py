"""Who is told of a launch beside its display: `notify:`, and TensorBoard's logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sweeper.results import index_sweep, metric_of, plain_json
from sweeper.sweepfile import Sweep
from sweeper.tools import EventFiles, Notifier, how_to_look, tensorboard_directory
from sweeper.tree import LiveTree

from .progress import BAD_ENDS, LaunchProgress


class Told:
    """A display that tells others too, none of which can hold up or end the launch.

    Raises UsageError for what the sweep file asks for and is not there.
    """

    def __init__(self, sweep: Sweep, display: LaunchProgress) -> None:
        self.display = display
        self._sweep = sweep
        self._tree = LiveTree(sweep.base_dir)  # read again at the cost of what has changed
        self._notifier = Notifier(sweep, sweep.notify) if sweep.notify else None
        self._logs = None
        if sweep.tensorboard:
            directory = tensorboard_directory(sweep, sweep.base_dir)
            self._logs = EventFiles(directory, metric_of(index_sweep(sweep)))
        self._over = threading.Event()
        self._problem = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.display, name)

    def __enter__(self) -> Told:
        # The launch has forked its driver by now: no fork finds a thread's lock taken.
        self.display.__enter__()
        if self._notifier:
            self._notifier.start()
        if self._logs:
            threading.Thread(target=self._log, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self.display.__exit__(*exception)

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        before = self.display.best
        self.display.trial_ended(trial, end, result, value)
        if self._notifier is None:
            return
        more = {"trial": trial, "status": end, "run": result.get("path")}
        if end in BAD_ENDS:
            error = str(result.get("error") or "no error recorded")
            self._notifier.tell("failure", f"trial {trial} {end}: {error}", error=error, **more)
        elif self.display.best != before:
            text = f"trial {trial} is the best so far: {self.display.show(value)}"
            self._notifier.tell("best", text, value=value, **more)

    def _log(self) -> None:
        seconds = 5.0
        while not self._over.wait(seconds):
            began = time.thread_time()
            self._write_logs()
            seconds = max(5.0, 20 * (time.thread_time() - began))  # a twentieth of a core at most

    def _write_logs(self) -> None:
        try:
            assert self._logs is not None
            self._logs.write_all(index_sweep(self._sweep, self._tree))
        except Exception as error:
            self._problem = f"tensorboard: {error}"

    def ended(self, code: int, say: Callable[[str], None]) -> None:
        """The launch is over: tell so, and of what could not be told."""
        if self._logs:
            self._problem = ""
            self._write_logs()
            say(self._problem or how_to_look(self._logs.directory))
        if self._notifier:
            index = index_sweep(self._sweep)
            best = self.display.best
            more = {"exit_code": code, "counts": index.counts(), "best": best and best[0]}
            self._notifier.tell("end", index.counts_in_words(), **plain_json(more))
            self._notifier.close()
            for problem in list(self._notifier.problems):
                say(f"sweeper: notify: {problem}")
