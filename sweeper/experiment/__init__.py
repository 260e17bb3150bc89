"""A run that is being written: its manager, its directory, its Keras callbacks and backups.

Importing this loads neither Keras nor TensorFlow nor NumPy.
"""

from .backend import configure_devices, raise_at_first_batch, reset_session
from .backup import begins_again, newest_backup
from .child_runs import can_have_child, child_of_trial
from .failures import describe_error, full_traceback, in_one_line
from .keras_session import keras_callbacks, preload
from .libraries import derived_seed, runtime_started, seed_library, seed_loaded
from .manager import ExperimentManager
from .opening import adopt_run, close_run, end_trial, interrupt_run, open_trial
from .provenance import Origin
from .retention import prune_checkpoints
from .run import Run
from .settings import Settings
from .source import Source, current_source, hold_source
