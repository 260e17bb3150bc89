"""The runs of sweeps in the stores of trackers: W&B (offline, for `wandb sync`) and MLflow."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sweeper.results import Entry, Index, entry_score, flatten, local_time, metric_of
from sweeper.sweepfile import Metric
from sweeper.tree import files
from sweeper.wording import counted, shortened

from .libraries import failing, library, without_password

_ODD = re.compile(r"[^\w\-./ ]")  # in MLflow's names


def to_wandb(indices: Sequence[Index], metric: Metric | None, directory: Path) -> str:
    """Write a W&B run into ``directory``/wandb for each; those that are as they were stay."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would tell its makers
    wandb = library("wandb", "wandb")
    files.make_directory(directory, parents=True)
    place, written = directory / "wandb", 0
    for index, entry in _entries(indices):
        key, state = _identity(index, entry)
        number = hashlib.sha256(key.encode()).hexdigest()[:16]
        old = [path for path in place.glob(f"offline-run-*-{number}") if path.is_dir()]
        if any(files.read_bytes(path / "sweeper.state") == state.encode() for path in old):
            continue
        for path in old:
            files.remove(path)
        written += 1
        with failing(f"{directory}: cannot be written by wandb"):
            home = _wandb_run(wandb, index, entry, metric or metric_of(index), directory, number)
        files.write_bytes(home / "sweeper.state", state.encode())
    sync = "to send them: wandb sync " + f"{place}/offline-run-*"
    return f"{_said(directory, written, indices)}\n{sync}"


def _wandb_run(
    wandb: Any, index: Index, entry: Entry, metric: Metric | None, directory: Path, number: str
) -> Path:
    assert entry.record is not None
    settings = wandb.Settings(
        console="off",
        disable_git=True,
        save_code=False,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
    )
    run = wandb.init(
        mode="offline",
        reinit="create_new",
        dir=str(directory),
        project=re.sub(r"[/\\#?%:]", "-", index.base.name)[:100],
        group=shortened(index.title, 120),
        id=number,
        name=_called(entry),
        notes=str(entry.path),
        tags=[entry.status],
        config=entry.params,
        settings=settings,
    )
    for row in entry.record.rows:
        run.log({**row}, step=int(row["epoch"]))
    found = entry_score(entry, metric)
    if found is not None:
        run.summary.update({**found.metrics, "epoch": found.epoch})
    run.finish(exit_code=int(entry.failed))
    return Path(run.settings.sync_dir)


def to_mlflow(indices: Sequence[Index], metric: Metric | None, uri: str, shown: str) -> str:
    """Write a run of MLflow for each into the store at ``uri``; what has changed is replaced."""
    mlflow = library("mlflow", "mlflow")
    # By default it asks a server that is not there for five minutes, and tells of each run.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    shown = without_password(shown)
    written = 0
    with failing(f"{shown}: cannot be written by MLflow"):
        client = mlflow.MlflowClient(tracking_uri=uri)
        for index in indices:
            known = client.get_experiment_by_name(index.title)
            number = known.experiment_id if known else client.create_experiment(index.title)
            there = _known_runs(client, number)
            for _, entry in _entries([index]):
                key, state = _identity(index, entry)
                if state in (found := there.get(key, {})):
                    continue
                for old in found.values():
                    client.delete_run(old)
                written += 1
                run = _mlflow_run(client, number, entry, metric or metric_of(index), key)
                client.set_tag(run, "sweeper.state", state)  # it is whole
    hint = f"\nto look at it: pip install mlflow; mlflow ui --backend-store-uri {uri}"
    return _said(shown, written, indices) + (hint if uri.startswith("sqlite:") else "")


def _known_runs(client: Any, experiment: str) -> dict[str, dict[str, str]]:
    """What earlier exports have written: a run's key -> its state -> MLflow's name of it."""
    found: dict[str, dict[str, str]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            tags = run.data.tags
            if "sweeper.run" in tags:
                states = found.setdefault(tags["sweeper.run"], {})
                states[tags.get("sweeper.state", run.info.run_id)] = run.info.run_id
        token = page.token
        if not token:
            return found


def _mlflow_run(client: Any, experiment: str, entry: Entry, metric: Metric | None, key: str) -> str:
    from mlflow import entities

    record, score = entry.record, entry_score(entry, metric)
    assert record is not None
    times = [time for a in record.attempts for time in (a.get("start"), a.get("end")) if time]
    start, end = (_milliseconds(times[at]) if times else 0 for at in (0, -1))
    tags = {"sweeper.run": key, "sweeper.path": str(entry.path), "sweeper.status": entry.status}
    if entry.error:
        tags["sweeper.error"] = shortened(entry.error, 4000)
    if score is not None:
        tags["sweeper.best_epoch"] = str(score.epoch)
    made = client.create_run(experiment, start_time=start, tags=tags, run_name=_called(entry))
    run = str(made.info.run_id)
    names = _mlflow_names({name for row in record.rows for name in row} - {"epoch"})
    span = (end - start) / max(1, len(record.rows))
    metrics = [
        entities.Metric(names[name], value, int(start + span * at), int(row["epoch"]))
        for at, row in enumerate(record.rows, 1)
        for name, value in row.items()
        if name != "epoch"
    ]
    if score is not None and metric is not None:
        best = f"best {names.get(metric.name, 'value')}"
        metrics.append(entities.Metric(best, score.value, end, score.epoch))
    given = flatten(entry.params)
    called = _mlflow_names(given)
    params = [
        entities.Param(called[name], shortened(v if isinstance(v, str) else json.dumps(v), 4000))
        for name, v in given.items()
    ]
    for at in range(0, len(params), 100):
        client.log_batch(run, params=params[at : at + 100])
    for at in range(0, len(metrics), 1000):
        client.log_batch(run, metrics=metrics[at : at + 1000])
    ends = {"running": "RUNNING", "interrupted": "KILLED"}
    status = ends.get(entry.status, "FAILED" if entry.failed else "FINISHED")
    if status != "RUNNING":
        client.set_terminated(run, status, end_time=end)
    return run


def _mlflow_names(names: Iterable[str]) -> dict[str, str]:
    """Names as MLflow takes them, no two the same."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names):
        plain = _ODD.sub("_", name)[:200]
        if posixpath.normpath(plain) != plain or plain.startswith(("/", "..")):
            plain = "_" + plain.replace("/", "_")
        while plain in taken:
            plain += "_"
        taken.add(plain)
        found[name] = plain
    return found


def _milliseconds(text: object) -> int:
    found = local_time(text)
    return int(found.timestamp() * 1000) if found else 0


def _entries(indices: Sequence[Index]) -> Iterator[tuple[Index, Entry]]:
    """The trials that have a run, each run once."""
    seen = set()
    for index in indices:
        for entry in index.entries:
            if entry.record is not None and entry.path not in seen:
                seen.add(entry.path)
                yield index, entry


def _identity(index: Index, entry: Entry) -> tuple[str, str]:
    """What an exported run is called for ever, and a digest of all that was exported of it."""
    assert entry.record is not None
    what = [entry.trial, entry.status, entry.error, entry.params, entry.record.rows]
    state = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    return f"{index.base.name}/{entry.experiment}/{entry.run}", state


def _called(entry: Entry) -> str:
    return f"{entry.experiment}/{entry.run}" if entry.trial is None else f"trial {entry.trial}"


def _said(where: object, written: int, indices: Sequence[Index]) -> str:
    left = sum(1 for _ in _entries(indices)) - written
    kept = f"; {left} that had not changed since the last export are left" if left else ""
    return f"{where}: {counted(written, 'run')}{kept}"
