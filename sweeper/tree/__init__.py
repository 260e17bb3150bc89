"""What lies on disk and how it is read: identity, paths, files, records, leases, the plan.

Importing this loads neither Ray, Keras nor NumPy.
"""

from sweeper.metric_goals import mode_of

from . import files
from .choices import Choices, WarmStart
from .claims import Claims, launches, remove_left
from .compare import diff, explain, other_experiment
from .control import (
    SETTABLE,
    Control,
    as_set,
    ask,
    count_start,
    elapsed,
    forget_spent,
    take_back,
    value_of,
)
from .gpus import MOST_ON_GPU, PRETENDED_GPUS, VISIBLE_GPUS, fit_on_gpu, gpu_part, gpus_here
from .identity import Monitored, group_canonicals, groups_as_stored, plain
from .lease import (
    GONE,
    HEARTBEAT,
    Lease,
    is_self,
    lease_name,
    lease_numbers,
    living_owner,
    living_owners,
    process_start,
    remove_dead,
    silent_until,
    unused_number,
)
from .metrics import Monitor, Row, as_row, best_row, means_metric, nearest_metric, read_rows
from .paths import RunPaths, next_run_name
from .planning import (
    PlannedTrial,
    RunChooser,
    listed,
    next_trial,
    plan_known,
    plan_trials,
    runs_of_replicate,
    runs_of_trial,
    trial_state,
    trials_of,
)
from .program import (
    Program,
    ProgramCheck,
    Texts,
    may_be_shown,
    program_of,
    read_text,
    texts_now,
    texts_of,
)
from .records import FAILED, RunRecord, model_epoch
from .shapes import MANIFEST, OUTCOMES
from .tree import STAGING, LiveTree, Tree
