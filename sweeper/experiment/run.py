"""One run: its directory while this process owns it."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sweeper.errors import LeaseLost, TreeError, UsageError
from sweeper.tree import (
    FAILED,
    OUTCOMES,
    Lease,
    Monitor,
    Row,
    RunPaths,
    as_row,
    files,
)

from . import output, provenance
from .backup import BackupStore
from .failures import describe_error, in_one_line
from .performances import Performances
from .provenance import parent_name
from .settings import Settings
from .source import Source
from .training_log import TrainingLog

log = logging.getLogger("sweeper.experiment")

ReportFunction = Callable[[dict[str, Any]], None]
"""Receives ``{"epoch": n, "metrics": {…}}`` once the epoch is recorded and backed up."""


class Run:
    """A run that this process owns. Made by ExperimentManager, not directly.

    ``seed`` is the run's seed, ``attempt`` counts from 1. Everything that writes raises LeaseLost
    once another process continues the run, and TreeError when the storage fails.
    """

    def __init__(
        self,
        paths: RunPaths,
        record: dict[str, Any],
        params: dict[str, Any],
        lease: Lease,
        settings: Settings,
    ) -> None:
        self.paths = paths
        self.path = paths.root
        self.params = params
        self.settings = settings
        self.lease = lease
        self.seed = int(record.get("seed", 0))  # of a good run its run.json may be torn
        self.attempt = lease.number
        self.closed = False
        self.reopened = False
        self.fitting = False
        self.fit: Any = None  # what its Keras callbacks share, once there are some
        self.amend: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
        self.another_attempt: Callable[[], Run | None] | None = None
        self.settle_seed: Callable[[], None] | None = None
        self.backups = BackupStore(
            paths,
            lease.check,
            parent=parent_name(record.get("parent")),
            failed=parent_name(record.get("continues")),
        )
        self.log = TrainingLog(paths.training_logs, lease.check)
        self.performances = Performances(paths, self.log, settings, lease.check)
        self._record = record
        self._pid = os.getpid()
        self._report: ReportFunction | None = None
        self._entered = False
        self._first = True  # no row was recorded in this attempt yet
        self._recorded = False  # nor in this process
        self._position: int | None = None  # after which epoch this attempt stands
        self._started = time.monotonic()
        self._no_numbers: set[str] = set()  # the metrics that it was said of
        self._warned: set[str] = set()
        self.resumed_epoch = self.backups.newest_epoch()
        lease.on_exit = self._at_exit

    @property
    def sweep(self) -> str | None:
        """The sweep that the run belongs to; None in a script or notebook."""
        name = self._record.get("sweep")
        return str(name) if name is not None else None

    @property
    def parent(self) -> str | None:
        """``exp-…/run--…``, from whose backup the run has begun; None for most runs."""
        return parent_name(self._record.get("parent"))

    @property
    def elapsed(self) -> float:
        """Seconds of all attempts so far."""
        return self.performances.elapsed + time.monotonic() - self._started

    @property
    def monitor(self) -> Monitor:
        """Which metric says which epoch is the best."""
        return self.performances.monitor

    # -- what the train function uses -------------------------------------------------------

    def on_report(self, report: ReportFunction | None) -> None:
        """Give every epoch to ``report`` too."""
        if report is not None:
            self._report = report

    def report(self, epoch: int | None = None, **metrics: Any) -> None:
        """Record the metrics of an epoch (from 1; the next one by default) and pass them on.

        For train functions that are not Keras. A repeated epoch replaces its row.
        """
        self.go_on()
        if epoch is None:
            before = self.log.last_epoch if self._recorded else self.resumed_epoch
            epoch = (before if self._position is None else self._position) + 1
        self.forward(int(self.record(epoch, metrics)["epoch"]))

    def save(self, state_dir: str | os.PathLike[str]) -> None:
        """Keep a copy of ``state_dir`` to resume from, whole or not at all.

        Call it after ``report``: then at most the epoch in flight is trained again.
        """
        source = Path(state_dir)
        if not source.is_dir():
            raise UsageError(f"{source}: expected a directory with the state to save, found none")
        self.go_on()
        self.backups.save_directory(source, self.log.last_epoch, len(self.log.rows))

    def restore(self) -> Path | None:
        """The directory last saved, to be read and not changed; None if there is none.

        ``resumed_epoch`` is then the epoch after which it was saved.
        """
        self.go_on()
        found = self.backups.restore_directory(self.log.rows)
        if found is None and not self.backups.newest_epoch():
            self.require_no_parent()
        self.rewind(0 if found is None else found[1])
        return None if found is None else found[0]

    def require_no_parent(self) -> None:
        """Raise TreeError if the run cannot start afresh, as it has begun from another's backup."""
        if self.parent is not None:
            raise TreeError(
                f"{self.path}: expected the state of {self.parent}, from which this run goes on, "
                "found no backup that can be used; its training cannot start from the beginning"
            )

    def capture_output(self) -> AbstractContextManager[None]:
        """Within, standard output and error of the process go to output.log, C code's too."""
        return output.redirected(self.paths.output)

    def __enter__(self) -> Run:
        """Within, the end of a ``fit`` does not end the run: it may have several."""
        self.go_on()
        self._entered = True
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._entered = False
        if not self.closed:
            if error is None:
                self.close("finished")
            else:
                self.interrupt(in_one_line(error))

    # -- what the callbacks use -------------------------------------------------------------

    @property
    def ends_with_fit(self) -> bool:
        """Does the end of ``fit`` finish this run? Not in a sweep, where the worker says so."""
        return self.sweep is None and not self._entered and not self.closed

    def record(self, epoch: int, metrics: Mapping[str, Any]) -> Row:
        """Write the row of an epoch (from 1) and the summary."""
        self._not_in_a_fork()
        metrics = metrics if self.amend is None else self.amend(metrics)
        row = as_row(epoch, metrics, self._no_numbers)
        epoch = int(row["epoch"])  # NumPy's integers are no JSON
        if self._first:
            self._first = False
            if epoch <= self.log.last_epoch:  # this attempt trains them again
                self._record["attempts"][-1]["resumed_from_epoch"] = epoch - 1
                self.log.cut(epoch - 1)
                self.performances.recall()
        self._recorded, self._position = True, epoch
        replaces = epoch <= self.log.last_epoch
        self.log.record(row)
        self.performances.add(row, replaces=replaces)
        self.performances.write(self.elapsed)
        return row

    def rewind(self, epoch: int) -> None:
        """Go on after ``epoch``: the rows after it are forgotten."""
        self.resumed_epoch = self._position = epoch
        self.log.cut(epoch)
        self.performances.recall()
        self.performances.write(self.elapsed)
        self._record["attempts"][-1]["resumed_from_epoch"] = epoch
        self._write_record()

    def forget(self, metric: str) -> bool:
        """Take ``metric`` out of every row; whether it was in any."""
        if not any(metric in row for row in self.log.rows):
            return False
        self.log.forget(metric)
        self.performances.recall()
        self.performances.write(self.elapsed)
        return True

    def pass_over(self, epoch: int) -> None:
        """Go on after ``epoch``, whose fit is over; what comes after may be given back too."""
        self._first = False
        self.resumed_epoch = self._position = epoch
        self._record["attempts"][-1]["resumed_from_epoch"] = epoch

    @property
    def position(self) -> int:
        """After which epoch this attempt stands, of what it has trained or was given back."""
        return self._position or 0

    def note_inexact(self, why: Iterable[str]) -> None:
        """Say in run.json in what this attempt is not what it would have been undisturbed."""
        known = self._record["attempts"][-1].setdefault("inexact", [])
        known += [text for text in why if text not in known]
        self._write_record()

    @property
    def returned(self) -> int:
        """The number of the latest fit that the program may have noted as done."""
        return int(self._record.get("returned", 0))

    @returned.setter
    def returned(self, number: int) -> None:
        self._record["returned"] = number
        self._write_record()

    def __deepcopy__(self, memo: object) -> Run:
        return self  # whoever copies what holds a run has the same run

    def forward(self, epoch: int) -> None:
        """Pass the recorded epoch on to the report function."""
        if self._report is not None:
            row = self.log.row(epoch) or {}
            metrics = {name: value for name, value in row.items() if name != "epoch"}
            self._report({"epoch": epoch, "metrics": metrics})

    # -- the end ----------------------------------------------------------------------------

    def close(
        self, outcome: str, error: BaseException | dict[str, Any] | None = None, by: str = "worker"
    ) -> bool:
        """End the run; False if it had an outcome already, which then stays.

        Raises UsageError for an unknown outcome, TreeError when the storage fails, LeaseLost.
        """
        if outcome not in OUTCOMES:
            raise UsageError(f"outcome: expected one of {', '.join(OUTCOMES)}, found {outcome!r}")
        self.go_on()
        if self.closed and self.another_attempt is not None:
            return False  # it was over, and nobody else has it
        ending: dict[str, Any] = {
            "outcome": outcome,
            "time": provenance.now(),
            "elapsed": round(self.elapsed, 3),
            "by": by,
            "epochs": self.log.last_epoch,
        }
        if error is not None:
            ending["error"] = describe_error(error)
        data = files.dump_json(ending).encode()
        first = files.create_once(self.paths.outcome, data, guard=self.lease.check)
        ended = outcome if error is None else f"{outcome}: {in_one_line(ending['error'])}"
        self._end_attempt(ended)
        if outcome not in FAILED:  # else another run may go on from there
            self.backups.clear()
        self.closed = True
        self.lease.release()
        return first

    def interrupt(self, why: str = "interrupted") -> None:
        """End this attempt without an outcome: the run can be continued. Never raises TreeError."""
        if self.closed or os.getpid() != self._pid:
            return
        self.closed = True
        try:
            if self.log.rows:  # what has passed since the last report counts
                self.performances.write(self.elapsed)
            self._end_attempt(f"interrupted: {why}" if why != "interrupted" else why)
        except LeaseLost:
            pass  # who has taken the run says what becomes of it
        except TreeError as error:
            log.warning("%s", error)
        self.lease.release()

    def note_source(self, source: Source) -> None:
        """This attempt runs these texts: more of the program was loaded since it began."""
        self.lease.check()
        self._record["attempts"][-1]["source"] = source.keep(self.path.parent.parent)

    def note_peaks(self, **peaks: int | None) -> None:
        """The most bytes of memory that this attempt had, by the name in run.json."""
        known = {name: peak for name, peak in peaks.items() if peak is not None}
        self._record["attempts"][-1] |= known

    def leave(self, why: str = "left for another run") -> None:
        """Interrupt a run that this process has and does not train, unless others end it."""
        if self.ends_with_fit and not self.fitting and self.lease.held:
            self.interrupt(why)

    def go_on(self) -> None:
        """If the run was interrupted in this process, which uses it again: start another attempt.

        Nothing happens to one that is over, nor in a sweep. Raises RunBusy, TreeError.
        """
        self._not_in_a_fork()
        again = self.another_attempt() if self.closed and self.another_attempt else None
        if again is None:
            return
        kept = {"another_attempt", "settle_seed", "fitting", "fit"}
        kept |= {"_report", "_entered", "_recorded", "_warned"}
        vars(self).update({k: v for k, v in vars(again).items() if k not in kept})
        self.lease.on_exit = self._at_exit
        if self._recorded:  # what this process has in memory goes on, whatever was saved
            self._record["attempts"][-1]["resumed_from_epoch"] = self.log.last_epoch

    def _not_in_a_fork(self) -> None:
        if os.getpid() != self._pid:  # else each of them writes the same epochs
            raise LeaseLost(
                f"{self.path}: expected to be written by process {self._pid}, found its fork "
                f"{os.getpid()}: report in the one that called the train function"
            )

    def _at_exit(self) -> None:
        if not self.closed and self.lease.held:
            error = getattr(sys, "last_value", None)
            self.interrupt("the process ended" if error is None else in_one_line(error))

    def warn(self, text: str) -> None:
        """Say something of the run, once."""
        if text not in self._warned:
            self._warned.add(text)
            log.warning("%s: %s", self.path, text)

    def _end_attempt(self, ended: str) -> None:
        self._record["attempts"][-1] |= {"end": provenance.now(), "ended": ended[:500]}
        self._write_record()

    def _write_record(self) -> None:
        files.write_json(self.paths.provenance, self._record, guard=self.lease.check, durable=False)
