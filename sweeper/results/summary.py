"""What came of a sweep: one row per trial, the counts and the best; as data and as files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.experiment import Tree, files
from sweeper.results.flat import Columns, flatten
from sweeper.results.index import BAD, Entry, Index
from sweeper.results.ranking import Ranked, Score, rank, score
from sweeper.spec import Metric

FORMAT = 1
"""The format of summary.json."""

ROW_COLUMNS = ("trial", "replicate", "experiment", "run", "status", "epochs", "value", "epoch")


def trial_row(entry: Entry, metric: Metric | None) -> dict[str, Any]:
    """What ``status --json`` says of a trial; the paths are absolute.

    ``value`` and ``epoch``: the metric's and where it was reached, None without a score.
    ``error`` and ``log``: of a trial that failed, else None.
    """
    found = _score(entry, metric)
    bad = entry.status in BAD
    return {
        "trial": entry.trial,
        "replicate": entry.replicate,
        "params": entry.params,
        "experiment": entry.experiment,
        "run": entry.run,
        "status": entry.status,
        "epochs": entry.epochs,
        "value": found.value if found else None,
        "epoch": found.epoch if found else None,
        "elapsed": entry.record.elapsed if entry.record else 0.0,
        "path": str(entry.path) if entry.path else None,
        "error": entry.error if bad else None,
        "log": str(entry.log) if bad else None,
    }


def best_row(ranked: Ranked) -> dict[str, Any]:
    """What ``best --json`` says of a run; the paths are absolute."""
    entry = ranked.entry
    return {
        "rank": ranked.rank,
        "trial": entry.trial,
        "replicate": entry.replicate,
        "value": ranked.score.value,
        "epoch": ranked.score.epoch,
        "params": entry.params,
        "experiment": entry.experiment,
        "run": entry.run,
        "status": entry.status,
        "metrics": ranked.score.metrics,
        "elapsed": entry.record.elapsed if entry.record else 0.0,
        "path": str(entry.path),
        "checkpoint": str(ranked.checkpoint) if ranked.checkpoint else None,
    }


def _score(entry: Entry, metric: Metric | None) -> Score | None:
    if entry.record is None or metric is None:
        return None
    return score(entry.record, metric)


def summary(index: Index) -> dict[str, Any]:
    """The content of summary.json: a pure function of the tree, with paths relative to its base."""
    metric = index.metric
    best = rank(index.entries, metric, top=1) if metric else []
    trials = [_relative(trial_row(entry, metric), index.base) for entry in index.entries]
    return {
        "format": FORMAT,
        "sweep": index.name,
        "metric": metric.name if metric else None,
        "goal": metric.goal if metric else None,
        "mode": metric.mode if metric else None,
        "size": index.size,
        "counts": index.counts(),
        "elapsed": sum(record.elapsed for record in index.records()),
        "best": _relative(best_row(best[0]), index.base) if best else None,
        "trials": trials,
    }


def _relative(row: dict[str, Any], base: Path) -> dict[str, Any]:
    for key in ("path", "log", "checkpoint"):
        if row.get(key) is not None:
            row[key] = Path(row[key]).relative_to(base).as_posix()
    return row


def summary_csv(index: Index) -> str:
    """The content of summary.csv: a row per trial, its parameters and its metrics in columns.

    Parameters are ``params.<dotted name>``, the metrics of the epoch that counts
    ``metrics.<name>``; lists and dicts are JSON, and what a trial has not is empty.
    """
    names = Columns(entry.params for entry in index.entries).names
    scores = [_score(entry, index.metric) for entry in index.entries]
    metrics = sorted({name for found in scores if found for name in found.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    tail = ("elapsed", "path", "error")
    writer.writerow(
        [*ROW_COLUMNS, *(f"params.{n}" for n in names), *(f"metrics.{m}" for m in metrics), *tail]
    )
    for entry, found in zip(index.entries, scores, strict=True):
        row = _relative(trial_row(entry, index.metric), index.base)
        params = flatten(entry.params)
        values = found.metrics if found else {}
        cells = [row[key] for key in ROW_COLUMNS]
        cells += [params.get(name) for name in names] + [values.get(name) for name in metrics]
        writer.writerow([csv_cell(cell) for cell in [*cells, *(row[key] for key in tail)]])
    return text.getvalue()


def csv_cell(value: Any) -> str:
    """A value as CSV text: numbers exact, None empty, booleans and structures as in JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bool, list, tuple, Mapping)):
        return json.dumps(value)
    return str(value)


def plain_json(value: Any) -> Any:
    """``value`` with None for numbers that are not finite, which JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(item) for item in value]
    return value


def write_summary(index: Index) -> tuple[Path, Path]:
    """Write summary.json and summary.csv to ``<base>/sweeps/<sweep>/`` and return their paths.

    Raises TreeError if they cannot be written.
    """
    home = Tree(index.base).paths.sweep(index.name)
    paths = home / "summary.json", home / "summary.csv"
    files.make_directory(home)
    files.write_json(paths[0], summary(index))
    files.write_bytes(paths[1], summary_csv(index).encode())
    return paths
