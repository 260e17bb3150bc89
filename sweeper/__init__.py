"""sweeper: distributed hyperparameter sweeps for Keras and TensorFlow on Ray Tune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeper.experiment import ExperimentManager
    from sweeper.from_python import launch
    from sweeper.results import load
    from sweeper.script_api import callbacks, params, report, run, run_dir

__version__ = "0.1.0"

__all__ = [
    "ExperimentManager",
    "__version__",
    "callbacks",
    "launch",
    "load",
    "params",
    "report",
    "run",
    "run_dir",
]


def __getattr__(name: str) -> Any:
    # Importing the package must load nothing, so the public names come when they are asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    rooms = {"ExperimentManager": "experiment", "launch": "from_python", "load": "results"}
    return getattr(importlib.import_module(f"sweeper.{rooms.get(name, 'script_api')}"), name)
