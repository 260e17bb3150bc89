"""Population-based training's children: runs that begin from the backup of another."""

from __future__ import annotations

from sweeper.experiment import Origin, can_have_child, make_child
from sweeper.sweepfile import Sweep, Trial
from sweeper.tree import RunRecord, Tree


class PopulationRuns:
    """Makes the runs of a population's children."""

    def __init__(self, sweep: Sweep, tree: Tree, program: str) -> None:
        self._sweep, self._tree, self._program = sweep, tree, program

    def can_be_of(self, parent: RunRecord) -> bool:
        return can_have_child(parent)

    def make(self, trial: Trial, parent: RunRecord) -> RunRecord | None:
        sweep = self._sweep
        tree = self._tree.debug if trial.params.get("debug") is True else self._tree
        origin = Origin(trial.seed, sweep.sweep_name, trial.index, program=self._program)
        return make_child(tree, trial.params, sweep.monitored, origin, parent)
