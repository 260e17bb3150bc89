"""Reading a tree back: which runs belong to a sweep, which is best, what came of it all.

Pure: everything here is a function of the files, on any machine, with neither Ray nor TensorFlow.
"""

from __future__ import annotations

from sweeper.results.choosing import find_entry, find_run
from sweeper.results.copying import copy_best
from sweeper.results.difference import difference
from sweeper.results.estimate import Estimate, Estimator
from sweeper.results.flat import Columns, flatten, short_names
from sweeper.results.index import (
    BAD,
    GOOD,
    STATUSES,
    Entry,
    Index,
    index_directory,
    index_sweep,
    outcome_exit_code,
)
from sweeper.results.locate import open_directory, open_index, stored_sweep
from sweeper.results.ranking import (
    Ranked,
    Score,
    check_metric,
    metric_names,
    monitored_metric,
    named_metric,
    rank,
    score,
    target_reached,
)
from sweeper.results.summary import (
    best_row,
    csv_cell,
    plain_json,
    summary,
    summary_csv,
    trial_row,
    write_summary,
)

__all__ = [
    "BAD",
    "GOOD",
    "STATUSES",
    "Columns",
    "Entry",
    "Estimate",
    "Estimator",
    "Index",
    "Ranked",
    "Score",
    "best_row",
    "check_metric",
    "copy_best",
    "csv_cell",
    "difference",
    "find_entry",
    "find_run",
    "flatten",
    "index_directory",
    "index_sweep",
    "metric_names",
    "monitored_metric",
    "named_metric",
    "open_directory",
    "open_index",
    "outcome_exit_code",
    "plain_json",
    "rank",
    "score",
    "short_names",
    "stored_sweep",
    "summary",
    "summary_csv",
    "target_reached",
    "trial_row",
    "write_summary",
]
