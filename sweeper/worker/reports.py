"""What a script reports: JSON lines that become the rows of its run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweeper.script_api import MARK

from .growing_file import GrowingFile
from .metric_watch import MetricWatch
from .wandb_runs import WandbRuns


@dataclass(frozen=True)
class ScriptReport:
    """One report of a script.

    ``row``: to be recorded, as the next epoch if ``epoch`` is None. ``recorded``: the script has
    recorded it already. ``adopt``: the process ``pid`` asks to do the recording; ``returned``: it
    leaves that to us again. ``modules``: a process has loaded these ``files``. ``missing``: the
    metric is not among the ``names`` so far. ``afresh``: the rows before it were of a run that is
    not the sweep's.
    """

    kind: Literal["row", "recorded", "adopt", "modules", "missing", "returned"]
    metrics: dict[str, float] = field(default_factory=dict)
    epoch: int | None = None
    pid: int = 0
    files: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    afresh: bool = False


class ScriptReports:
    """Reads a report file as it grows and makes rows of its lines.

    With a ``metric`` a row is made when that metric arrives; what else was reported since the last
    row goes into it with its last value. Without one, every line is a row. Lines of the same
    ``step`` that arrive together are one line. ``complain`` gets one sentence per kind of mistake.
    Of what W&B hears, that of the sweep's own run counts; of what goes to TensorBoard, what the
    script tells by no other way.
    """

    def __init__(
        self,
        path: Path,
        metric: str | None,
        complain: Callable[[str], None],
        runs: WandbRuns | None = None,
    ) -> None:
        self.path = path
        self._runs = runs or WandbRuns()
        self._metric = metric
        self._complain = complain
        self._complaints: set[str] = set()
        self._file = GrowingFile(path)
        self._pending: dict[str, float] = {}
        self._before: dict[str, float] = {}  # what the sweep's former run has left
        self._afresh = False
        self._epoch: int | None = None
        self._step: Any = None
        self._due = False  # the metric has arrived
        self._told: set[str] = set()  # names that the script reports, or logs to W&B
        self._scalars: dict[str, float] = {}  # what it gives to TensorBoard alone
        self._scalars_of: str | None = None  # the directory for which it first had the metric
        self.watch = MetricWatch(metric)
        self._said_epoch: int | None = None  # the latest that a line has named

    def read(self, *, last: bool = False) -> Iterator[ScriptReport]:
        """What was reported since the last call; ``last`` takes a line without its end too."""
        for line in self._file.lines(last=last):
            yield from self._take(line)
        if self._due:
            yield self._row()

    def leftover(self) -> dict[str, float]:
        """The metrics that went into no row yet."""
        return {**self._before, **self._pending}

    def of_others(self) -> ScriptReports | None:
        """The same reports from the beginning, without the W&B runs that have counted so far.

        None if all counted. For a trial whose run of the sweep never reports the metric.
        """
        if not self._runs.passed_over:
            return None
        runs = WandbRuns(self._runs.owners)
        return ScriptReports(self.path, self._metric, lambda _: None, runs)

    def _take(self, text: bytes) -> Iterator[ScriptReport]:
        if not text.strip():
            return
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict):
            shown = text[:80].decode(errors="replace")
            self._mistake("line", f"expected a JSON object in a line, found {shown!r}")
            return
        if line.get(MARK) == "adopt" and isinstance(line.get("pid"), int):
            if self._due:
                yield self._row()
            yield ScriptReport("adopt", pid=line["pid"])
            return
        if line.get(MARK) == "modules" and isinstance(line.get("files"), list):
            yield ScriptReport("modules", files=[str(file) for file in line["files"]])
            return
        if line.get(MARK) == "returned":
            yield ScriptReport("returned")
            return
        told = line.get(MARK)
        if not isinstance(told, dict) or not told.keys() >= {"wandb", "pid"}:
            told = None
        if told is not None:
            former = self._runs.owner
            if not self._runs.hear(told):
                return
            if former not in (None, self._runs.owner):
                if self._due:
                    yield self._row()
                self._before, self._pending = self.leftover(), {}
                self._afresh = self._metric is not None
        metrics, epoch, step = self._parse(line)
        if told is not None:
            metrics = self._news(metrics, summary="ended" in told)
        recorded = line.get(MARK) == "recorded"
        if (scalars := self._heard_scalars(line, metrics)) is not None:
            metrics = scalars
            self._scalars |= metrics
        elif told is not None and "ended" in told:  # W&B may have read them itself
            metrics = {name: v for name, v in metrics.items() if name not in self._scalars}
        else:
            self._told |= metrics.keys()
            if not recorded and self._metric in metrics.keys() & self._scalars.keys():
                both = {**self._scalars, **self._pending}  # the rows so far do not count
                self._pending = {name: v for name, v in both.items() if name != self._metric}
                self._due, self._afresh = False, True
            self._scalars = {n: v for n, v in self._scalars.items() if n not in self._told}
        moved_on = epoch is not None and self._said_epoch not in (None, epoch)
        self._said_epoch = self._said_epoch if epoch is None else epoch
        missing = self.watch.look(metrics, epoch_over=recorded or moved_on)
        if missing:
            yield ScriptReport("missing", names=missing)
        if recorded:
            yield ScriptReport("recorded", metrics, epoch)
            return
        if self._due and (step is None or step != self._step):
            yield self._row()
        self._step = step
        self._pending |= metrics
        self._epoch = self._epoch if epoch is None else epoch
        self._due |= bool(metrics) if self._metric is None else self._metric in metrics
        if self._due and step is None:
            yield self._row()

    def _heard_scalars(
        self, line: Mapping[str, Any], metrics: dict[str, float]
    ) -> dict[str, float] | None:
        """What counts of ``line``, if it was written for TensorBoard or MLflow.

        The metric of the first directory, or of MLflow's first run: processes that train folds, or
        nested runs, do not know of each other.
        """
        told = line.get(MARK)
        if not isinstance(told, dict) or "scalars" not in told:
            return None
        metrics = {name: value for name, value in metrics.items() if name not in self._told}
        if self._metric in metrics:
            self._scalars_of = self._scalars_of or str(told["scalars"])
            if told["scalars"] != self._scalars_of:
                del metrics[self._metric]
                self._mistake(
                    "directory",
                    f"{self._metric}: is written to several places, of which "
                    f"{self._scalars_of} was the first, and counts",
                )
        return metrics

    def _row(self) -> ScriptReport:
        report = ScriptReport("row", self._pending, self._epoch, afresh=self._afresh)
        if self._afresh:
            self._before, self._afresh = {}, False
        self._pending, self._epoch, self._due = {}, None, False
        return report

    def _news(self, metrics: dict[str, float], *, summary: bool) -> dict[str, float]:
        """What was not heard of the sweep's W&B run: a summary repeats what was last logged."""
        run = self._runs.owner
        assert run is not None
        if summary:
            metrics = {k: v for k, v in metrics.items() if repr(run.heard.get(k)) != repr(v)}
        run.heard |= metrics
        run.measured |= bool(metrics) if self._metric is None else self._metric in metrics
        return metrics

    def _parse(self, line: Mapping[str, Any]) -> tuple[dict[str, float], int | None, Any]:
        metrics = dict(self._flat(line, ""))
        epoch: int | None = None
        given = line.get("epoch")
        if given is not None:
            whole = isinstance(given, float) and given.is_integer()
            if (whole or type(given) is int) and given >= 1:
                epoch = int(given)
            else:
                self._mistake(
                    "epoch",
                    f"epoch: expected an integer, counted from 1, found {given!r}; "
                    "the rows are numbered as they come",
                )
        return metrics, epoch, line.get("step")

    def _flat(self, group: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
        for key, value in group.items():
            name = prefix + key
            if name in ("epoch", "step", MARK):
                continue
            if isinstance(value, dict):
                yield from self._flat(value, f"{name}.")
                continue
            try:
                number = float(value) if isinstance(value, (int, float)) else None
            except OverflowError:
                number = None
            if number is not None:
                yield name, number
            else:
                self._mistake(name, f"{name}: expected a number, found {value!r:.80}")

    def _mistake(self, kind: str, sentence: str) -> None:
        if kind not in self._complaints and len(self._complaints) < 20:
            self._complaints.add(kind)
            self._complain(f"sweeper: report file: {sentence}")
