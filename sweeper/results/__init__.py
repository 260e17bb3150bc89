"""Reading a tree back: which runs belong to a sweep, which is best, what came of it all.

Pure: everything here is a function of the files, on any machine, with neither Ray nor TensorFlow.
"""

from .attempts import attempts_of, gpu_seconds
from .copying import copy_best
from .differences import differing_facts
from .drawn import missing_plotly
from .entry import Entry
from .estimate import Estimate, Estimator
from .figures import Figures
from .find import find_entry, find_run
from .flat import ParameterNames, flatten, short_names
from .front import front_of, of_several
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
from .ranked_by import (
    check_metric,
    metric_of,
    metric_to_rank_by,
    nothing_to_rank,
    without_number,
)
from .ranking import (
    Ranked,
    rank,
    rank_together,
    run_values,
    score,
    target_reached,
    wandb_differs,
)
from .rows import best_row, csv_line, entry_score, plain_json, plan_row, sort_key, trial_row
from .study import curve_of, grouped, local_time, optuna_study
from .summary import summary_csv, write_summary
from .target import load_target, open_index, runs_elsewhere
from .warm_start import read_warm_start

__all__ = [
    "OVERVIEW_FIELDS",
    "Entry",
    "Estimate",
    "Estimator",
    "Figures",
    "Index",
    "LiveSweep",
    "LiveSweeps",
    "LoadedRun",
    "ParameterNames",
    "Ranked",
    "SweepResults",
    "attempts_of",
    "best_row",
    "changes_since",
    "check_metric",
    "copy_best",
    "csv_line",
    "curve_of",
    "differing_facts",
    "entry_score",
    "find_entry",
    "find_run",
    "flatten",
    "front_of",
    "gpu_seconds",
    "grouped",
    "index_sweep",
    "is_storage",
    "load",
    "load_target",
    "local_time",
    "metric_of",
    "metric_to_rank_by",
    "missing_plotly",
    "nothing_to_rank",
    "of_several",
    "older_text_note",
    "open_index",
    "optuna_study",
    "overview_row",
    "plain_json",
    "plan_row",
    "rank",
    "rank_together",
    "read_warm_start",
    "refuse_other_programs",
    "run_values",
    "runs_elsewhere",
    "score",
    "short_names",
    "sort_key",
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
