"""sweeper: distributed hyperparameter sweeps for Keras and TensorFlow on Ray Tune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeper.experiment import ExperimentManager
    from sweeper.results import load
    from sweeper.script_api import callbacks, params, report, run

__version__ = "0.1.0"

__all__ = ["ExperimentManager", "__version__", "callbacks", "load", "params", "report", "run"]


def __getattr__(name: str) -> Any:
    # Importing the package must load nothing, so the public names come when they are asked for.
    if name == "ExperimentManager":
        from sweeper.experiment import ExperimentManager

        return ExperimentManager
    if name == "load":
        from sweeper.results import load

        return load
    if name in ("callbacks", "params", "report", "run"):
        from sweeper import script_api

        return getattr(script_api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
