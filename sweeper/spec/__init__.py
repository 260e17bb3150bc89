"""The request: a sweep file becomes a sweep, its search space and its parameter dicts.

Pure: nothing here imports Ray, TensorFlow or Keras, runs the user's program, or touches the tree.
"""

from sweeper.errors import Problem, SpecError

from .command import ScriptCall, script_call, wandb_param_file
from .convert import to_wandb, to_wandb_yaml
from .corners import corners
from .early import EarlyTerminate, check_early_terminate
from .groups import default_monitored
from .load import load_sweep
from .mode import Verdict
from .model import (
    ADAPTIVE_METHODS,
    METHODS,
    MOST_LAUNCHED_TRIALS,
    Budget,
    Metric,
    Resources,
    Retry,
    Sweep,
    Trial,
)
from .program import (
    AS_SCRIPT,
    Program,
    check_program,
    program_file,
    program_mode,
    program_verdict,
)
from .schema import schema, schema_json
from .space import Space
from .trialsfile import save_trials

__all__ = [
    "ADAPTIVE_METHODS",
    "AS_SCRIPT",
    "METHODS",
    "MOST_LAUNCHED_TRIALS",
    "Budget",
    "EarlyTerminate",
    "Metric",
    "Problem",
    "Program",
    "Resources",
    "Retry",
    "ScriptCall",
    "Space",
    "SpecError",
    "Sweep",
    "Trial",
    "Verdict",
    "check_early_terminate",
    "check_program",
    "corners",
    "default_monitored",
    "load_sweep",
    "program_file",
    "program_mode",
    "program_verdict",
    "save_trials",
    "schema",
    "schema_json",
    "script_call",
    "to_wandb",
    "to_wandb_yaml",
    "wandb_param_file",
]
