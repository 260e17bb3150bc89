"""What lies on disk and how it is read: identity, paths, files, records, leases, the plan.

Importing this loads neither Ray, Keras nor NumPy.
"""

from . import files
from .compare import MISSING, diff, explain
from .identity import Monitored, group_canonicals, groups_as_stored, plain
from .lease import HEARTBEAT, Lease, living_owner, process_start
from .metrics import (
    Monitor,
    Row,
    as_row,
    best_row,
    means_metric,
    mode_of,
    nearest_metric,
    read_rows,
)
from .paths import RunPaths, next_run_name
from .planning import PlannedTrial, next_trial, plan_trials, runs_of_trial, trial_state
from .records import OUTCOMES, RunRecord, model_epoch
from .tree import STAGING, Tree

__all__ = [
    "HEARTBEAT",
    "MISSING",
    "OUTCOMES",
    "STAGING",
    "Lease",
    "Monitor",
    "Monitored",
    "PlannedTrial",
    "Row",
    "RunPaths",
    "RunRecord",
    "Tree",
    "as_row",
    "best_row",
    "diff",
    "explain",
    "files",
    "group_canonicals",
    "groups_as_stored",
    "living_owner",
    "means_metric",
    "mode_of",
    "model_epoch",
    "nearest_metric",
    "next_run_name",
    "next_trial",
    "plain",
    "plan_trials",
    "process_start",
    "read_rows",
    "runs_of_trial",
    "trial_state",
]
