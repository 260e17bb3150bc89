from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sweeper
from sweeper.errors import UsageError
from sweeper.sweepfile import load_sweep

SWEEP = """
program: train.py
method: grid
metric: {name: val_loss, goal: minimize}
repeats: 2
parameters:
  model: {parameters: {units: {values: [8, 16, 32]}}}
"""


@pytest.fixture
def made(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """A sweep of three parameter dicts, each to be run twice, of which one has no run yet."""
    path = tmp_path / "digits.yaml"
    path.write_text(SWEEP + f"storage: {tmp_path}/experiments\n")
    sweep = load_sweep(path)
    for trial in sweep.trials():
        last = trial.params["model"]["units"] / 8 + trial.replicate
        if trial.params["model"]["units"] < 32:
            make_run(
                sweep.base_dir,
                trial.params,
                sweep.monitored,
                rows=[{"val_loss": 9.0, "loss": 9.0}, {"val_loss": last, "loss": 1.0}],
                sweep=sweep.sweep_name,
                trial=trial.index,
                replicate=trial.replicate,
                run=f"run--26-11-24--00-{trial.replicate + 15}",
            )
    return path


def test_what_came_of_a_sweep(made: Path) -> None:
    found = sweeper.load(made)
    assert (found.counts["finished"], found.counts["pending"], len(found)) == (4, 2, 4)
    best = found.best()
    assert (best.value, best.epoch, best.params) == (1.0, 2, {"model": {"units": 8}})
    assert best.metrics == {"loss": 1.0, "val_loss": 1.0}
    assert best.checkpoint is not None
    assert best.checkpoint.parent.parent == best.path
    assert [run.value for run in found.best(9)] == [1.0, 2.0]
    assert [row["val_loss"] for row in best.rows] == [9.0, 1.0]
    assert "4 finished" in repr(found)


def test_as_tables(made: Path) -> None:
    found = sweeper.load(made)
    trials = found.trials()
    assert list(trials["params.model.units"]) == [8, 16, 32]
    assert list(trials["value"])[:2] == [1.5, 2.5]
    assert list(trials["std"])[:2] == [math.sqrt(0.5)] * 2
    assert list(trials["status"]) == ["finished", "finished", "pending"]
    assert list(trials.columns) == [
        "rank", "trial", "replicate", "status", "value", "epoch", "std", "runs",
        "params.model.units", "metrics.loss", "metrics.val_loss",
        "elapsed", "error", "path", "checkpoint",
    ]  # fmt: skip
    assert list(found.runs()["value"]) == [1.0, 2.0, 2.0, 3.0]
    history = found.history()
    assert list(history["val_loss"]) == [9.0, 1.0, 9.0, 2.0, 9.0, 2.0, 9.0, 3.0]
    assert list(history["params.model.units"]) == [8] * 4 + [16] * 4
    assert "params.model.units" in found._repr_html_()


def test_several_sweeps_at_once(made: Path) -> None:
    both = sweeper.load(made, made.parent / "experiments" / "digits")
    assert len(both) == 8
    assert both.runs().columns[0] == "sweep"
    assert both.counts["finished"] == 8


def test_a_model_that_is_not_there(tmp_path: Path, make_run: Any) -> None:
    path = make_run(tmp_path / "b", {"x": 1}, ["x"], rows=[{"val_loss": 1.0}])
    for model in (path / "models").iterdir():
        model.unlink()
    (run,) = sweeper.load(tmp_path / "b")
    with pytest.raises(UsageError, match="expected a saved model, found none"):
        run.load_model()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        sweeper.load()
    with pytest.raises(UsageError, match="found nothing there"):
        sweeper.load(tmp_path / "none")
    path = tmp_path / "digits.yaml"
    path.write_text(SWEEP + f"storage: {tmp_path}/experiments\n")
    with pytest.warns(UserWarning, match="no run in"):
        found = sweeper.load(path)
    assert list(found.trials()["status"]) == ["pending"] * 3
    assert found.history().empty
    with pytest.raises(UsageError, match="no run has recorded val_loss yet"):
        found.best()
