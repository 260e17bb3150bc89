"""Reading a tree back: which runs belong to a sweep, which is best, what came of it all.

Pure: everything here is a function of the files, on any machine, with neither Ray nor TensorFlow.
"""

from sweeper.space import flatten

from .attempts import attempts_of, gpu_seconds
from .drawn import missing_plotly
from .entry import Entry
from .estimate import Estimate, Estimator
from .figures import Figures
from .find import find_entry, find_run
from .flat import ParameterNames, short_names
from .front import front_of, of_several
from .index import Index, index_sweep
from .live import LiveSweep, LiveSweeps
from .loaded import LoadedRun, SweepResults, load
from .programs import (
    changes_since,
    differing_facts,
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
from .rows import (
    OVERVIEW_FIELDS,
    best_row,
    csv_lines,
    entry_score,
    flat_row,
    overview_row,
    plain_json,
    plan_row,
    sort_key,
    trial_row,
)
from .study import curve_of, grouped, local_time, optuna_study
from .summary import copy_best, summary_csv, write_summary
from .target import (
    is_storage,
    load_target,
    open_index,
    runs_elsewhere,
    storages_elsewhere,
    sweeps_below,
)
from .warm_start import read_warm_start
