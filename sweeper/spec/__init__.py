"""The request: a sweep file becomes a sweep, its search space and its parameter dicts.

Pure: nothing here imports Ray, TensorFlow or Keras, runs the user's program, or touches the tree.
"""

from .command import script_call, wandb_param_file
from .convert import to_wandb_yaml
from .early import EarlyTerminate, check_early_terminate
from .groups import default_monitored
from .load import load_sweep
from .model import ADAPTIVE_METHODS, MOST_LAUNCHED_TRIALS, Metric, Sweep, Trial
from .program import AS_SCRIPT, check_program, program_file, program_mode, program_verdict
from .schema import schema_json
from .trialsfile import save_trials

__all__ = [
    "ADAPTIVE_METHODS",
    "AS_SCRIPT",
    "MOST_LAUNCHED_TRIALS",
    "EarlyTerminate",
    "Metric",
    "Sweep",
    "Trial",
    "check_early_terminate",
    "check_program",
    "default_monitored",
    "load_sweep",
    "program_file",
    "program_mode",
    "program_verdict",
    "save_trials",
    "schema_json",
    "script_call",
    "to_wandb_yaml",
    "wandb_param_file",
]
