"""Backing up a fit and going on with it: the one place that knows what a run's state is.

Used by the callbacks only. A run may have several fits, one after the other, numbered from 1: each
is a chapter of its own. How a chapter ended is kept as long as the run goes on, so that a resumed
run gives it back instead of training it again; the chapter that was interrupted goes on from its
own newest backup. What cannot be given back whole is trained again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from sweeper.errors import LeaseLost, UsageError
from sweeper.tree import as_row, files

from . import backend, libraries, variables
from .backup import Backup
from .callback_state import CallbackStates
from .fingerprint import Fingerprint, chapters, of_data, of_model
from .input_position import InputPosition, PartialEpoch, stateful_random_operations
from .pacing import Pace
from .retention import Retention

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .run import Run

log = logging.getLogger("sweeper.experiment")

CHEAP_EPOCH_SECONDS = 5.0
"""The last epoch is backed up only if training it again would cost more than this."""

_GENERATOR = "GeneratorDataAdapter"


_State = tuple[int, dict[str, Any], dict[str, Any]]
"""What is kept of a chapter: after which epoch of the run, arrays, JSON values."""


class Fit:
    """What the callbacks of a run share: which epoch it is, and how to save and restore it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.retention = Retention(run.settings.keep, run.monitor)
        self.number = 0
        self._attempt = 0
        self.partial: PartialEpoch | None = None  # the batches that are passed over in this epoch
        self._states: CallbackStates | None = None
        self._ended: _State | None = None  # of the chapter before, until it is on disk
        self._epoch_started = time.monotonic()
        self._pace = Pace(0)
        self.unflushed: list[Path] = []  # saved models
        self._plain: dict[str, str] = {}
        self._unchecked = False
        self._seeds: Any = None
        self._fingerprint: Fingerprint = {}
        self._meet(None, [], None, 0, 0)

    def _meet(
        self, model: Any, others: list[Any], epoch_iterator: Any, epochs: int, initial_epoch: int
    ) -> None:
        """What is known of a fit before anything of it is restored."""
        self.model, self.epochs, self._initial_epoch = model, epochs, initial_epoch
        self.is_loop = model is None or epoch_iterator is None
        self.offset: int | None = None
        self._first: int | None = None  # the first epoch of the run that is this fit's
        self._given_back: Backup | None = None  # this chapter is over already
        self._input = InputPosition(epoch_iterator)
        dataset = self._input.dataset
        self._others = others if dataset is None else [*others, dataset]
        self._validation = InputPosition(None)
        self._validation_state: dict[str, Any] | None = None
        self._loose: list[Any] | None = None

    def __deepcopy__(self, memo: object) -> Fit:
        return self  # copies of the callbacks are callbacks of the same run

    # -- counting ---------------------------------------------------------------------------

    def is_new_attempt(self) -> bool:
        """Whether an attempt has begun since the last call: then its fits count from 1."""
        if self._attempt == self.run.attempt:
            return False
        self._attempt, self.number, self._ended = self.run.attempt, 0, None
        self.retention = Retention(self.run.settings.keep, self.run.monitor)
        return True

    def meet(self, model: Any) -> None:
        """A fit is about to begin with this model."""
        if self.run.sweep is not None:
            self._fingerprint = of_model(model)

    def begin(
        self,
        model: Any,
        params: Mapping[str, Any] | None,
        others: list[Any],
        epoch_iterator: Any,
        initial_epoch: int,
    ) -> None:
        """A fit begins, or a loop of the user's own, with ``others``, the callbacks of the user's.

        Nothing of it is restored yet.
        """
        self.is_new_attempt()
        self.number += 1
        epochs = int((params or {}).get("epochs") or 0)
        self._meet(model, others, epoch_iterator, epochs, initial_epoch)
        source = libraries.tensorflow_seeds()
        self._seeds = source and source.getstate()

    def begin_epoch(self, epoch: int) -> None:
        """An epoch begins; ``epoch`` counts from 0 as Keras does."""
        if self.model is not None:
            self.model._initial_epoch = None  # it was for this fit alone
        if self.offset is None:
            # A second fit that counts from 0 again goes on counting where the first one ended.
            self.offset = max(0, self.run.position - epoch)
        self._first = self.run_epoch(epoch) if self._first is None else self._first
        self._epoch_started = time.monotonic()
        self._input.begin_epoch()
        self._validation.begin_epoch()
        if self.run.settings.reproducible:
            if self._loose is None:
                # Layers that augment within a pipeline belong to no model.
                arrays = self._input.adapter in ("ArrayDataAdapter", "NoneType")
                self._loose = [] if arrays else backend.loose_generators(self.model)
            backend.seed_epoch(self.model, self.run.seed, self.run_epoch(epoch), self._loose)

    def run_epoch(self, epoch: int) -> int:
        """The epoch of the run (from 1) for an epoch of Keras (from 0)."""
        return epoch + 1 + (self.offset or 0)

    def begin_validation(self) -> None:
        """A validation begins: the first one of a resumed fit goes on where the last one was."""
        iterator = getattr(self.model, "_eval_epoch_iterator", None)
        if iterator in (None, self._validation.iterator):
            return
        self._validation = InputPosition(iterator)
        self._validation.begin_epoch()
        if self._validation_state is not None:
            unkept = self._validation.unkept()
            if type(self._validation.dataset).__dict__.get("on_epoch_end"):
                unkept.append("what the validation's dataset does after each epoch begins anew")
            if unkept:
                self.run.note_inexact(unkept)
            self._validation.restore(self._validation_state, afresh=True)
            self._validation_state = None

    def skip(self) -> None:
        """This fit is done already: train nothing."""
        self.model._initial_epoch = self.epochs

    def end(self) -> None:
        """The fit is over: keep how it ended, or give that back once the callbacks are done."""
        if self.model is not None:
            self.model._initial_epoch = None
        if self.run.closed:
            return
        back = self._given_back
        if back is not None:  # again, and exactly: the callbacks have ended the fit once more
            self._put_back(back)
            self.model.stop_training = bool(back.state["stopped"])
        else:
            self.retention.remove_unkept(self.run.paths.models)
            self._flush_models()
            if not self.is_loop and not self.run.ends_with_fit:
                self._ended = self._guarded(self._capture, self.run.position, fit_epoch=self.epochs)
                if self.run.sweep is not None and self.run.returned < self.number:
                    self._guarded(setattr, self.run, "returned", self.number)
        if self.run.settings.reproducible:
            # What comes after the fit does not depend on how much of it was trained just now.
            backend.seed_epoch(None, self.run.seed, self.run.position)
            source = libraries.tensorflow_seeds()
            if source is not None and self._seeds is not None:
                source.setstate(self._seeds)

    # -- restoring --------------------------------------------------------------------------

    def restore(self) -> None:
        """Give back how this fit ended, or go on from its newest backup that can be used."""
        self._keep_end()
        if self.is_loop:
            return  # nothing can be skipped in it: it is trained from its first epoch on
        self._plain = variables.plain_attributes(self.model)
        now = variables.Variables(self.model, self._with_state())
        self._states = CallbackStates(self._with_state(), now.keys)
        self._pace = Pace(now.size)
        others_fit = self._find_chapter()
        if self.number > 1 and self.run.resumed_epoch and self._input.adapter == _GENERATOR:
            text = "a generator that an earlier fit may have read from goes on elsewhere"
            self.run.note_inexact([text])
        rejected = False
        for backup in self.run.backups.whole(self.number):
            try:
                if others_fit and not backup.inherited:
                    raise variables.StateMismatch(others_fit)
                self._apply(backup)
                return
            except variables.StateMismatch as error:
                if backup.inherited:
                    raise UsageError(
                        f"{self.run.path}: expected a model that can go on from {self.run.parent}, "
                        f"found that {error}: under pbt and pb2 keep the parameters that shape the "
                        "model constant"
                    ) from error
                self.run.backups.reject(backup.path, str(error))
                rejected = True
        self._begin_anew(rejected or self.run.backups.rejected)

    def _find_chapter(self) -> str:
        """Find out which chapter this fit is; why what there is of it is another's, if it is.

        A program that has noted which fits are over skips them when it is started again. Outside
        of a sweep the data and the model may change as a run goes on.
        """
        if self.run.sweep is None:
            return ""
        self._fingerprint |= of_data(self._input.source)
        now = self._fingerprint
        known = chapters(self.run.backups, self.run.returned)
        mine = known.get(self.number)
        why = mine.differs(now) if mine is not None else ""
        for number in range(self.number, max(known, default=0)) if why else ():
            before, chapter = known.get(number), known.get(number + 1)
            if before is None or not before.has_end or chapter is None:
                break
            if not chapter.differs(now, skipped=mine):
                log.warning(
                    "%s: the program has skipped fits that were over: this one is number %d",
                    self.run.path,
                    number + 1,
                )
                self.number = number + 1
                self.run.pass_over(before.epoch)
                return ""
        return why

    def _begin_anew(self, rejected: bool) -> None:
        """Train this chapter from its beginning: what an earlier attempt had after it is void.

        Not the epochs that come before its own ``initial_epoch``, or that of BackupAndRestore: the
        program goes on with them.
        """
        begins = getattr(self.model, "_initial_epoch", None) or self._initial_epoch
        position = max(self.run.position, min(begins, self.run.log.last_epoch))
        if not position and rejected:
            self.run.require_no_parent()
            log.warning(
                "%s: no backup can be used; training starts again from epoch 1, and what the run "
                "had recorded was moved to %s",
                self.run.path,
                self.run.paths.aside,
            )
            for path in (self.run.paths.training_logs, self.run.paths.models):
                files.set_aside(path, self.run.paths.aside)
        if self.run.log.last_epoch > position or rejected:
            self.run.rewind(position)
            self.retention.remove_unkept(self.run.paths.models, after=position)
        self.run.backups.remove_from(self.number)
        if self.run.returned >= self.number:
            self.run.returned = self.number - 1

    def _apply(self, backup: Backup) -> None:
        state, partial = backup.state, backup.batch > 0
        rows = [row for row in self.run.log.rows if state["first"] <= row["epoch"] <= backup.epoch]
        if len(rows) != backup.epoch - state["first"] + 1 and not backup.inherited:
            raise variables.StateMismatch("the training log has lost rows of these epochs")
        own = any(key.startswith("own_metric/") for key in backup.arrays)
        backend.build(self.model, self._input.signature, metrics=partial or own)
        mine = not backup.inherited
        if mine:
            self._check_compiled(state)
        lost = self._put_back(backup)
        self._unchecked = self.run.settings.reproducible
        self.retention.restore(state["checkpoints"] if mine else [])
        if self.run.amend is None:
            self._refill_history(state, rows)
        self.offset = state["offset"]
        self._first = state["first"] if mine else backup.epoch + 1
        lost += [] if backup.is_end else self._input.unkept()
        if mine:  # else they speak of the parent's attributes, batches and files
            lost += [f"{name}, an attribute, had changed" for name in state["attributes"]]
            self._input.restore(state["input"])
        if lost:
            self.run.note_inexact(lost)
        if backup.is_end:
            self._given_back = backup
            self.run.pass_over(backup.epoch)
            self.skip()
        else:
            self.run.rewind(backup.epoch)
            self.retention.remove_unkept(self.run.paths.models, after=backup.epoch)
        if backup.epoch and mine:
            self.run.forward(backup.epoch)  # a kill may have come before it was heard
        if backup.is_end:
            return
        if mine:
            self._validation_state = state["validation"]
        if state["stopped"]:
            self.skip()
            return
        # Keras takes 0 for "not given": the fit's own initial_epoch, which is right then.
        self.model._initial_epoch = state["fit_epoch"]
        if partial:
            self.partial = PartialEpoch(self.model, backup, self._put_back)

    def _check_compiled(self, state: Mapping[str, Any]) -> None:
        """Raise StateMismatch if a callback had compiled the model otherwise by then."""
        now = variables.compiled(self.model)
        for what, before in state["compiled"].items():
            if before != now[what] and (what != "trainable" or len(before) == len(now[what])):
                raise variables.StateMismatch(
                    f"the model was compiled with another {what} ({before}) than now ({now[what]})"
                )

    def _put_back(self, backup: Backup) -> list[str]:
        """Variables and callbacks as they were; returns what could not be restored."""
        others = self._with_state()
        now = variables.restore(
            self.model,
            others if not backup.inherited else [],
            backup.arrays,
            backup.state["optimizers"],
            metrics=backup.batch > 0,
            inherited=backup.inherited,
        )
        lost = [
            f"JAX compiles the value of {name}, a variable outside of the model, into its steps: "
            "they have the value of now, not the first one"
            for name in now.compiled_in
        ]
        if self._states is None or backup.inherited:
            return lost
        return lost + self._states.restore(backup.state["callbacks"], backup.arrays, now.by_key)

    def _refill_history(self, state: Mapping[str, Any], rows: list[dict[str, float]]) -> None:
        for callback in self._others:
            if type(callback).__name__ == "History":
                for row in rows:
                    callback.epoch.append(int(row["epoch"]) - 1 - (state["offset"] or 0))
                    for name, value in row.items():
                        if name != "epoch":
                            callback.history.setdefault(name, []).append(value)

    # -- saving -----------------------------------------------------------------------------

    def end_epoch(self, epoch: int) -> None:
        """Back up after an epoch (from 0), unless it was the last and a cheap one, or too soon."""
        if self.is_loop:
            return
        if self._unchecked:  # it was traced in the epoch that ends now
            self._unchecked = False
            self._warn_if_inexact()
        last = bool(self.model.stop_training) or epoch + 1 >= self.epochs
        seconds = time.monotonic() - self._epoch_started
        due = self.run.settings.backup_every == "epoch" or self._pace.is_due()
        if due and (seconds > CHEAP_EPOCH_SECONDS or not last):
            self.save(fit_epoch=epoch + 1, run_epoch=self.run_epoch(epoch))
            self.retention.remove_unkept(self.run.paths.models)

    def _warn_if_inexact(self) -> None:
        found = stateful_random_operations(self.model.train_function)
        if found:
            text = (
                f"the model draws random numbers with {', '.join(found)}, whose state cannot be "
                "stored: the resumed run is not exactly what it would have been; use keras.random "
                "with a SeedGenerator"
            )
            self.run.warn(text)
            self.run.note_inexact([text])

    def save(
        self,
        *,
        fit_epoch: int,
        run_epoch: int,
        batch: int = 0,
        logs: Mapping[str, Any] | None = None,
    ) -> None:
        """Back up: ``fit_epoch`` epochs of this fit are done, ``run_epoch`` of the run."""
        began = time.monotonic()
        self._guarded(self._save, run_epoch, fit_epoch=fit_epoch, batch=batch, logs=logs)
        self._pace.note(began)

    def _save(self, epoch: int, **what: Any) -> None:
        state = self._capture(epoch, **what)
        self._flush_models()
        self.run.backups.save(*state, batch=what["batch"])

    def _flush_models(self) -> None:
        """What a backup speaks of, or a fit leaves, is on the disk itself; not each save is."""
        while self.unflushed:
            with contextlib.suppress(OSError):  # another has taken its place
                files.sync(self.unflushed.pop())

    def _keep_end(self) -> None:
        """How the chapter before has ended goes to disk, now that there is another one."""
        ended, self._ended = self._ended, None
        if ended is not None:
            self._guarded(self.run.backups.save, *ended, is_end=True)

    def _capture(
        self,
        epoch: int,
        *,
        fit_epoch: int,
        batch: int = 0,
        logs: Mapping[str, Any] | None = None,
    ) -> _State:
        now = variables.Variables(self.model, self._with_state(), metrics=batch > 0)
        arrays = now.read()
        assert self._states is not None
        callbacks, more = self._states.capture(now.keys)
        arrays |= more
        plain = variables.plain_attributes(self.model)
        values: dict[str, Any] = {
            "fit": self.number,
            "fingerprint": self._fingerprint,
            "fit_epoch": fit_epoch,
            "offset": self.offset,
            "first": epoch + 1 if self._first is None else self._first,
            "stopped": bool(self.model.stop_training) and batch == 0 and fit_epoch > 0,
            "input": self._input.state(mid_epoch=batch > 0),
            "validation": self._validation.state(mid_epoch=batch > 0),
            "checkpoints": self.retention.state(),
            "optimizers": now.built(),
            "compiled": variables.compiled(self.model),
            "attributes": sorted(n for n, v in plain.items() if self._plain.get(n, v) != v),
            "callbacks": callbacks,
        }
        if batch:
            values["random"], more = backend.random_state()
            arrays |= more
            values["logs"] = {k: v for k, v in as_row(1, logs or {}).items() if k != "epoch"}
        return epoch, arrays, values

    def _with_state(self) -> list[Any]:
        # History is filled from the training log, if that has what it had; the progress bar is for
        # the eyes only.
        without = ["ProgbarLogger"] + ["History"] * (self.run.amend is None)
        return [c for c in self._others if type(c).__name__ not in without]

    def _guarded(self, save: Any, *arguments: Any, **named: Any) -> Any:
        """A backup that cannot be made ends no training: it is said once, and None."""
        try:
            return save(*arguments, **named)
        except LeaseLost:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self.run.warn(f"no backup was made, training goes on: {what}")
            return None
