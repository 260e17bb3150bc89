"""What a sweep's runs take on disk, and which of them keep their models."""

from __future__ import annotations

from pathlib import Path

from sweeper.experiment import prune_checkpoints
from sweeper.sweepfile import Sweep
from sweeper.tree import RunRecord, Tree, files


class DiskUsage:
    """Follows the runs of a sweep as they end: those of earlier launches first.

    ``used`` is what they take, in bytes, without the models that have gone since. It is measured
    once, where the sweep has a budget of disk or keeps the models of its best runs only.
    """

    def __init__(self, sweep: Sweep, tree: Tree) -> None:
        self.used = 0
        self._sizes: dict[Path, int] = {}
        self._tree = tree
        self._metric = sweep.metric
        self.most = sweep.budget.disk
        self._top: int | None = sweep.checkpoint.get("top")
        self._with_models: list[RunRecord] = []
        if self._top is None and sweep.budget.disk is None:
            return
        for record in tree.runs_of(sweep.sweep_name):
            if record.outcome is not None:
                self._add(record)

    @property
    def spent(self) -> str | None:
        """Which budget is spent, in words, where one is: until it is raised, nothing more runs."""
        if self.most is None or self.used < self.most:
            return None
        return f"the budget of {self.most:,} bytes is spent"

    def ended(self, run: Path) -> None:
        """A run is over: count what it takes; the models of the run that it beats go."""
        self._add(RunRecord.at(run))
        self.prune()

    def prune(self) -> None:
        """Remove the models of all but the best ``checkpoint.top`` runs, where the sweep has it."""
        if self._top is None or self._metric is None:
            return
        mode = self._metric.goal[:3]
        removed = prune_checkpoints(
            self._tree, self._top, metric=self._metric.name, mode=mode, runs=self._with_models
        )
        pruned = {path.parent.parent for path in removed}
        self._with_models = [kept for kept in self._with_models if kept.path not in pruned]
        for run in pruned:
            self._measure(run)

    def _add(self, record: RunRecord) -> None:
        if self._top is not None:
            self._with_models.append(record)
        self._measure(record.path)

    def _measure(self, run: Path) -> None:
        before = self._sizes.get(run, 0)
        self._sizes[run] = files.size(run)
        self.used += self._sizes[run] - before
