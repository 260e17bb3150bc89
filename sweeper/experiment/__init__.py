"""One run's directory: identity, tree, manager, run, and the Keras callbacks.

Importing this loads neither Keras nor TensorFlow nor numpy.
"""

from sweeper.experiment.compare import Difference, diff, explain
from sweeper.experiment.identity import canonical, default_monitored, experiment_id
from sweeper.experiment.inheriting import can_have_child, make_child
from sweeper.experiment.lease import Lease, living_owner
from sweeper.experiment.manager import ExperimentManager
from sweeper.experiment.opening import Origin, close_run
from sweeper.experiment.paths import RunPaths, TreePaths
from sweeper.experiment.planning import PlannedTrial, plan_trials, trial_state
from sweeper.experiment.records import RunRecord
from sweeper.experiment.retention import prune_checkpoints
from sweeper.experiment.run import Run
from sweeper.experiment.tree import Tree

__all__ = [
    "Difference",
    "ExperimentManager",
    "Lease",
    "Origin",
    "PlannedTrial",
    "Run",
    "RunPaths",
    "RunRecord",
    "Tree",
    "TreePaths",
    "can_have_child",
    "canonical",
    "close_run",
    "default_monitored",
    "diff",
    "experiment_id",
    "explain",
    "living_owner",
    "make_child",
    "plan_trials",
    "prune_checkpoints",
    "trial_state",
]
