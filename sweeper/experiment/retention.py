"""Which saved models stay: the best ones, and those that a resumed run may go back to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError, UsageError
from sweeper.tree import Monitor, RunRecord, Tree, best_row, files, model_epoch

from .settings import Keep
from .training_log import TrainingLog


@dataclass
class SavedModel:
    """A saved model of a run: its epoch, file name and monitored value (None if there was none)."""

    epoch: int
    name: str
    value: float | None


@dataclass
class Retention:
    """The saved models of one run that are worth keeping, by the run's own rule."""

    keep: Keep
    monitor: Monitor
    entries: list[SavedModel] = field(default_factory=list)
    backed_up: set[str] = field(default_factory=set)  # the files that a resumed run may go back to

    def rate(self, log: TrainingLog) -> None:
        """Value the models by what is monitored now; it may have been another metric before."""
        for entry in self.entries:
            row = log.row(entry.epoch)
            if row is not None:
                entry.value = row.get(self.monitor.name or "")

    def would_keep(self, epoch: int, value: float | None) -> bool:
        """Would a model saved now be kept?"""
        candidate = SavedModel(epoch, "", value)
        return candidate in self._kept([*self.entries, candidate])

    def add(self, models: Path, epoch: int, name: str, value: float | None) -> None:
        """A model was saved; what it replaces is removed, unless a backup speaks of it."""
        before = [e for e in self.entries if e.name != name]
        self.entries = self._kept([*before, SavedModel(epoch, name, value)])
        stays = self.backed_up.union(e.name for e in self.entries)
        for entry in before:
            if entry.name not in stays:
                files.remove(models / entry.name)

    def _kept(self, entries: list[SavedModel]) -> list[SavedModel]:
        if self.keep.all or not entries:
            return entries
        good = [e for e in entries if self.monitor.better(e.value, None)]
        sign = 1 if self.monitor.goal == "min" else -1
        good.sort(key=lambda e: sign * (e.value or 0))  # of equals the earlier one stays first
        kept = [e.epoch for e in good[: self.keep.top]]
        if self.keep.last or not good:  # without a single number, the latest is as good as any
            kept.append(entries[-1].epoch)
        return [e for e in entries if e.epoch in kept]

    def remove_unkept(self, models: Path, after: int | None = None) -> None:
        """Remove the saved models that are not kept, and those of epochs later than ``after``."""
        self.backed_up = names = {entry.name for entry in self.entries}
        for name in files.names(models):
            epoch = model_epoch(name)
            unwanted = name not in names and not self.keep.all
            if epoch is not None and (unwanted or (after is not None and epoch > after)):
                files.remove(models / name)

    def state(self) -> list[list[Any]]:
        """As JSON values."""
        return [[e.epoch, e.name, None if e.value is None else repr(e.value)] for e in self.entries]

    def restore(self, state: Iterable[Iterable[Any]]) -> None:
        """From what state gave."""
        self.entries = [SavedModel(e, n, None if v is None else float(v)) for e, n, v in state]
        self.backed_up = {entry.name for entry in self.entries}


def prune_checkpoints(
    tree: Tree,
    keep: int,
    *,
    metric: str | None = None,
    mode: str | None = None,
    runs: Iterable[RunRecord] | None = None,
) -> list[Path]:
    """Remove the saved models of all but the ``keep`` best runs that are over; returns the removed.

    Runs are ranked by the best value of ``metric`` (by default what each run monitored), ``min`` or
    ``max`` by ``mode``, else as the runs have it. ``runs`` limits it to some, such as those of one
    sweep. Runs without an outcome are left alone, as they may still become the best, and so are
    runs that never logged the metric. Raises UsageError if nothing says which values are better.
    """
    ranked = []
    for record in tree.all_runs() if runs is None else runs:
        with contextlib.suppress(TreeError):  # what cannot be read is left alone
            if record.unreadable is None and record.outcome is not None:
                rank = _rank(record, metric, mode)
                if rank is not None:
                    ranked.append((rank, record))
    removed = []
    for _, record in sorted(ranked, key=lambda pair: pair[0])[keep:]:
        for path in record.models.values():
            files.remove(path)
            removed.append(path)
    return removed


def _rank(record: RunRecord, metric: str | None, mode: str | None) -> float | None:
    summary = record.performances or {}
    monitor = Monitor(metric or summary.get("monitor"), mode)
    monitor.remember(summary.get("monitor"), summary.get("mode"))
    if monitor.name is None or not any(monitor.name in row for row in record.rows):
        return None
    if monitor.goal is None:
        raise UsageError(
            f"mode: nothing says whether more or less of {monitor.name!r} is better: "
            "expected min or max, found none"
        )
    best = best_row(record.rows, monitor)
    if best is None:
        return None
    return best[monitor.name] if monitor.goal == "min" else -best[monitor.name]
