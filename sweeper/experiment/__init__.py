"""One run's directory: identity, tree, manager, run, and the Keras callbacks.

Importing this loads neither Keras nor TensorFlow nor numpy.
"""

from .inheriting import can_have_child, make_child
from .manager import ExperimentManager
from .opening import Origin, adopt_run, close_run
from .retention import prune_checkpoints
from .run import Run, describe_error
from .settings import Settings

__all__ = [
    "ExperimentManager",
    "Origin",
    "Run",
    "Settings",
    "adopt_run",
    "can_have_child",
    "close_run",
    "describe_error",
    "make_child",
    "prune_checkpoints",
]
