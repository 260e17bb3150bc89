"""Backing up a fit and going on with it: the one place that knows what a run's state is.

Used by the callbacks only. A fit is numbered from 1: a run may have several, one after the other.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from sweeper.errors import UsageError
from sweeper.tree import files

from . import backend
from .backup import Backup
from .callback_state import CallbackStates
from .input_position import InputPosition, stateful_random_operations
from .retention import Retention

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .run import Run

log = logging.getLogger("sweeper.experiment")

CHEAP_EPOCH_SECONDS = 5.0
"""The last epoch is backed up only if training it again would cost more than this."""


class Fit:
    """What the callbacks of a run share: which epoch it is, and how to save and restore it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.retention = Retention(run.settings.keep, run.monitor)
        self.number = 0
        self._attempt = run.attempt
        self.model: Any = None
        self.epochs = 0
        self.offset: int | None = None
        self.batch_to_skip = 0
        self._states: CallbackStates | None = None
        self._others: list[Any] = []
        self._candidates: Iterator[Backup] | None = None
        self._pending: Backup | None = None
        self._epoch_started = time.monotonic()
        self._input = InputPosition(None)
        self._loose: list[Any] | None = None
        self._unchecked = False
        self._backed_up: int | None = None  # the epoch of the run after which there is a backup

    # -- counting ---------------------------------------------------------------------------

    def begin(self, model: Any, params: Mapping[str, Any], epoch_iterator: Any) -> None:
        """A fit begins; nothing of it is restored yet."""
        if self._attempt != self.run.attempt:  # another one in this process: as new
            vars(self).update(vars(Fit(self.run)))
        self._input = InputPosition(epoch_iterator)
        self._loose = None
        self.number += 1
        self.model = model
        self.epochs = int(params.get("epochs") or 0)
        self.offset = None

    def begin_epoch(self, epoch: int) -> None:
        """An epoch begins; ``epoch`` counts from 0 as Keras does."""
        self.model._initial_epoch = None  # it was for this fit alone
        if self.offset is None:
            # A second fit that counts from 0 again goes on counting where the first one ended.
            self.offset = max(0, self.run.log.last_epoch - epoch)
        self._epoch_started = time.monotonic()
        self._input.begin_epoch()
        if self.run.settings.reproducible:
            if self._loose is None:
                # Layers that augment within a pipeline belong to no model.
                arrays = self._input.adapter in ("ArrayDataAdapter", "NoneType")
                self._loose = [] if arrays else backend.loose_generators(self.model)
            backend.seed_epoch(self.model, self.run.seed, self.run_epoch(epoch), self._loose)

    def run_epoch(self, epoch: int) -> int:
        """The epoch of the run (from 1) for an epoch of Keras (from 0)."""
        return epoch + 1 + (self.offset or 0)

    def skip(self) -> None:
        """This fit is done already: train nothing."""
        self.model._initial_epoch = self.epochs

    def end(self) -> None:
        """The fit is over; what was saved and is not kept can go, unless nothing was restored."""
        self.model._initial_epoch = None
        if self._pending is None and not self.run.closed:
            self.retention.remove_unkept(self.run.paths.models)

    # -- restoring --------------------------------------------------------------------------

    def restore(self, others: list[Any]) -> None:
        """Go on from the newest backup that can be used, if this fit is the one to continue."""
        self._others = others
        self._states = CallbackStates(_with_state(others))
        if self.number == 1:
            self._look_for_backup()
        while (backup := self._pending) is not None:
            if int(backup.state["fit"]) > self.number:
                self.skip()
                return
            try:
                self._apply(backup)
                self._pending = self._candidates = None
                return
            except backend.StateMismatch as error:
                if backup.inherited:
                    raise UsageError(
                        f"{self.run.path}: expected a model that can go on from {self.run.parent}, "
                        f"found that {error}: under pbt and pb2 keep the parameters that shape the "
                        "model constant"
                    ) from error
                self.run.backups.reject(backup.path, str(error))
                self._next_candidate()
                if self._pending is None:
                    self._start_again()
        if self.number > 1 and self._backed_up != self.run.log.last_epoch:
            # The end of the fit before was cheap, and its weights are where this begins.
            self.save(fit_epoch=0, run_epoch=self.run.log.last_epoch)

    def _look_for_backup(self) -> None:
        there_was = bool(self.run.backups.names())
        self._candidates = self.run.backups.whole()
        self._next_candidate()
        if self._pending is None and there_was:
            self._start_again()
        elif self._pending is None and self.run.log.rows:
            # Stopped in its first epochs, before anything was backed up.
            self.run.rewind(0)
            self.retention.remove_unkept(self.run.paths.models, after=0)

    def _next_candidate(self) -> None:
        self._pending = next(self._candidates, None) if self._candidates is not None else None

    def _start_again(self) -> None:
        self.run.require_no_parent()
        log.warning(
            "%s: no backup can be used; training starts again from epoch 1, and what the run had "
            "recorded was moved to %s",
            self.run.path,
            self.run.paths.aside,
        )
        for path in (self.run.paths.training_logs, self.run.paths.models):
            files.set_aside(path, self.run.paths.aside)
        self.run.rewind(0)

    def _apply(self, backup: Backup) -> None:
        state, arrays = backup.state, backup.arrays
        partial = backup.batch > 0
        backend.build(self.model, self._input.signature, metrics=partial)
        mine = not backup.inherited
        backend.restore_model(self.model, arrays, metrics=partial, inherited=backup.inherited)
        self._unchecked = self.run.settings.reproducible
        if mine:  # else they speak of the parent's batches, settings and files
            self._input.restore(state["input"])
            if self._states is not None:
                self._states.restore(state["callbacks"], arrays)
        self.run.rewind(backup.epoch)
        self.retention.restore(state["checkpoints"] if mine else [])
        self.retention.remove_unkept(self.run.paths.models, after=backup.epoch)
        self._refill_history(state)
        self.offset = state["offset"]
        self._backed_up = backup.epoch if mine and not partial else None
        if backup.epoch and mine:
            self.run.forward(backup.epoch)  # a kill may have come before it was heard
        if state["stopped"]:
            self.skip()
            return
        # Keras takes 0 for "not given": the fit's own initial_epoch, which is right then.
        self.model._initial_epoch = state["fit_epoch"]
        if partial:
            self.batch_to_skip = backup.batch
            self._partial = backup

    def _refill_history(self, state: Mapping[str, Any]) -> None:
        first, rows = int(state["first"]), self.run.log.rows
        for callback in self._others:
            if type(callback).__name__ == "History":
                for row in rows:
                    epoch = int(row["epoch"])
                    if epoch < first:
                        continue
                    callback.epoch.append(epoch - 1 - (state["offset"] or 0))
                    for name, value in row.items():
                        if name != "epoch":
                            callback.history.setdefault(name, []).append(value)

    # -- the batches of a partly trained epoch ----------------------------------------------

    def skip_batches(self) -> None:
        """At the start of an epoch that was backed up in its middle: pass over what is done."""
        if not self.batch_to_skip:
            return
        model, logs = self.model, dict(self._partial.state["logs"])
        trained = model.train_function
        steps = int(getattr(model, "steps_per_execution", 1) or 1)

        def pass_over(*arguments: Any) -> Any:
            source = arguments[-1]
            if hasattr(source, "__next__"):  # else fit has taken the batches itself
                for _ in range(steps):
                    next(source, None)
            return logs if len(arguments) == 1 else (logs, arguments[0])  # JAX has a state too

        model.train_function = pass_over
        self._trained = trained

    def after_batch(self, batch: int) -> None:
        """``batch`` (from 0) is done or passed over; at the last one passed over, restore."""
        if not self.batch_to_skip or batch + 1 < self.batch_to_skip:
            return
        backup = self._partial
        self.model.train_function = self._trained
        backend.restore_model(self.model, backup.arrays, metrics=True)
        backend.restore_random_state(backup.state["random"], backup.arrays)
        self.batch_to_skip = 0
        del self._partial, self._trained

    # -- saving -----------------------------------------------------------------------------

    def end_epoch(self, epoch: int) -> None:
        """Back up after an epoch (from 0), unless it was the last and a cheap one."""
        if self._unchecked:  # it was traced in the epoch that ends now
            self._unchecked = False
            self._warn_if_inexact()
        last = bool(self.model.stop_training) or epoch + 1 >= self.epochs
        seconds = time.monotonic() - self._epoch_started
        if not last or seconds > CHEAP_EPOCH_SECONDS:
            self.save(fit_epoch=epoch + 1, run_epoch=self.run_epoch(epoch))
            self.retention.remove_unkept(self.run.paths.models)

    def _warn_if_inexact(self) -> None:
        found = stateful_random_operations(self.model.train_function)
        if found:
            log.warning(
                "%s: the model draws random numbers with %s, whose state cannot be stored: the "
                "resumed run is not exactly what it would have been; use keras.random with a "
                "SeedGenerator",
                self.run.path,
                ", ".join(found),
            )

    def save(
        self,
        *,
        fit_epoch: int,
        run_epoch: int,
        batch: int = 0,
        logs: Mapping[str, Any] | None = None,
    ) -> None:
        """Back up: ``fit_epoch`` epochs of this fit are done, ``run_epoch`` of the run."""
        arrays = backend.model_state(self.model, metrics=batch > 0)
        callbacks, more = self._states.capture() if self._states is not None else ([], {})
        arrays |= more
        state: dict[str, Any] = {
            "fit": self.number,
            "fit_epoch": fit_epoch,
            "offset": self.offset,
            "first": run_epoch - fit_epoch + 1,
            "stopped": bool(self.model.stop_training) and batch == 0 and fit_epoch > 0,
            "input": self._input.state(mid_epoch=batch > 0),
            "checkpoints": self.retention.state(),
            "callbacks": callbacks,
        }
        if batch:
            state["random"], more = backend.random_state()
            arrays |= more
            state["logs"] = {k: float(v) for k, v in (logs or {}).items()}
        self.run.backups.save(run_epoch, batch, arrays, state)
        self._backed_up = None if batch else run_epoch


def _with_state(callbacks: list[Any]) -> list[Any]:
    # History is filled from the training log, and the progress bar is for the eyes only.
    return [c for c in callbacks if type(c).__name__ not in ("History", "ProgbarLogger")]
