"""What other rooms ask of the Keras callbacks.

Importing this loads nothing; every call loads Keras.
"""

from __future__ import annotations

from typing import Any

from . import backend
from .run import ReportFunction, Run


def preload() -> None:
    """Import Keras, its backend and the callbacks, before any fork."""
    from . import callbacks  # noqa: F401

    backend.preload()


def keras_callbacks(
    run: Run, report: ReportFunction | None = None, *, seed: bool = True
) -> list[Any]:
    """The Keras callbacks of ``run``, for ``model.fit(callbacks=…)``.

    ``report`` receives every epoch. Sets every random seed (unless ``reproducible=False``), if
    ``seed``: else the process has been seeded for the run.
    """
    from .callbacks import run_callbacks

    run.on_report(report)
    return run_callbacks(run, seed=seed)
