from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from math import nan
from pathlib import Path

from sweeper.results import index_sweep, write_summary
from sweeper.results.summary import summary, summary_csv
from sweeper.sweepfile import Sweep
from sweeper.tree import Tree

RunTrial = Callable[..., Path]


def fill(grid: Sweep, run_trial: RunTrial) -> None:
    trials = list(grid.trials())
    run_trial(grid, trials[0], rows=[{"loss": 2.0, "val_loss": 0.30000000000000004}])
    run_trial(grid, trials[1], rows=[{"loss": nan, "val_loss": nan}])
    error = {"type": "KeyError", "message": "'width'"}
    run_trial(grid, trials[2], outcome="failed", error=error)


def test_the_summary_says_what_came_of_the_sweep(grid: Sweep, run_trial: RunTrial) -> None:
    fill(grid, run_trial)
    found = summary(index_sweep(grid))
    assert (found["sweep"], found["metric"], found["goal"]) == ("grid", "val_loss", "minimize")
    assert found["counts"]["finished"] == 2
    assert found["elapsed"] == 3.0
    assert found["best"]["trial"] == 0
    assert found["best"]["checkpoint"].endswith("models/model.01-0.3000.keras")
    assert not Path(found["best"]["path"]).is_absolute()
    rows = found["trials"]
    assert [row["status"] for row in rows] == ["finished", "finished", "failed", "pending"]
    assert [row["value"] for row in rows] == [0.30000000000000004, None, None, None]
    assert rows[2]["error"] == "KeyError: 'width'"
    assert rows[2]["log"].endswith("output.log")


def test_the_csv_file_has_a_row_per_trial_and_numbers_in_full(
    grid: Sweep, run_trial: RunTrial
) -> None:
    fill(grid, run_trial)
    rows = list(csv.DictReader(io.StringIO(summary_csv(index_sweep(grid)))))
    assert [row["params.model.width"] for row in rows] == ["8", "8", "16", "16"]
    assert [row["params.training.rate"] for row in rows] == ["0.1", "0.2", "0.1", "0.2"]
    assert rows[0]["value"] == rows[0]["metrics.val_loss"] == "0.30000000000000004"
    assert rows[3]["run"] == ""


def test_the_files_are_written_beside_the_stored_sweep(grid: Sweep, run_trial: RunTrial) -> None:
    fill(grid, run_trial)
    index = index_sweep(grid)
    home = grid.base_dir / "sweeps" / "grid"
    home.mkdir(parents=True)
    write_summary(index)
    assert json.loads((home / "summary.json").read_text()) == summary(index)
    assert (home / "summary.csv").read_text() == summary_csv(index)


def test_a_copy_of_the_tree_gives_the_same_summary(
    grid: Sweep, run_trial: RunTrial, tmp_path: Path
) -> None:
    fill(grid, run_trial)
    before = summary(index_sweep(grid))
    copy = tmp_path / "laptop" / "tree"
    copy.parent.mkdir()
    grid.base_dir.rename(copy)
    assert summary(index_sweep(grid, Tree(copy))) == before
