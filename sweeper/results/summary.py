"""What came of a sweep: one row per trial, the counts and the best; as data and as files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.sweepfile import Metric
from sweeper.tree import Tree, files

from .flat import Columns, flatten
from .index import BAD, Entry, Index
from .ranking import Ranked, Score, group_of, rank, score

FORMAT = 1
"""The format of summary.json."""

ROW_COLUMNS = ("trial", "replicate", "experiment", "run", "status", "epochs", "value", "epoch")

MEAN_COLUMNS = ("rank", "mean", "std", "runs")
"""What a trial's row has too where trials are repeated: of all replicates of its parameters."""


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


def best_row(ranked: Ranked, repeated: bool = False) -> dict[str, Any]:
    """What ``best --json`` says of a run; the paths are absolute.

    Of a sweep with ``repeats`` (``repeated``) ``value`` is the mean over the replicates, and the
    row has ``std``, ``runs`` (how many) and ``values`` too; the rest is about the best of them.
    """
    entry = ranked.entry
    more = {"std": ranked.std, "runs": len(ranked.values), "values": list(ranked.values)}
    return {
        "rank": ranked.rank,
        "trial": entry.trial,
        "replicate": entry.replicate,
        "value": ranked.value,
        **(more if repeated else {}),
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
    metric, repeated = index.metric, index.repeated
    ranked = rank(index.entries, metric) if metric else []
    trials = [_relative(trial_row(entry, metric), index.base) for entry in index.entries]
    if repeated:
        for row, means in zip(trials, _means(index, ranked), strict=True):
            row.update(means)
    return {
        "format": FORMAT,
        "sweep": index.name,
        "metric": metric.name if metric else None,
        "goal": metric.goal if metric else None,
        "mode": metric.mode if metric else None,
        "size": index.size,
        "counts": index.counts(),
        "elapsed": sum(record.elapsed for record in index.records()),
        "best": _relative(best_row(ranked[0], repeated), index.base) if ranked else None,
        "trials": trials,
    }


def _means(index: Index, ranked: list[Ranked]) -> list[dict[str, Any]]:
    """Per entry the rank, mean, std and number of runs of its parameter dict; None without."""
    found = {
        group_of(one.entry): (one.rank, one.value, one.std, len(one.values))
        for one in reversed(ranked)
    }
    nothing = (None, None, None, 0)
    return [
        dict(zip(MEAN_COLUMNS, found.get(group_of(e), nothing), strict=True)) for e in index.entries
    ]


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
    head: tuple[str, ...] = ROW_COLUMNS
    means: list[dict[str, Any]] = [{} for _ in index.entries]
    if index.repeated:
        head += MEAN_COLUMNS
        means = _means(index, rank(index.entries, index.metric) if index.metric else [])
    writer.writerow(
        [*head, *(f"params.{n}" for n in names), *(f"metrics.{m}" for m in metrics), *tail]
    )
    for entry, found, more in zip(index.entries, scores, means, strict=True):
        row = _relative(trial_row(entry, index.metric), index.base) | more
        params = flatten(entry.params)
        values = found.metrics if found else {}
        cells = [row[key] for key in head]
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
