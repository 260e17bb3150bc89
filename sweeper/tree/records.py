"""A run as it is read back. What is torn is named in ``torn``; what cannot be read raises."""

from __future__ import annotations

import logging
import math
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import TreeError

from . import files, shapes
from .lease import living_owner
from .metrics import LONGEST_LOG, Row, read_rows
from .paths import OWN, RunPaths

FAILED = ("failed", "out-of-memory", "timed-out")
"""The outcomes of runs that may be run again: what they can go on from is kept."""

log = logging.getLogger("sweeper.tree")

_FLOAT = rb"(?:-?\d{1,400}(?:\.\d{1,99})?(?:e[-+]?\d+)?|nan|-?inf)?"
_ROW = re.compile(rb"(\d{1,9})(?:," + _FLOAT + rb")+\n")  # of all at once a match takes 2 KB each
_MODEL = re.compile(r"model\.([0-9]{1,9})(?:-(.+?))?\.(?:weights\.)?(?:keras|h5)")


def model_epoch(name: str) -> int | None:
    """The epoch in a saved model's file name; None for another file."""
    match = _MODEL.fullmatch(name)
    return int(match[1]) if match else None


class RunRecord:
    """One run on disk, read when asked and once; make a new record to read again.

    ``base`` is the tree (absolute), ``experiment`` and ``run`` are directory names. Whatever is
    asked raises TreeError if its file is there, or may be, and cannot be read, or is a link or the
    like; so does all of the record that stands for the runs of an experiment that cannot be listed,
    with that ``error``.
    """

    def __init__(
        self, base: Path, experiment: str, run: str, error: TreeError | None = None
    ) -> None:
        self.base = base
        self.experiment = experiment
        self.run = run
        # Paths are made when asked for: they take longer than the files of a small run.
        self._root = os.path.join(base, experiment, run)
        self._torn: dict[Path, None] = {}
        self._error = error

    @classmethod
    def at(cls, path: Path) -> RunRecord:
        """The run in the directory ``path``."""
        return cls(path.parent.parent, path.parent.name, path.name)

    def __repr__(self) -> str:
        return f"RunRecord({self._root!r})"

    @cached_property
    def path(self) -> Path:
        return Path(self._root)

    @cached_property
    def paths(self) -> RunPaths:
        return RunPaths(self.path)

    def _json(self, name: str, shape: shapes.Shape | None = None) -> dict[str, Any] | None:
        if self._error is not None:
            raise self._error
        try:
            return files.read_json(f"{self._root}/{name}", shape)
        except files.TornFile:
            self._torn[self.path / name] = None
            return None

    @cached_property
    def outcome(self) -> dict[str, Any] | None:
        """outcome.json; None while the run has none, or if it is torn."""
        return self._json("outcome.json", shapes.OUTCOME)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """run.json; empty if it is missing or torn."""
        return self._required("run.json", shapes.RUN)

    @cached_property
    def params(self) -> dict[str, Any]:
        """hyperparameters.json; empty if it is missing or torn."""
        return self._required("hyperparameters.json")

    def _required(self, name: str, shape: shapes.Shape | None = None) -> dict[str, Any]:
        found = self._json(name, shape)
        if found is None:
            self._torn[self.path / name] = None
        return found or {}

    @cached_property
    def performances(self) -> dict[str, Any] | None:
        """performances.json, with NaN where it says null; None before the first epoch.

        A torn one is computed again from the training log, as far as that goes.
        """
        found = self._json("performances.json", shapes.PERFORMANCES)
        if found is not None:
            for key in ("best", "last"):
                if found.get(key) is not None:
                    found[key] = {k: math.nan if v is None else v for k, v in found[key].items()}
        return found

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the training log, by epoch; each has ``epoch`` and the metrics as floats."""
        rows, torn = read_rows(self.paths.training_logs)
        if torn:
            self._torn[self.paths.training_logs] = None
        return rows

    @cached_property
    def status(self) -> str:
        """An outcome, or ``running``, or ``interrupted``: derived from evidence, never stored."""
        if self.outcome is not None:
            return str(self.outcome["outcome"])
        return "running" if living_owner(self.path) is not None else "interrupted"

    @cached_property
    def unreadable(self) -> TreeError | None:
        """What keeps one from telling whose the run is and how it has ended; None for most."""
        try:
            if self._error is None:
                files.refuse_foreign(self._root, OWN)
            for read in ("provenance", "outcome", "params"):
                getattr(self, read)
        except TreeError as error:
            return error
        return None

    @property
    def sweep(self) -> str | None:
        """The sweep that the run belongs to; None for a run made in a script or notebook."""
        return self.provenance.get("sweep")

    @property
    def trial(self) -> int | None:
        """The trial's index in its sweep."""
        return self.provenance.get("trial")

    @property
    def replicate(self) -> int:
        """The replicate of the trial, from 0."""
        return int(self.provenance.get("replicate", 0))

    @property
    def parent(self) -> dict[str, Any] | None:
        """Experiment, run and epoch of the backup that the run has begun from; None for most."""
        return self.provenance.get("parent")

    @property
    def inexact(self) -> list[str]:
        """In what the run, resumed, is not what it would have been undisturbed."""
        found: dict[str, None] = {}
        for attempt in self.attempts:
            found.update(dict.fromkeys(attempt.get("inexact", ())))
        return list(found)

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """The attempts, as run.json has them."""
        return list(self.provenance.get("attempts", ()))

    @property
    def monitored(self) -> list[str | list[str]]:
        """The monitored groups, as run.json has them."""
        return list(self.provenance.get("monitored", ()))

    @property
    def elapsed(self) -> float:
        """Seconds spent training, over all attempts."""
        for read in ("outcome", "performances"):
            found = getattr(self, read)
            if found is not None and "elapsed" in found:
                return float(found["elapsed"])
        return 0.0

    @cached_property
    def size(self) -> int:
        """The bytes of all its files."""
        return files.size(self.path)

    @cached_property
    def modified(self) -> float:
        """When a file last appeared in it, by the clock of the storage; 0.0 where it is gone."""
        try:
            return os.lstat(self._root).st_mtime
        except OSError:
            return 0.0

    @cached_property
    def models(self) -> dict[int, Path]:
        """The saved models that can be told, by epoch."""
        found: dict[int, Path] = {}
        try:
            names = files.names(self.paths.models)
        except TreeError as error:
            log.warning("%s", error)
            return found
        there = store.known_models(self._root)  # of a run that was brought without them
        for name in {*names, *there}:
            epoch, path = model_epoch(name), self.paths.models / name
            if epoch is not None:
                if name in there or files.is_regular(path):
                    found[epoch] = path
                else:
                    log.warning("%s: expected a saved model, found no regular file", path)
        return dict(sorted(found.items()))

    @property
    def checkpoint(self) -> Path | None:
        """The saved model of the best epoch; the latest one where that is not known or not kept."""
        if not self.models:
            return None
        best = (self.performances or {}).get("best") or {}
        return self.models.get(best.get("epoch", 0)) or self.latest_checkpoint

    @property
    def latest_checkpoint(self) -> Path | None:
        """The saved model of the latest epoch."""
        return self.models[max(self.models)] if self.models else None

    @cached_property
    def torn(self) -> list[Path]:
        """The files of this run that are cut, garbled, or missing though every run has them."""
        for read in ("outcome", "provenance", "params", "performances"):
            getattr(self, read)
        reach = ((self.performances or {}).get("last") or {}).get("epoch", 0)
        # The row is written before the summary, so a summary that knows more means lost rows.
        if not self._log_is_whole(reach) and reach > (self.rows[-1]["epoch"] if self.rows else 0):
            self._torn[self.paths.training_logs] = None
        return sorted(self._torn)

    def _log_is_whole(self, epoch: int) -> bool:
        """Is the training log surely whole, and does it reach ``epoch``? Parses nothing."""
        if "rows" in vars(self):
            return False
        try:
            data = files.read_bytes(f"{self._root}/training-logs.csv", LONGEST_LOG)
        except files.TornFile:
            return False
        if not data:
            return data is None and not epoch
        place = data.find(b"\n") + 1
        commas, last = data.count(b",", 0, place), 0
        if not data.startswith(b"epoch,") or b'"' in data[:place] or not 0 < place <= 1 << 17:
            return False
        while place < len(data):
            row = _ROW.match(data, place)
            if row is None or data.count(b",", place, row.end()) != commas:
                return False
            place, last = row.end(), int(row[1])
        return 0 < last >= epoch
