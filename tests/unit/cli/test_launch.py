"""What a launch says and keeps where nothing is left to run, or where it refuses: without Ray."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli.main import main
from sweeper.results import find_entry, index_sweep, open_index
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Tree
from sweeper.worker import session

RunTrial = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
ROWS = [{"val_loss": 2.0}]
NARROW = "parameters.model.parameters.width.values=[8]"


@pytest.fixture
def narrowed(grid: Sweep, grid_file: Path, run_trial: RunTrial) -> Sweep:
    """The sweep as its file has become: 2 finished trials, and 2 that it no longer lists."""
    (grid_file.parent / "train.py").write_text("def train(params, callbacks): ...\n")
    for trial in grid.trials():
        gone = trial.params["model"]["width"] == 16
        run_trial(grid, trial, rows=ROWS, outcome="failed" if gone else "finished")
    return load_sweep(grid_file, [NARROW])


def test_trials_that_the_file_no_longer_lists_are_counted_apart(
    narrowed: Sweep, grid_file: Path, capsys: Capture
) -> None:
    assert main(["launch", str(grid_file), NARROW]) == 0
    err = capsys.readouterr().err
    assert "\n2 finished, and 2 that the file no longer lists\n" in err
    assert "failed" not in err
    assert main(["status", str(grid_file), NARROW]) == 0
    out = capsys.readouterr().out
    head = "tree (sweep grid): 2 trials: 2 finished, and 2 that the file no longer lists\n"
    assert out.startswith(head)


def test_a_number_is_a_trial_of_the_file(narrowed: Sweep, grid_file: Path, capsys: Capture) -> None:
    grid_file.write_text(grid_file.read_text().replace("[0.1, 0.2]", "[0.2]"))
    was_first = find_entry(index_sweep(narrowed), "0").params
    first = find_entry(index_sweep(load_sweep(grid_file)), "0")
    assert first.params["training"]["rate"] == 0.2 != was_first["training"]["rate"]
    assert main(["logs", str(grid_file), "0"]) == 0
    assert capsys.readouterr().out == "trained 1 epochs\n"
    assert main(["logs", str(grid_file), "2"]) == 0  # the file has no such trial any more


def test_a_launch_with_nothing_to_run_keeps_its_sweep_and_tidies(
    narrowed: Sweep, grid_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_root", lambda: tmp_path)
    left = session.Session("killed", None, "train", "train", str(tmp_path))
    os.close(left.hold())
    scratch = Tree(narrowed.base_dir).home(narrowed.sweep_name) / "ray"
    (scratch / "1").mkdir(parents=True)
    assert main(["launch", str(grid_file), NARROW]) == 0
    assert open_index(narrowed.base_dir).size == 2
    assert not left.directory.exists()
    assert not scratch.exists()


def test_a_refusal_says_when_it_would_end(grid: Sweep, grid_file: Path, capsys: Capture) -> None:
    """Of a launch elsewhere only its lease tells whether it lives."""
    (grid_file.parent / "train.py").write_text("def train(params, callbacks): ...\n")
    lease = grid.base_dir / "sweeps" / grid.sweep_name / "lease.000001.json"
    lease.parent.mkdir(parents=True)
    lease.write_text('{"number": 1, "host": "elsewhere", "pid": 7, "started": 1}')
    seen = lease.stat().st_mtime
    assert main(["launch", str(grid_file)]) == 1
    when = time.strftime("%H:%M:%S", time.localtime(seen + 90))
    err = capsys.readouterr().err
    assert "by process 7 on elsewhere: share it with --join, or wait for it" in err
    assert f"a launch is accepted from {when} on" in err


def test_runs_of_an_older_text_are_told_where_the_best_is(
    narrowed: Sweep, grid_file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweeper.tree import RunChooser

    monkeypatch.setattr(RunChooser, "is_older", lambda self, record: True)
    assert main(["launch", str(grid_file), NARROW]) == 0
    assert capsys.readouterr().err.count("4 runs ran an older text") == 1


@pytest.mark.parametrize(
    ("program", "more"),
    [("gone.py", ""), ("bad.py", ""), ("train.py", "command: [nosuchprogram]\n")],
)
def test_a_refused_launch_shows_no_plan(
    program: str, more: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "train.py").write_text("import sweeper\nsweeper.report(loss=1)\n")
    (tmp_path / "bad.py").write_text("def train(:\n")
    file = tmp_path / "case.yaml"
    file.write_text(f"program: {program}\nmethod: grid\nparameters: {{x: {{values: [1]}}}}\n{more}")
    assert main(["launch", str(file), "--storage", str(tmp_path / "there")]) == 2
    assert "1 trial" not in capsys.readouterr().err
    assert not (tmp_path / "there").exists()
