"""Which epoch of a run is the best, while the run is being written: performances.json."""

from __future__ import annotations

import logging

from sweeper.tree import Monitor, Row, RunPaths, RunRecord, best_row, files

from .settings import Settings
from .training_log import TrainingLog

log = logging.getLogger("sweeper.experiment")


class Performances:
    """The summary of a run's rows, rewritten after each epoch.

    ``monitor`` goes on as earlier attempts have done, which took ``elapsed`` seconds.
    """

    def __init__(
        self, paths: RunPaths, rows: TrainingLog, settings: Settings, guard: files.Guard
    ) -> None:
        self._paths = paths
        self._rows = rows
        self._guard = guard
        self._best: Row | None = None
        self._missed = False
        self.monitor = Monitor(settings.monitor, settings.mode)
        before = RunRecord.at(paths.root).performances or {}
        self.elapsed = float(before.get("elapsed", 0.0))
        self.epochs: int | None = before.get("epochs")  # of the run, as far as it knows
        self.monitor.remember(before.get("monitor"), before.get("mode"))
        self.recall()

    def recall(self) -> None:
        """Look at every row again: some are others than before."""
        rows = self._rows.rows
        for row in () if self.monitor.asked else rows:
            self.monitor.look_at(row)
        self._best = best_row(rows, self.monitor)

    def add(self, row: Row, *, replaces: bool) -> None:
        """A row was recorded, after all others unless it ``replaces`` one."""
        if self.monitor.look_at(row) or replaces:
            self.recall()
        else:
            name = self.monitor.name or ""
            if self.monitor.better(row.get(name), (self._best or {}).get(name)):
                self._best = row
        if self.monitor.name not in row and self.monitor.asked and not self._missed:
            self._missed = True
            found = ", ".join(n for n in row if n != "epoch") or "nothing"
            text = "%s: epoch %d has no %r, which is monitored; there is %s"
            log.warning(text, self._paths.root, row["epoch"], self.monitor.name, found)

    def write(self, elapsed: float) -> None:
        """Write the file; without rows there is none."""
        last = self._rows.row(self._rows.last_epoch)
        if last is None:
            self._guard()
            files.remove(self._paths.performances)
            return
        summary = {
            "monitor": self.monitor.name,
            "mode": self.monitor.goal,
            "best": self._best,
            "last": last,
            "elapsed": round(elapsed, 3),
            "epochs": self.epochs,
        }
        files.write_json(self._paths.performances, summary, guard=self._guard)
