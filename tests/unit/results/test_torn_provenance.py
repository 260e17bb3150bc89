"""A finished run whose run.json is cut is still finished, and the file is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sweeper.results import index_sweep
from sweeper.sweepfile import Sweep
from sweeper.tree import Tree, plan_trials


def test_a_torn_provenance(grid: Sweep, run_trial: Callable[..., Path]) -> None:
    trials = list(grid.trials())
    done = run_trial(grid, trials[0], rows=[{"val_loss": 0.4}])
    lost = run_trial(grid, trials[1], rows=[{"val_loss": 0.4}], outcome=None)
    for run in (done, lost):
        (run / "run.json").write_bytes((run / "run.json").read_bytes()[:20])
    states = [item.state for item in plan_trials(grid, Tree(grid.base_dir))]
    assert states == ["reused", "new", "new", "new"]
    index = index_sweep(grid)
    assert set(index.torn()) == {done / "run.json", lost / "run.json"}
    assert index.counts()["finished"] == 1
