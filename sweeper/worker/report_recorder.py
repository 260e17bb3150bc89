"""Recording what a script reports into its run, and passing it on to the trial's owner."""

from __future__ import annotations

import sys
from pathlib import Path

from sweeper import script_api
from sweeper.experiment import Run, adopt_run
from sweeper.tree import process_start

from .messages import Connection, Missing, Report
from .reports import ScriptReport, ScriptReports
from .stop_listener import Stopped


class ReportRecorder:
    """Records one attempt's reports; ``reports`` reads them from ``report_file``.

    A process of the program that asks to may record them itself, until it is gone: ``run`` is
    then opened again. ``modules`` are the local files that the program has loaded. Raises
    ``Stopped`` when nobody is there to hear of a report.
    """

    def __init__(
        self, run: Run, report_file: Path, metric: str | None, connection: Connection
    ) -> None:
        self.run = run
        self.reports = ScriptReports(report_file, metric, complain)
        self.modules: set[str] = set()
        self.is_hooked = False  # a Python of the program has been heard of
        self._metric = metric
        self._connection = connection
        self._adopter = 0  # the process of the program that writes into the run instead of us
        self._recorded = False  # one of them has recorded something
        self._first = True
        self._measured = {int(row["epoch"]) for row in run.log.rows if metric in row}
        if self._measured:
            self.reports.watch.heard()

    def take(self, report: ScriptReport) -> None:
        """Record a report, unless the program has done so, and tell the owner."""
        if report.kind == "adopt":
            self._let_write(report.pid)
        elif report.kind == "modules":
            self.is_hooked = True
            self.modules.update(report.files)
        elif report.kind == "missing":
            self._tell({"kind": "missing", "reported": report.names})
        elif report.kind == "returned":
            self.take_back()
        elif report.kind == "recorded":
            self._recorded = True
            self._note(report.epoch or 0, report.metrics)
            self._send(report.epoch or 0, report.metrics)
        elif not self._is_adopted():
            if report.afresh and not self._first:
                self.run.rewind(0 if self._recorded else self.run.resumed_epoch)
                self._first = True
            epoch = report.epoch
            if epoch is None:
                last = self.run.resumed_epoch if self._first else self.run.log.last_epoch
                epoch = last if self._lacks_metric(last) else last + 1
            self._send(epoch, self._record(epoch, report.metrics))

    def _lacks_metric(self, epoch: int) -> bool:
        """Whether what comes now speaks of an epoch that a fit has recorded without the metric."""
        row = self.run.log.row(epoch) if self._recorded and self._metric is not None else None
        return row is not None and self._metric not in row

    def _record(self, epoch: int, metrics: dict[str, float]) -> dict[str, float]:
        if not self._first and epoch == self.run.log.last_epoch:
            metrics = {**(self.run.log.row(epoch) or {}), **metrics}  # more about the same epoch
        row = self.run.record(epoch, metrics)
        self._note(epoch, row)
        return {name: value for name, value in row.items() if name != "epoch"}

    def _note(self, epoch: int, metrics: dict[str, float]) -> None:
        if self._first:  # what an attempt does again, it has not done yet
            self._measured = {known for known in self._measured if known < epoch}
            self._first = False
        if self._metric in metrics:
            self._measured.add(epoch)

    def _send(self, epoch: int, metrics: dict[str, float]) -> None:
        iteration = len(self._measured)
        self._tell({"kind": "report", "iteration": iteration, "epoch": epoch, "metrics": metrics})

    def _tell(self, message: Report | Missing) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise Stopped from None  # nobody is there to hear it

    def _let_write(self, pid: int) -> None:
        """Leave the run to a process of the program: to the first, whose fits are numbered."""
        if not self._recorded and not self._is_adopted():
            self._adopter = pid
        answer = Path(script_api.adopter_file(self.reports.path))
        staged = answer.with_suffix(".new")
        staged.write_text(str(self._adopter))
        staged.replace(answer)

    def _is_adopted(self) -> bool:
        if self._adopter and process_start(self._adopter) is None:
            self.take_back()
        return bool(self._adopter)

    def take_back(self) -> None:
        """The program is gone: the run is ours again, as the program has left it."""
        if self._adopter:
            run = self.run
            self._adopter = 0
            self.run = adopt_run(run.path, run.lease, run.settings, elapsed=run.elapsed)

    def keep_leftover(self, *, finished: bool) -> None:
        """Metrics that came after the last row go into it, or make one if there is none.

        Not where fits that are not ``finished`` are gone on with: the row is none of the last.
        """
        self.take_back()
        if self._recorded and not finished:
            return
        while self._first and (others := self.reports.of_others()):
            self.reports = others  # the metric may be theirs
            for report in others.read(last=True):
                self.take(report)
        left = self.reports.leftover()
        if left and self._first:
            epoch = self.run.resumed_epoch + 1
            self._send(epoch, self._record(epoch, left))
        elif left:
            last = self.run.log.last_epoch
            row = self.run.log.row(last) or {}
            if left.keys() - row.keys():
                self._record(last, {**left, **row})


def complain(sentence: str) -> None:
    """Say something in the run's output."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
