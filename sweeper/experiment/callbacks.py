"""The Keras callbacks of a run: seed and restore, record, checkpoint, back up, report.

Each epoch ends in this order, after every callback of the user's: the row is recorded, the model
saved if it is worth keeping, the state backed up, the epoch reported. The user's ``model.fit``
needs no change: as in Keras's BackupAndRestore, a resumed fit is told its first epoch by the model.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import sys
from typing import Any

import keras

from sweeper.errors import LeaseLost, TreeError, UsageError
from sweeper.tree import RunRecord, files

from . import backend
from .failures import in_one_line
from .metric_mode import metric_mode
from .resuming import Fit
from .run import Run

log = logging.getLogger("sweeper.experiment")

_CALLBACKS = list(inspect.signature(keras.Model.fit).parameters).index("callbacks")
_DEPTH = 6  # frames between a callback and the fit that calls it, with some to spare


def run_callbacks(run: Run, *, seed: bool = True) -> list[keras.callbacks.Callback]:
    """The callbacks of ``run``, in the order in which they work; those of each call go on counting.

    The first call of an attempt seeds everything, as it is set.
    """
    if run.sweep is None:
        _watch_fit()
    fit = run.fit = Fit(run) if run.fit is None else run.fit
    if fit.is_new_attempt() and seed and run.settings.reproducible and not run.closed:
        backend.seed_everything(run.seed)
    return [Opener(fit), Recorder(fit), Checkpoint(fit), _backup(fit)]


class _RunCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback of a run; works on every batch only where it must, which costs speed."""

    def __init__(self, fit: Fit) -> None:
        super().__init__()
        self.fit = fit
        self.run = fit.run


class Opener(_RunCallback):
    """Comes first: moves the others of ours to the end, and seeds each epoch."""

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self.fit.meet(model)

    def on_train_begin(self, logs: Any = None) -> None:
        self.run.go_on()
        if self.run.closed and not self.run.reopened:
            raise UsageError(
                f"{self.run.path}: this run is over, and a run is written once: call prepare() "
                "again for another run, or train several times within `with manager.run:`"
            )
        if self.run.settle_seed is not None:
            self.run.settle_seed()
            self.run.settle_seed = None
        found, epoch_iterator, initial_epoch = _inspect_fit(self)
        others = [c for c in found if not isinstance(c, _OURS)]
        self.fit.begin(self.model, self.params, others, epoch_iterator, initial_epoch)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.fit.begin_epoch(epoch)

    def on_test_begin(self, logs: Any = None) -> None:
        self.fit.begin_validation()


class Recorder(_RunCallback):
    """Writes the row of the epoch and performances.json."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if "epoch" in logs:
            self.run.warn(
                "the metric 'epoch' is not recorded, for the training log has the number of the "
                "epoch under that name: give the metric another one (name=…)"
            )
        self.run.monitor.mode_of = functools.partial(metric_mode, self.model)
        if self.fit.epochs:
            self.run.performances.epochs = self.fit.run_epoch(self.fit.epochs - 1)
        self.run.record(self.fit.run_epoch(epoch), logs)


class Checkpoint(keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Saves the models worth keeping, each whole or not at all, named by epoch and value."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.run = fit.run
        given = dict(self.run.settings.arguments)
        self._template = given.pop("filepath", None)
        self._threshold = given.pop("initial_value_threshold", None)
        given.pop("save_best_only", None)
        weights = bool(given.get("save_weights_only"))
        self._suffix = ".weights.h5" if weights else f".{self.run.settings.format}"
        name = self._template or f"model{self._suffix}"
        super().__init__(str(self.run.paths.models / name), **given)
        if self.save_freq == "epoch":
            # Keras looks whether batches are listened to, and is slower if they are.
            self.on_train_batch_end = keras.callbacks.Callback.on_train_batch_end.__get__(self)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        run_epoch = self.fit.run_epoch(epoch)
        row = self.run.log.row(run_epoch) or {}
        value = row.get(self.run.monitor.name or "")
        if self.save_freq != "epoch" or self.model is None:
            return
        if self._threshold is not None and not self.run.monitor.better(value, self._threshold):
            return
        self.fit.retention.rate(self.run.log)
        if self.fit.retention.would_keep(run_epoch, value):
            name = self._save(self._name(run_epoch, value, row))
            if name is not None:
                self.fit.retention.add(self.run.paths.models, run_epoch, name, value)

    def _name(self, run_epoch: int, value: float | None, row: dict[str, float]) -> str:
        if self._template is not None:
            try:
                return str(self._template.format(**{**row, "epoch": run_epoch}))
            except (KeyError, IndexError, ValueError) as error:
                raise UsageError(
                    f"checkpoint_params.filepath: {self._template!r} cannot be filled in: {error}; "
                    f"there is {', '.join(row)}"
                ) from error
        shown = "" if value is None else f"-{value:.4f}" if abs(value) < 1e9 else f"-{value:.4e}"
        return f"model.{run_epoch:02d}{shown}{self._suffix}"

    def _save_model(self, epoch: int, batch: int | None, logs: Any) -> None:
        # Reached with save_freq as a number of batches only.
        self._save(
            f"model.{self.fit.run_epoch(epoch):02d}-batch-{(batch or 0) + 1:06d}{self._suffix}"
        )

    def _save(self, name: str) -> str | None:
        """Save beside, flush, rename; returns the name of the file, None if it cannot be saved.

        A model that cannot be saved whole keeps its weights only; no failure ends the training.
        """
        try:
            self._save_as(name)
            return name
        except LeaseLost:
            raise
        except TreeError as error:  # the storage's: the next one may be saved whole
            self.run.warn(f"the model is not saved, training goes on without: {error}")
            return None
        except Exception as error:
            reason = in_one_line(error)
        if self._suffix != ".weights.h5":
            self.run.warn(f"the model cannot be saved whole, only its weights are kept: {reason}")
            name = name.removesuffix(self._suffix) + ".weights.h5"
            self.save_weights_only = True
            self._suffix = ".weights.h5"
            return self._save(name)
        self.run.warn(f"the weights cannot be saved, training goes on without: {reason}")
        return None

    def _save_as(self, name: str) -> None:
        models = self.run.paths.models
        files.make_directory(models)
        path = models / name
        # Keras goes by the suffix, so the scratch file has the same one.
        scratch = files.scratch_beside(path)
        scratch = scratch.with_name(f"{scratch.name}{self._suffix}")
        try:
            with files.tree_errors("save the model to", path):
                if self.save_weights_only:
                    self.model.save_weights(scratch)
                else:
                    with backend.quick_saving():
                        self.model.save(scratch)
            files.replace(scratch, path, guard=self.run.lease.check)
            self.fit.unflushed.append(path)
        finally:
            files.remove(scratch)
        if self.verbose:
            log.info("saved %s", path)


class Backup(_RunCallback):
    """Restores the state when training begins and backs it up after every epoch.

    Comes last: passes the epoch on, and ends the run that has no sweep to end it.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        if self.run.closed:
            self.fit.skip()
            _load_latest(self.model, self.run)
        else:
            self.fit.restore()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.fit.end_epoch(epoch)
        self.run.forward(self.fit.run_epoch(epoch))

    def on_train_end(self, logs: Any = None) -> None:
        self.fit.end()
        if self.run.ends_with_fit:
            self.run.close("finished")


