"""What came of a sweep: a row per trial, counts, the best; as data, as files, and to take away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import UsageError
from sweeper.tree import Tree, files

from .front import front_of
from .index import Index
from .ranking import Ranked, group_of, rank
from .rows import best_row, csv_lines, flat_row, trial_row

FORMAT = 1
"""The format of summary.json."""

ROW_COLUMNS = ("trial", "replicate", "experiment", "run", "status", "epochs", "value", "epoch")

MEAN_COLUMNS = ("rank", "mean", "std", "runs")
"""What a trial's row has too where trials are repeated: of all replicates of its parameters."""


def summary(index: Index) -> dict[str, Any]:
    """The content of summary.json: a pure function of the tree, with paths relative to its base."""
    metric = index.metric
    ranked = _ranked(index)
    return {
        "format": FORMAT,
        "sweep": index.name,
        "metric": metric.name if metric else None,
        "goal": metric.goal if metric else None,
        "mode": metric.mode if metric else None,
        "size": index.size,
        "counts": index.counts(),
        "elapsed": sum(record.elapsed for record in index.records()),
        "best": _relative(best_row(ranked[0], index.repeated, metric), index.base)
        if ranked
        else None,
        **({"pareto": front_of(ranked, metric).row()} if metric and metric.others else {}),
        "trials": _trial_rows(index, ranked),
    }


def summary_csv(index: Index) -> str:
    """The content of summary.csv: a row per trial, its parameters and its metrics in columns.

    Parameters are ``params.<dotted name>``, the metrics of the epoch that counts
    ``metrics.<name>``; lists and dicts are JSON, and what a trial has not is empty.
    """
    rows = _trial_rows(index, _ranked(index))
    titles = [*ROW_COLUMNS, *(MEAN_COLUMNS if index.repeated else ())]
    titles += [f"params.{name}" for name in index.parameters().all]
    titles += [f"metrics.{name}" for name in sorted({n for row in rows for n in row["metrics"]})]
    return "".join(csv_lines([*titles, "elapsed", "path", "error"], map(flat_row, rows)))


def _ranked(index: Index) -> list[Ranked]:
    return rank(index.entries, index.metric) if index.metric else []


def _trial_rows(index: Index, ranked: list[Ranked]) -> list[dict[str, Any]]:
    """The row of each trial; of repeated ones with what its parameter dict has in ``ranked``."""
    means = {
        group_of(one.entry): (one.rank, one.value, one.std, len(one.values))
        for one in reversed(ranked)
    }
    rows = [_relative(trial_row(entry, index.metric), index.base) for entry in index.entries]
    if index.repeated:
        for entry, row in zip(index.entries, rows, strict=True):
            found = means.get(group_of(entry), (None, None, None, 0))
            row.update(zip(MEAN_COLUMNS, found, strict=True))
    return rows


def _relative(row: dict[str, Any], base: Path) -> dict[str, Any]:
    for key in ("path", "log", "checkpoint"):
        if row.get(key) is not None:
            row[key] = Path(row[key]).relative_to(base).as_posix()
    return row


def write_summary(index: Index) -> None:
    """Write summary.json and summary.csv to ``<base>/sweeps/<sweep>/``.

    Raises TreeError if they cannot be written.
    """
    home = Tree(index.base).home(index.name)
    files.make_directory(home)
    files.write_json(home / "summary.json", summary(index))
    files.write_bytes(home / "summary.csv", summary_csv(index).encode())


def copy_best(ranked: Ranked, directory: Path) -> list[Path]:
    """Copy hyperparameters, performances and the checkpoint of a run into ``directory``.

    Their contents alone, not their modes. Returns the copies. Raises UsageError if ``directory``
    exists and holds anything, TreeError if a file cannot be copied.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            f"{directory}: expected a new or empty directory to copy to, found something there; "
            "name another one"
        )
    paths = ranked.record.paths
    wanted = [paths.hyperparameters, paths.performances, ranked.checkpoint]
    files.make_directory(directory, parents=True)
    for path in filter(None, wanted):
        store.bring(path)
    found = [path for path in wanted if path is not None and files.exists(path)]
    for path in found:
        files.copy(path, directory / path.name)
    return [directory / path.name for path in found]
