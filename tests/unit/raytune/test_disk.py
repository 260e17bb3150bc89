"""Which runs keep their models, and what the runs take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli.main import main
from sweeper.raytune.disk import DiskUsage
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Tree

# A launch that goes on imports it beside Ray's start, and ends with exit code 2.
PROGRAM = """
raise RuntimeError("imported")
def train(params, callbacks): ...
"""


def taken(sweep: Sweep) -> int:
    """What the sweep's runs take, in bytes, whatever it keeps."""
    budget = dataclasses.replace(sweep.budget, disk=1)
    return DiskUsage(dataclasses.replace(sweep, budget=budget), Tree(sweep.base_dir)).used


def test_the_best_runs_of_the_sweep_keep_their_models(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    sweep = dataclasses.replace(grid, checkpoint={"top": 2})
    trials = list(sweep.trials())
    runs = [run_trial(sweep, trials[0], rows=[{"val_loss": 0.4}])]
    disk = DiskUsage(sweep, Tree(sweep.base_dir))
    first = disk.used
    assert first == sum(path.stat().st_size for path in runs[0].rglob("*") if path.is_file())
    for trial, value in zip(trials[1:], (0.3, 0.2, 0.5), strict=True):
        runs.append(run_trial(sweep, trial, rows=[{"val_loss": value}]))
        disk.ended(runs[-1])
    kept = [run for run in runs if any((run / "models").iterdir())]
    assert kept == [runs[1], runs[2]]
    assert disk.used > 3 * first
    assert disk.used == taken(sweep)  # without the models that have gone
    run_trial(sweep, trials[0], rows=[{"val_loss": 0.1}], run="run--26-11-25--00-00")
    DiskUsage(sweep, Tree(sweep.base_dir)).prune()  # the next launch finds what the last one missed
    assert not any((runs[1] / "models").iterdir())
    assert any((runs[2] / "models").iterdir())


def test_nothing_is_read_where_nothing_is_asked(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    run = run_trial(grid, next(grid.trials()), rows=[{"val_loss": 0.4}])
    disk = DiskUsage(grid, Tree(grid.base_dir))
    assert disk.used == 0
    disk.ended(run)
    assert any((run / "models").iterdir())


def test_nothing_starts_where_earlier_launches_have_spent_the_budget(
    grid: Sweep,
    grid_file: Path,
    run_trial: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid_file.with_name("train.py").write_text(PROGRAM)
    run_trial(grid, next(grid.trials()), rows=[{"val_loss": 0.4}])
    bytes_ = taken(grid)
    assert main(["launch", str(grid_file), f"budget.disk={bytes_}"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[-3:] == [
        "1 finished, 3 pending",
        f"stopped: the budget of {bytes_:,} bytes is spent",
        "to go on: raise budget.disk, or remove runs, and launch again",
    ]
    assert main(["launch", str(grid_file), f"budget.disk={bytes_ + 1}"]) == 2
    assert "imported" in capsys.readouterr().err


def test_keeping_fewer_models_may_make_room(
    grid: Sweep,
    grid_file: Path,
    run_trial: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid_file.with_name("train.py").write_text(PROGRAM)
    for trial, value in zip(list(grid.trials())[:2], (0.4, 0.3), strict=True):
        run_trial(grid, trial, rows=[{"val_loss": value}])
    budget = f"budget.disk={taken(grid)}"
    assert main(["launch", str(grid_file), budget]) == 4
    assert main(["launch", str(grid_file), budget, "checkpoint.top=1"]) == 2
    assert "imported" in capsys.readouterr().err


@pytest.mark.parametrize(("outcome", "code"), [("finished", 0), (None, 4)])
def test_a_budget_is_the_end_of_an_endless_sweep_unless_a_trial_is_half_done(
    outcome: str | None, code: int, grid_file: Path, run_trial: Callable[..., Path]
) -> None:
    grid_file.with_name("train.py").write_text(PROGRAM)
    changes = ["method=random", "parameters.training.parameters.rate={min: 0.1, max: 0.2}"]
    sweep = load_sweep(grid_file, [*changes, "budget.disk=1"])
    assert sweep.size() is None
    for trial, ending in zip(sweep.trials(), ("finished", outcome), strict=False):
        run_trial(sweep, trial, rows=[{"val_loss": 0.4}], outcome=ending)
    assert main(["launch", str(grid_file), *changes, "budget.disk=1"]) == code
