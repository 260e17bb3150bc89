"""Fixtures that several test rooms share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sweeper.sweepfile import Sweep, Trial, load_sweep
from sweeper.tree import Tree
from tests import stores

MakeRun = Callable[..., Path]

GRID = """
name: tree
program: train.py
method: grid
metric: {name: val_loss, goal: minimize}
storage: STORAGE
parameters:
  training:
    parameters:
      rate: {values: [0.1, 0.2]}
      epochs: {value: 3}
  model:
    parameters:
      width: {values: [8, 16]}
"""


@pytest.fixture(scope="session")
def store_port() -> Iterator[int]:
    """Where an object store with the bucket ``lab`` answers on this machine."""
    if (lacks := stores.missing()) is not None:
        pytest.skip(f"{lacks} is not here")
    with stores.object_store() as port:
        yield port


@pytest.fixture
def make_run() -> MakeRun:
    """A function that writes the directory of a run, as a worker leaves it; see ``write_run``."""
    return write_run


def write_run(
    base: Path,
    params: Mapping[str, Any],
    monitored: Sequence[Any],
    *,
    rows: Sequence[Mapping[str, float]] = (),
    outcome: str | None = "finished",
    error: Mapping[str, Any] | None = None,
    sweep: str | None = None,
    trial: int | None = None,
    replicate: int = 0,
    run: str = "run--26-11-24--00-15",
    monitor: str = "val_loss",
    mode: str = "min",
) -> Path:
    """Write a run of ``params`` and return its directory.

    ``rows`` are the metrics of epoch 1, 2, …; the best one by ``monitor`` has a (dummy) checkpoint.
    Without ``outcome`` the run was interrupted.
    """
    path = base / Tree(base).find(params, monitored) / run
    (path / "models").mkdir(parents=True)
    numbered = [{"epoch": epoch, **row} for epoch, row in enumerate(rows, 1)]
    _json(path / "hyperparameters.json", params)
    record = {"format": 1, "sweep": sweep, "trial": trial, "replicate": replicate, "seed": 1}
    _json(path / "run.json", {**record, "monitored": list(monitored), "attempts": []})
    if numbered:
        names = sorted({name for row in rows for name in row})
        lines = [["epoch", *names]] + [
            [str(row["epoch"]), *(repr(row[n]) if n in row else "" for n in names)]
            for row in numbered
        ]
        text = "".join(",".join(line) + "\n" for line in lines)
        (path / "training-logs.csv").write_text(text)
        usable = [row for row in numbered if row.get(monitor, float("nan")) == row.get(monitor)]
        pick = max if mode == "max" else min
        best = pick(usable, key=lambda row: row[monitor]) if usable else None
        summary = {"monitor": monitor, "mode": mode, "best": best, "last": numbered[-1]}
        _json(path / "performances.json", {**summary, "elapsed": 1.5 * len(rows)})
        if best is not None:
            name = f"model.{best['epoch']:02d}-{best[monitor]:.4f}.keras"
            (path / "models" / name).write_bytes(b"a model")
    (path / "output.log").write_text(f"trained {len(rows)} epochs\n")
    if outcome is not None:
        ending = {"outcome": outcome, "elapsed": 1.5 * len(rows), "epochs": len(rows)}
        _json(path / "outcome.json", {**ending, **({"error": dict(error)} if error else {})})
    return path


@pytest.fixture
def run_trial() -> Callable[..., Path]:
    """A function that writes the run of a sweep's trial; options as ``write_run`` has them."""

    def run(sweep: Sweep, trial: Trial, /, **options: Any) -> Path:
        if sweep.metric is not None:
            options.setdefault("monitor", sweep.metric.name)
            options.setdefault("mode", "max" if sweep.metric.goal == "maximize" else "min")
        options = {"sweep": sweep.sweep_name, "trial": trial.index, **options}
        options.setdefault("replicate", trial.replicate)
        return write_run(sweep.base_dir, trial.params, sweep.monitored, **options)

    return run


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    """The file of a grid of four trials: training.rate times model.width."""
    path = tmp_path / "grid.yaml"
    path.write_text(GRID.replace("STORAGE", str(tmp_path / "experiments")))
    return path


@pytest.fixture
def grid(grid_file: Path) -> Sweep:
    """The sweep of ``grid_file``."""
    return load_sweep(grid_file)


def _json(path: Path, value: Mapping[str, Any]) -> None:
    def plain(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {key: plain(value) for key, value in item.items()}
        return None if item != item else item

    path.write_text(json.dumps(plain(value)))
