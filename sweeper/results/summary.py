"""What came of a sweep: one row per trial, the counts and the best; as data and as files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from sweeper.tree import Tree, files

from .flat import flatten
from .index import Index
from .ranking import Ranked, group_of, rank
from .rows import best_row, csv_cell, entry_score, trial_row

FORMAT = 1
"""The format of summary.json."""

ROW_COLUMNS = ("trial", "replicate", "experiment", "run", "status", "epochs", "value", "epoch")

MEAN_COLUMNS = ("rank", "mean", "std", "runs")
"""What a trial's row has too where trials are repeated: of all replicates of its parameters."""


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
    names = index.parameters().all
    scores = [entry_score(entry, index.metric) for entry in index.entries]
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
