"""Reading a tree back: which runs belong to a sweep, which is best, what came of it all.

Pure: everything here is a function of the files, on any machine, with neither Ray nor TensorFlow.
"""

from .copying import copy_best
from .differences import difference
from .estimate import Estimate, Estimator
from .find import find_entry, find_run
from .flat import Columns, flatten, short_names
from .index import BAD, GOOD, Entry, Index, index_sweep, outcome_exit_code
from .locate import open_index
from .ranking import (
    Goal,
    check_metric,
    metric_names,
    monitored_metric,
    named_metric,
    rank,
    score,
    target_reached,
)
from .summary import best_row, csv_cell, plain_json, trial_row, write_summary

__all__ = [
    "BAD",
    "GOOD",
    "Columns",
    "Entry",
    "Estimate",
    "Estimator",
    "Goal",
    "Index",
    "best_row",
    "check_metric",
    "copy_best",
    "csv_cell",
    "difference",
    "find_entry",
    "find_run",
    "flatten",
    "index_sweep",
    "metric_names",
    "monitored_metric",
    "named_metric",
    "open_index",
    "outcome_exit_code",
    "plain_json",
    "rank",
    "score",
    "short_names",
    "target_reached",
    "trial_row",
    "write_summary",
]
