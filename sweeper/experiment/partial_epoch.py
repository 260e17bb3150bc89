"""An epoch that was backed up in its middle: its first batches are passed over, not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import backend
from .backup import Backup


class PartialEpoch:
    """Lets a fit read the batches that are done; ``put_back`` restores what they have made."""

    def __init__(self, model: Any, backup: Backup, put_back: Callable[[Backup], Any]) -> None:
        self.batches = backup.batch
        self._model = model
        self._backup = backup
        self._put_back = put_back
        self._trained: Any = None

    def begin(self) -> None:
        """At the start of the epoch."""
        model, logs = self._model, dict(self._backup.state["logs"])
        steps = int(getattr(model, "steps_per_execution", 1) or 1)

        def pass_over(*arguments: Any) -> Any:
            source = arguments[-1]
            if hasattr(source, "__next__"):  # else fit has taken the batches itself
                for _ in range(steps):
                    next(source, None)
            return logs if len(arguments) == 1 else (logs, arguments[0])  # JAX has a state too

        self._trained = model.train_function
        model.train_function = pass_over

    def after(self, batch: int) -> bool:
        """``batch`` (from 0) was passed over; True if it was the last one: all is restored."""
        if batch + 1 < self.batches:
            return False
        self._model.train_function = self._trained
        self._put_back(self._backup)
        backend.restore_random_state(self._backup.state["random"], self._backup.arrays)
        return True
