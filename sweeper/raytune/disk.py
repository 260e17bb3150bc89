"""What a sweep's runs take on disk, and which of them keep their models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sweeper.experiment import prune_checkpoints
from sweeper.sweepfile import Metric, Sweep
from sweeper.tree import RunRecord, Tree, files


class Disk:
    """Follows the runs of a sweep as they end: those of earlier launches first.

    ``spent`` is what they take, in bytes, without the models that have gone since.
    """

    def __init__(self, sweep: Sweep, tree: Tree) -> None:
        self.spent = 0
        self._sizes: dict[Path, int] = {}
        self._tree = tree
        self._metric: Metric | None = sweep.metric
        self._top: int | None = sweep.checkpoint.get("top")
        self._kept: list[RunRecord] = []
        if self._top is None and sweep.budget.disk is None:
            return
        for run in _ended(sweep, tree):
            self.ended(run)

    def ended(self, run: Path) -> None:
        """A run is over: count what it takes; the models of the run that it beats go."""
        record = RunRecord.at(run)
        if self._top is not None and self._metric is not None:
            self._kept.append(record)
            mode = self._metric.goal[:3]
            removed = prune_checkpoints(
                self._tree, self._top, metric=self._metric.name, mode=mode, runs=self._kept
            )
            gone = {path.parent.parent for path in removed}
            self._kept = [kept for kept in self._kept if kept.path not in gone]
            for lighter in gone - {run}:
                self._measure(lighter)
        self._measure(run)

    def _measure(self, run: Path) -> None:
        before = self._sizes.get(run, 0)
        self._sizes[run] = files.size(run)
        self.spent += self._sizes[run] - before


def taken(sweep: Sweep, tree: Tree) -> int:
    """What the sweep's runs that have ended take, in bytes; nothing is removed."""
    return sum(map(files.size, _ended(sweep, tree)))


def _ended(sweep: Sweep, tree: Tree) -> Iterator[Path]:
    for record in tree.all_runs():
        if record.sweep == sweep.sweep_name and record.outcome is not None:
            yield record.path
