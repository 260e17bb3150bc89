"""The training log as it is read, and its summary: rows of metrics, which of them is the best.

``training-logs.csv`` holds every row exactly (``repr`` of the floats, ``nan`` and ``inf``
included). ``performances.json`` holds the best and the last, as JSON can (see files.dump_json).
"""

from __future__ import annotations

import csv
import difflib
import io
import logging
import math
import numbers
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.metric_goals import mode_of

from . import files

log = logging.getLogger("sweeper.tree")

Row = dict[str, float]
"""``epoch`` (from 1, an int) and the metrics of that epoch."""

LONGEST_LOG = 128 << 20
"""A training log of more bytes is none of ours."""

_EPOCH = re.compile("[0-9]{1,9}")
_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 80
_PER_BATCH = {"train", "training", "batch", "step", "iter", "running"}


def means_metric(name: str, metric: str) -> bool:
    """Whether ``name`` is likely another name of the metric: ``epoch/val_loss`` of ``val_loss``.

    Its words are there in their order, whole or shortened (``acc``); or it is a slip of the pen.
    What is measured in training is no other name of what is measured in validation.
    """
    if metric.lower().startswith("val") and "val" not in name.lower():
        return False
    words = iter(re.findall(r"[^\W_]+", name.lower()))
    wanted = re.findall(r"[^\W_]+", metric.lower())
    extra: set[str] = set()
    for want in wanted:
        for word in words:
            if word.startswith(want[:3]) and (word.startswith(want) or want.startswith(word)):
                break
            extra.add(word)
        else:
            return difflib.SequenceMatcher(None, name, metric).ratio() > 0.85
    return bool(wanted) and not _PER_BATCH & {*extra, *words}


def nearest_metric(metric: str, names: Iterable[str]) -> str | None:
    """The name among ``names`` that was most likely meant by ``metric``."""
    if metric.lower().startswith("val"):
        names = [name for name in names if "val" in name.lower()]
    names = list(names)
    near = difflib.get_close_matches(metric, [n for n in names if means_metric(n, metric)], 1, 0.0)
    return next(iter(near or difflib.get_close_matches(metric, names, 1)), None)


def as_number(value: Any, name: str, said: set[str] | None = None) -> float | None:
    """A logged metric as a float; None, with a warning, for what is no single number.

    NumPy scalars, and tensors and arrays of one element, whatever their shape, are single numbers.
    ``said`` are the metrics that were warned of.
    """
    found = value
    try:
        if hasattr(found, "numpy") and not hasattr(found, "item"):  # TensorFlow's
            found = found.numpy()
        return float(found.item() if hasattr(found, "item") else found)
    except Exception:  # each library says in its own way that it is none
        if said is None or name not in said:
            shown = " ".join(_SHORT.repr(value).split())
            log.warning("metric %r is not recorded: expected a number, found %s", name, shown)
        if said is not None:
            said.add(name)
        return None


def as_row(epoch: int, metrics: Mapping[str, Any], said: set[str] | None = None) -> Row:
    """The row of an epoch (from 1), with what is a number (see :func:`as_number`).

    Raises UsageError for an epoch that is not a positive int.
    """
    if isinstance(epoch, bool) or not isinstance(epoch, numbers.Integral) or epoch < 1:
        raise UsageError(f"epoch: expected an integer, counted from 1, found {epoch!r}")
    row: Row = {"epoch": int(epoch)}
    for key, value in metrics.items():
        name = str(key).encode(errors="replace").decode()  # lone surrogates cannot be written
        number = None if name == "epoch" else as_number(value, name, said)
        if number is not None:
            row[name] = number
    # In the order of the log's columns: a row is then the same whether just made or read back.
    return dict(sorted(row.items(), key=lambda item: (item[0] != "epoch", item[0])))


