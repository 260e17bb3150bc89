"""The request: a sweep file becomes a sweep, or all that is wrong with it and where.

Pure: nothing here imports Ray, TensorFlow or Keras, runs the user's program, or touches the tree.
"""

from .command import (
    AGENT,
    ENVIRONMENT,
    call_command,
    called_function,
    command_words,
    told_words,
    wandb_param_file,
)
from .convert import to_wandb_yaml
from .early_terminate import EarlyTerminate
from .foreign import from_tool
from .function_or_script import is_guard, names_callbacks, names_params
from .given_points import STUDY
from .load import load_sweep
from .monitored import default_monitored
from .preflight import (
    AS_SCRIPT,
    check_command,
    check_early_terminate,
    check_launchable,
    check_program,
    detect_program_mode,
    find_module,
    program_file,
    program_mode,
    program_name,
)
from .rules import is_number
from .schema import schema_json
from .sweep import (
    ADAPTIVE_METHODS,
    MOST_LAUNCHED_TRIALS,
    Budget,
    Metric,
    Notify,
    Sweep,
    Trial,
)
from .trials_file import read_rows, save_trials
from .yaml12 import to_yaml