class BatchBackup(Backup):
    """Backs up every so many batches too."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._last = epoch, 0
        if self.fit.partial is not None:
            self._last = self.fit.partial.batches
            self.fit.partial.begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.fit.partial is not None and self.fit.partial.after(batch):
            self.fit.partial = None
        every = self.run.settings.backup_every
        due = isinstance(every, int) and batch + 1 - self._last >= every
        if due and self.fit.partial is None:
            self._last = batch + 1
            run_epoch = self.fit.run_epoch(self._epoch) - 1
            self.fit.save(fit_epoch=self._epoch, run_epoch=run_epoch, batch=batch + 1, logs=logs)


def _backup(fit: Fit) -> Backup:
    # A run that was backed up in mid-epoch is resumed there, whatever is asked for now.
    partial = any("-batch-" in name for name in fit.run.backups.names())
    batches = isinstance(fit.run.settings.backup_every, int)
    return BatchBackup(fit) if batches or partial else Backup(fit)


_OURS = (_RunCallback, Checkpoint)


@functools.cache
def _watch_fit() -> None:
    """Let every ``fit`` tell the runs of its callbacks when it raises: Keras tells no callback."""
    fit = keras.Model.fit

    @functools.wraps(fit)
    def told(*arguments: Any, **named: Any) -> Any:
        given = named.get("callbacks", arguments[_CALLBACKS] if len(arguments) > _CALLBACKS else ())
        given = keras.tree.flatten(getattr(given, "callbacks", given))  # as Keras does it
        runs = [callback.run for callback in given if isinstance(callback, Opener)]
        for run in runs:
            run.fitting = True
        why = ""
        try:
            return fit(*arguments, **named)
        except BaseException as error:
            why = in_one_line(error)
            raise
        finally:
            for run in runs:
                run.fitting = False
                if why:
                    run.leave(why)

    keras.Model.fit = told


def _inspect_fit(first: Opener) -> tuple[list[Any], Any, int]:
    """The callbacks of a fit, ours moved to the end, its epoch iterator and ``initial_epoch``.

    Ours must see what EarlyStopping and the like did in the same epoch, wherever the user put them.
    Keras tells a callback nothing of its list, so it is looked up where on_train_begin is called
    from; without it the callbacks still work, in the order given.
    """
    frame = sys._getframe(1)
    found: list[Any] = []
    for _ in range(_DEPTH):
        caller = frame.f_back
        if caller is None:
            break
        frame = caller
        if found and "epoch_iterator" in frame.f_locals:
            known = frame.f_locals
            return found, known["epoch_iterator"], int(known.get("initial_epoch") or 0)
        callbacks = getattr(frame.f_locals.get("self"), "callbacks", None)
        if not found and isinstance(callbacks, list) and any(c is first for c in callbacks):
            place = next(i for i, c in enumerate(callbacks) if c is first) + 1
            rest = callbacks[place:]
            mine = [c for c in rest if isinstance(c, _OURS) and c.fit is first.fit]
            # In place: the caller is in the middle of a loop over this very list.
            callbacks[place:] = [c for c in rest if not any(c is m for m in mine)] + mine
            found = callbacks
    if not found:
        log.warning(
            "the list of callbacks was not found: the state of other callbacks (EarlyStopping, …) "
            "is not backed up, so a resumed run may end differently"
        )
    return found, None, 0


def _load_latest(model: Any, run: Run) -> None:
    checkpoint = RunRecord.at(run.path).latest_checkpoint
    log.warning("%s is over: nothing is trained again", run.path)
    if checkpoint is not None:
        with contextlib.suppress(Exception):  # another architecture: the user's model stays
            model.load_weights(checkpoint)