@dataclass
class Monitor:
    """Which metric makes an epoch the best; ``val_loss`` if the run logs it, else ``loss``.

    ``goal`` is ``min`` or ``max``: the ``mode`` that was asked for, else what the metric itself
    says, or its name (``mode_of``). One of which nobody can tell makes no epoch the best.
    """

    name: str | None = None
    mode: str | None = None
    mode_of: Callable[[str], str | None] = mode_of
    asked: bool = field(init=False)
    goal: str | None = field(init=False)
    _settled: bool = field(init=False, default=False)  # nobody needs to be asked for the goal
    _warned: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.asked = self.name is not None
        if self.mode not in (None, "auto", "min", "max"):
            raise UsageError(f"mode: expected min, max or auto, found {self.mode!r}")
        self.mode = None if self.mode == "auto" else self.mode
        self.goal = self.mode or self.mode_of(self.name or "")
        self._settled = self.mode is not None

    def remember(self, name: object, goal: object) -> None:
        """Go on as an earlier attempt of the run has done, unless something else is asked for."""
        same = isinstance(name, str) and self.name in (None, name)
        if same and self.mode is None and goal in ("min", "max"):
            self.name, self.goal, self._settled = str(name), str(goal), True

    def look_at(self, metrics: Iterable[str]) -> bool:
        """Choose by the metrics of an epoch; True if it is another choice from now on.

        With ``validation_freq`` above 1 the first epochs have no ``val_loss``.
        """
        names = [name for name in metrics if name != "epoch"]
        before = self.name, self.goal
        if self.asked and not self._settled:
            self.goal, self._settled = self.mode_of(str(self.name)), True
            if self.goal is None:
                self._warn(f"{self.name!r} is better: val_loss or loss is monitored instead")
                self.name, self.asked = None, False
        if not self.asked and self.name != "val_loss" and names:
            known = (name for name in names if self.mode or self.mode_of(name))
            first = next((n for n in ("val_loss", "loss") if n in names), self.name)
            first = first or next(known, None)
            if first is None:
                self._warn(f"{', '.join(map(repr, names))} is better: no epoch is the best")
            elif first != self.name:
                self.name, self.goal = first, self.mode or self.mode_of(first)
        return (self.name, self.goal) != before

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            mend = "say it with checkpoint_params={'monitor': NAME, 'mode': 'min'}, or 'max'"
            log.warning("nothing says whether more or less of %s; %s", what, mend)

    def better(self, new: float | None, old: float | None) -> bool:
        """Is ``new`` better than ``old``? NaN and infinity are no numbers: any number is better."""
        if new is None or not math.isfinite(new) or self.goal is None:
            return False
        if old is None or not math.isfinite(old):
            return True
        return new < old if self.goal == "min" else new > old


def read_rows(path: Path) -> tuple[list[Row], bool]:
    """The rows of a training log and whether it is torn. A torn end is dropped, never an error.

    Raises TreeError when the file cannot be read at all.
    """
    try:
        data = files.read_bytes(path, LONGEST_LOG)
    except files.TornFile:
        return [], True
    if data is None:
        return [], False
    whole, _, rest = data.rpartition(b"\n")
    torn = bool(rest) or not data
    rows: dict[int, Row] = {}
    reader = csv.reader(io.StringIO(whole.decode("utf-8", "replace"), newline=""))
    header: list[str] | None = None
    while True:
        try:
            line = next(reader, None)
            if line is None:
                break
            if header is None:
                header = line
                if header[:1] != ["epoch"]:
                    return [], True
                continue
            if len(line) != len(header) or not _EPOCH.fullmatch(line[0]):
                raise ValueError(line)
            row: Row = {"epoch": int(line[0])}
            row |= {k: float(v) for k, v in zip(header[1:], line[1:], strict=True) if v != ""}
            rows[int(row["epoch"])] = row
        except (ValueError, csv.Error):  # a cell of 140 kB, a zero byte
            torn = True
    return [rows[epoch] for epoch in sorted(rows)], torn


def best_row(rows: Iterable[Row], monitor: Monitor) -> Row | None:
    """The first of the best rows; None if none has a number for the monitored metric."""
    best: Row | None = None
    name = monitor.name
    if name is None:
        return None
    for row in rows:
        if monitor.better(row.get(name), None if best is None else best.get(name)):
            best = row
    return best
