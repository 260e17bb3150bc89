"""The request: a sweep file becomes a sweep, its search space and its parameter dicts.

Pure: nothing here imports Ray, TensorFlow or Keras, runs the user's program, or touches the tree.
"""

from sweeper.errors import Problem, SpecError

from .early import EarlyTerminate
from .groups import default_monitored
from .load import load_sweep
from .model import (
    ADAPTIVE_METHODS,
    METHODS,
    Budget,
    Metric,
    Resources,
    Retry,
    Sweep,
    Trial,
)
from .program import Program, check_program
from .trialsfile import save_trials

__all__ = [
    "ADAPTIVE_METHODS",
    "METHODS",
    "Budget",
    "EarlyTerminate",
    "Metric",
    "Problem",
    "Program",
    "Resources",
    "Retry",
    "SpecError",
    "Sweep",
    "Trial",
    "check_program",
    "default_monitored",
    "load_sweep",
    "save_trials",
]
