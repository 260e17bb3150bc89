"""Which runs keep their models, and what the runs take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sweeper.experiment import Tree
from sweeper.raytune.disk import Disk
from sweeper.spec import Sweep


def test_the_best_runs_of_the_sweep_keep_their_models(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    sweep = dataclasses.replace(grid, checkpoint={"top": 2})
    trials = list(sweep.trials())
    runs = [run_trial(sweep, trials[0], rows=[{"val_loss": 0.4}])]
    disk = Disk(sweep, Tree(sweep.base_dir))
    first = disk.spent
    assert first == sum(path.stat().st_size for path in runs[0].rglob("*") if path.is_file())
    for trial, value in zip(trials[1:], (0.3, 0.2, 0.5), strict=True):
        runs.append(run_trial(sweep, trial, rows=[{"val_loss": value}]))
        disk.ended(runs[-1])
    kept = [run for run in runs if any((run / "models").iterdir())]
    assert kept == [runs[1], runs[2]]
    assert disk.spent > 3 * first
    run_trial(sweep, trials[0], rows=[{"val_loss": 0.1}], run="run--26-11-25--00-00")
    Disk(sweep, Tree(sweep.base_dir))  # the next launch finds what the last one missed
    assert not any((runs[1] / "models").iterdir())
    assert any((runs[2] / "models").iterdir())


def test_nothing_is_read_where_nothing_is_asked(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    run = run_trial(grid, next(grid.trials()), rows=[{"val_loss": 0.4}])
    disk = Disk(grid, Tree(grid.base_dir))
    assert disk.spent == 0
    disk.ended(run)
    assert any((run / "models").iterdir())
