"""Population-based training's children: runs that begin from the backup of another."""

from __future__ import annotations

from sweeper.experiment import Origin, can_have_child, make_child
from sweeper.sweepfile import Sweep, Trial
from sweeper.tree import Program, RunRecord, Tree


class PopulationRuns:
    """Makes the runs of a population's children."""

    def __init__(self, sweep: Sweep, tree: Tree) -> None:
        self._sweep, self._tree, self._program = sweep, tree, Program.of(sweep)

    def can_have_child(self, parent: RunRecord) -> bool:
        return can_have_child(parent)

    def make(self, trial: Trial, parent: RunRecord) -> RunRecord | None:
        sweep, params = self._sweep, trial.params
        origin = Origin(trial.seed, sweep.sweep_name, trial.index, program=self._program)
        return make_child(self._tree.of(params), params, sweep.monitored, origin, parent)
