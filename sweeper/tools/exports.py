"""What came of sweeps as other tools read it: files, and the stores of trackers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.results import Index, SweepResults, check_metric, csv_lines, optuna_study, plain_json
from sweeper.sweepfile import Metric
from sweeper.tree import files
from sweeper.wording import counted

from .libraries import failing, library
from .trackers import to_mlflow, to_wandb

_LARGEST = 2**63


def export(
    indices: Sequence[Index],
    metric: Metric | None,
    to: str,
    output: str | None,
    epochs: bool = False,
) -> tuple[str, str]:
    """Write the runs ``to`` csv, json, parquet, mlflow, wandb or optuna; what to print, and to say.

    ``metric`` None: each sweep's own. ``epochs``: a row for each epoch, in the formats that have
    rows. What was exported before is not doubled: it is replaced, or left if nothing is new.

    Raises UsageError, TreeError or SweeperError where that cannot be.
    """
    for index in indices:
        if not any(entry.record for entry in index.entries):
            raise UsageError(f"{index.title}: expected runs to export, found none: launch it first")
        if metric is not None:
            check_metric(metric, index.records())
    if to in ("csv", "json", "parquet"):
        return _rows(indices, metric, to, output, epochs)
    if epochs:
        raise UsageError(f"--epochs is for csv, json and parquet: to {to} all epochs go anyway")
    if output is None:
        what = "a directory" if to == "wandb" else "a file, as in -o sweeps.db"
        raise UsageError(f"export --to {to}: expected -o with {what}, found none")
    if to == "wandb":
        return "", to_wandb(indices, metric, Path(output))
    if to == "mlflow":
        uri = output if "://" in output else sqlite(output)
        return "", to_mlflow(indices, metric, uri, output)
    return "", _to_optuna(indices, metric, output)


def sqlite(output: str) -> str:
    """The address of a database in the file ``output``, which can be written."""
    path = Path(output).absolute()
    place = path if path.exists() else path.parent
    if path.is_dir() or not path.parent.is_dir() or not os.access(place, os.W_OK):
        found = "a directory" if path.is_dir() else "that it cannot be written"
        raise UsageError(f"{output}: expected a file for a database, found {found}: name another")
    if {*"?#%"} & {*str(path)}:
        raise UsageError(f"{output}: a database's file has none of ?#% in its path: name another")
    return f"sqlite:///{path}"


def _rows(
    indices: Sequence[Index], metric: Metric | None, to: str, output: str | None, epochs: bool
) -> tuple[str, str]:
    found = SweepResults(list(indices))
    found.metric = metric or found.metric
    columns, rows = found.table(epochs)
    if to == "parquet":
        if output in (None, "-"):
            raise UsageError("export --to parquet: expected -o with a file, found none")
        data = _parquet(columns, rows)
    elif to == "json":
        nested = rows if epochs else [_nested(row) for row in rows]
        data = (json.dumps(plain_json(nested), indent=2) + "\n").encode()
    else:
        data = "".join(csv_lines(columns, rows)).encode(errors="backslashreplace")
    if output in (None, "-"):
        return data.decode(), ""
    assert output is not None
    files.write_bytes(Path(output), data, durable=False)
    return "", f"{output}: {counted(len(rows), 'epoch' if epochs else 'run')}"


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """A row with ``params`` and ``metrics`` as objects; their names are the dotted ones."""
    groups: dict[str, dict[str, Any]] = {"params": {}, "metrics": {}}
    own = {}
    for name, value in row.items():
        group, dot, rest = name.partition(".")
        if dot and group in groups:
            groups[group][rest] = value
        else:
            own[name] = value
    return {**own, **groups}


def _parquet(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    arrow = library("pyarrow", "parquet")
    import pyarrow.parquet as parquet

    made = arrow.table({name: _column([row.get(name) for row in rows]) for name in columns})
    sink = arrow.BufferOutputStream()
    parquet.write_table(made, sink)
    return bytes(sink.getvalue())


def _column(values: list[Any]) -> list[Any]:
    """Values of one kind as they are; of several kinds, and structures, as JSON text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        kinds = {float}
        values = [value if value is None else float(value) for value in values]
    huge = kinds == {int} and any(v is not None and not -_LARGEST <= v < _LARGEST for v in values)
    if not huge and len(kinds) <= 1 and kinds <= {int, float, str, bool}:
        return values
    return [None if value is None else json.dumps(value) for value in values]


def _to_optuna(indices: Sequence[Index], metric: Metric | None, output: str) -> str:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = sqlite(output)
    names = []
    with failing(f"{output}: cannot be written by Optuna"):
        storage = optuna.storages.RDBStorage(url)
        there = {study.study_name: study for study in optuna.get_all_study_summaries(storage)}
        for index in indices:
            old = there.get(index.title)
            if index.title in names or (old and old.user_attrs.get("tree") != str(index.base)):
                what = f"found a study {index.title!r} that is not of {index.base}"
                raise UsageError(f"{output}: {what}: name another file")
            if old:
                optuna.delete_study(study_name=index.title, storage=storage)
            optuna_study([index], metric or index.metric, storage)
            names.append(index.title)
    return (
        f"{output}: {', '.join(names)}, as they are now\n"
        f"to look at it: pip install optuna-dashboard; optuna-dashboard {url}"
    )
