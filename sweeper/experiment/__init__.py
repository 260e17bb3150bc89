"""One run's directory: identity, tree, manager, run, and the Keras callbacks.

Importing this loads neither Keras nor TensorFlow nor numpy.
"""

from .compare import MISSING, diff
from .inheriting import can_have_child, make_child
from .lease import HEARTBEAT, Lease, living_owner, process_start
from .manager import ExperimentManager
from .opening import Origin, adopt_run, close_run
from .performances import as_row, mode_of
from .planning import PlannedTrial, plan_trials, trial_state
from .records import RunRecord
from .retention import prune_checkpoints
from .run import Run, describe_error
from .settings import Settings
from .tree import Tree

__all__ = [
    "HEARTBEAT",
    "MISSING",
    "ExperimentManager",
    "Lease",
    "Origin",
    "PlannedTrial",
    "Run",
    "RunRecord",
    "Settings",
    "Tree",
    "adopt_run",
    "as_row",
    "can_have_child",
    "close_run",
    "describe_error",
    "diff",
    "living_owner",
    "make_child",
    "mode_of",
    "plan_trials",
    "process_start",
    "prune_checkpoints",
    "trial_state",
]
