"""Reading a tree back: which runs belong to a sweep, which is best, what came of it all.

Pure: everything here is a function of the files, on any machine, with neither Ray nor TensorFlow.
"""

from .copying import copy_best
from .differences import difference
from .entry import Entry
from .estimate import Estimate, Estimator
from .find import find_entry, find_run
from .flat import ParameterNames, flatten, short_names
from .index import Index, index_sweep
from .live import LiveSweep, LiveSweeps
from .loaded import LoadedRun, SweepResults, load
from .overview import OVERVIEW_FIELDS, is_storage, overview_row, sweeps_below
from .programs import (
    changes_since,
    older_text_note,
    refuse_other_programs,
    text_difference,
    text_of,
)
from .ranking import (
    Ranked,
    check_metric,
    metric_of,
    metric_to_rank_by,
    nothing_to_rank,
    rank,
    run_value,
    score,
    target_reached,
    wandb_differs,
    without_number,
)
from .rows import best_row, csv_line, plain_json, plan_row, trial_row
from .study import grouped, optuna_study, optuna_trials
from .summary import summary_csv, write_summary
from .target import load_target, open_index, runs_elsewhere

__all__ = [
    "OVERVIEW_FIELDS",
    "Entry",
    "Estimate",
    "Estimator",
    "Index",
    "LiveSweep",
    "LiveSweeps",
    "LoadedRun",
    "ParameterNames",
    "Ranked",
    "SweepResults",
    "best_row",
    "changes_since",
    "check_metric",
    "copy_best",
    "csv_line",
    "difference",
    "find_entry",
    "find_run",
    "flatten",
    "grouped",
    "index_sweep",
    "is_storage",
    "load",
    "load_target",
    "metric_of",
    "metric_to_rank_by",
    "nothing_to_rank",
    "older_text_note",
    "open_index",
    "optuna_study",
    "optuna_trials",
    "overview_row",
    "plain_json",
    "plan_row",
    "rank",
    "refuse_other_programs",
    "run_value",
    "runs_elsewhere",
    "score",
    "short_names",
    "summary_csv",
    "sweeps_below",
    "target_reached",
    "text_difference",
    "text_of",
    "trial_row",
    "wandb_differs",
    "without_number",
    "write_summary",
]
