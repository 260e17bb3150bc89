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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError

from . import files

log = logging.getLogger("sweeper.tree")

Row = dict[str, float]
"""``epoch`` (from 1, an int) and the metrics of that epoch."""

_MORE_IS_BETTER = (
    "acc", "auc", "f1", "precision", "recall", "iou", "dice", "r2", "psnr", "ssim", "bleu",
    "reward", "score", "cosine", "map", "ndcg",
)  # fmt: skip


def mode_of(metric: str) -> str:
    """``max`` for a metric whose name says that more is better (accuracy, auc, …), else ``min``."""
    name = metric.lower().removeprefix("val_")
    if "loss" in name or "error" in name:
        return "min"
    return "max" if any(word in name for word in _MORE_IS_BETTER) else "min"


_PER_BATCH = {"train", "training", "batch", "step", "iter", "running"}


def means_metric(name: str, metric: str) -> bool:
    """Whether ``name`` is likely another name of the metric: ``epoch/val_loss`` of ``val_loss``.

    Its words are there in their order, whole or shortened (``acc``); or it is a slip of the pen.
    """
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
    names = list(names)
    near = difflib.get_close_matches(metric, [n for n in names if means_metric(n, metric)], 1, 0.0)
    return next(iter(near or difflib.get_close_matches(metric, names, 1)), None)


def as_number(value: Any, name: str) -> float | None:
    """A logged metric as a float; None, with a warning, for what is no single number.

    Numpy scalars, tensors without dimensions and arrays of one element are single numbers.
    """
    if isinstance(value, numbers.Real):
        return float(value)
    try:
        return float(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError):
        log.warning("metric %r is not recorded: expected a number, found %.80r", name, value)
        return None


def as_row(epoch: int, metrics: Mapping[str, Any]) -> Row:
    """The row of an epoch (from 1). Raises UsageError for an epoch that is not a positive int."""
    if isinstance(epoch, bool) or not isinstance(epoch, numbers.Integral) or epoch < 1:
        raise UsageError(f"epoch: expected an integer, counted from 1, found {epoch!r}")
    row: Row = {"epoch": int(epoch)}
    for name, value in metrics.items():
        number = as_number(value, str(name))
        if number is not None and name != "epoch":
            row[str(name)] = number
    # In the order of the log's columns: a row is then the same whether just made or read back.
    return dict(sorted(row.items(), key=lambda item: (item[0] != "epoch", item[0])))


@dataclass
class Monitor:
    """Which metric makes an epoch the best; ``val_loss`` if the run logs it, else ``loss``."""

    name: str | None = None
    mode: str | None = None
    asked: bool = field(init=False)

    def __post_init__(self) -> None:
        self.asked = self.name is not None
        if self.mode not in (None, "auto", "min", "max"):
            raise UsageError(f"mode: expected min, max or auto, found {self.mode!r}")

    def look_at(self, metrics: Iterable[str]) -> bool:
        """Choose by the metrics of an epoch; True if another metric is monitored from now on.

        With ``validation_freq`` above 1 the first epochs have no ``val_loss``.
        """
        names = [name for name in metrics if name != "epoch"]
        if self.asked or not names or self.name == "val_loss":
            return False
        first = next((n for n in ("val_loss", "loss") if n in names), self.name or names[0])
        changed, self.name = first != self.name, first
        return changed

    @property
    def goal(self) -> str:
        """``min`` or ``max``."""
        return self.mode if self.mode in ("min", "max") else mode_of(self.name or "loss")

    def better(self, new: float | None, old: float | None) -> bool:
        """Is ``new`` better than ``old``? NaN and infinity are no numbers: any number is better."""
        if new is None or not math.isfinite(new):
            return False
        if old is None or not math.isfinite(old):
            return True
        return new < old if self.goal == "min" else new > old


def read_rows(path: Path) -> tuple[list[Row], bool]:
    """The rows of a training log and whether it is torn. A torn end is dropped, never an error.

    Raises TreeError when the file cannot be read at all.
    """
    data = files.read_bytes(path)
    if data is None:
        return [], False
    whole, _, rest = data.rpartition(b"\n")
    torn = bool(rest) or not data
    rows: dict[int, Row] = {}
    lines = list(csv.reader(io.StringIO(whole.decode("utf-8", "replace"), newline="")))
    header = lines[0] if lines else []
    if whole and header[:1] != ["epoch"]:
        return [], True
    for line in lines[1:]:
        try:
            if len(line) != len(header):
                raise ValueError(line)
            row: Row = {"epoch": int(line[0])}
            row |= {k: float(v) for k, v in zip(header[1:], line[1:], strict=True) if v != ""}
            rows[int(row["epoch"])] = row
        except ValueError:
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
