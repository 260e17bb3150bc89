from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.results import index_sweep, rank, trial_row
from sweeper.results.index import index_directory
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Tree

RunTrial = Callable[..., Path]
ROWS = [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0, "val_loss": 2.5}]


def statuses(sweep: Sweep) -> list[str]:
    return [entry.status for entry in index_sweep(sweep).entries]


def test_nothing_run_yet_is_pending(grid: Sweep) -> None:
    index = index_sweep(grid)
    assert index.size == 4
    assert index.counts() == {
        "finished": 0, "running": 0, "interrupted": 0, "pending": 4, "failed": 0, "stopped": 0,
    }  # fmt: skip


def test_each_trial_has_the_status_its_files_tell(grid: Sweep, run_trial: RunTrial) -> None:
    trials = list(grid.trials())
    run_trial(grid, trials[0], rows=ROWS)
    run_trial(grid, trials[1], rows=ROWS, outcome=None)
    run_trial(grid, trials[2], outcome="out-of-memory")
    assert statuses(grid) == ["finished", "interrupted", "out-of-memory", "pending"]
    assert index_sweep(grid).counts()["out-of-memory"] == 1


def test_a_finished_run_of_another_sweep_counts(grid: Sweep, run_trial: RunTrial) -> None:
    trials = list(grid.trials())
    run_trial(grid, trials[0], rows=ROWS, sweep="other")
    run_trial(grid, trials[1], rows=ROWS, sweep="other", outcome="failed")
    run_trial(grid, trials[2], rows=ROWS, sweep=None, trial=None)
    assert statuses(grid) == ["finished", "pending", "finished", "pending"]


def test_runs_that_the_file_no_longer_lists_stay_in_sight(
    grid: Sweep, grid_file: Path, run_trial: RunTrial
) -> None:
    for trial in grid.trials():
        run_trial(grid, trial, rows=ROWS)
    smaller = load_sweep(grid_file, ["parameters.model.parameters.width.values=[8]"])
    entries = index_sweep(smaller).entries
    assert [entry.listed for entry in entries] == [True, True, False, False]
    assert {entry.params["model"]["width"] for entry in entries[2:]} == {16}


def test_a_retried_trial_is_one_entry(grid: Sweep, grid_file: Path, run_trial: RunTrial) -> None:
    trial = next(grid.trials())
    run_trial(grid, trial, rows=ROWS, outcome="failed")
    run_trial(grid, trial, rows=ROWS, run="run--26-11-24--00-15-2")
    gone = load_sweep(grid_file, ["parameters.training.parameters.rate.values=[0.5]"])
    extras = [entry for entry in index_sweep(gone).entries if not entry.listed]
    assert [entry.run for entry in extras] == ["run--26-11-24--00-15-2"]


def test_an_endless_sweep_shows_what_was_run(tmp_path: Path, run_trial: RunTrial) -> None:
    path = tmp_path / "random.yaml"
    path.write_text(
        f"program: t.py\nmethod: random\nstorage: {tmp_path}\n"
        "parameters: {x: {min: 0.0, max: 1.0}}\n"
    )
    sweep = load_sweep(path)
    trials = sweep.trials()
    run_trial(sweep, next(trials), rows=ROWS)
    next(trials)
    run_trial(sweep, next(trials), rows=ROWS)
    index = index_sweep(sweep)
    assert index.size is None
    assert [entry.status for entry in index.entries] == ["finished", "pending", "finished"]


def test_a_directory_shows_all_its_runs_but_debug_ones(tmp_path: Path, make_run: Any) -> None:
    make_run(tmp_path, {"model": {"x": 1}}, ["model"], rows=ROWS)
    make_run(tmp_path, {"model": {"x": 1}}, ["model"], run="run--26-11-24--00-16", outcome=None)
    make_run(tmp_path / "debug", {"model": {"x": 2}, "debug": True}, ["model"])
    index = index_directory(Tree(tmp_path), "notes")
    assert [entry.status for entry in index.entries] == ["finished", "interrupted"]


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_tree_cut_anywhere_is_read(grid: Sweep, run_trial: RunTrial, cut: int) -> None:
    path = run_trial(grid, next(grid.trials()), rows=ROWS)
    for file in path.iterdir():
        if file.is_file():
            file.write_bytes(file.read_bytes()[:cut])
    index = index_sweep(grid)
    assert len(index.entries) >= 4
    assert set(index.torn()) <= set(path.iterdir())


def test_the_last_line_of_the_exception_is_shown(grid: Sweep, run_trial: RunTrial) -> None:
    traceback = ["Traceback (most recent call last):", "  …", "ValueError: no such layer"]
    error = {"type": "ValueError", "message": "no such layer", "traceback": traceback}
    run_trial(grid, next(grid.trials()), outcome="failed", error=error)
    assert index_sweep(grid).entries[0].error == "ValueError: no such layer"


FRAMES = [
    "Traceback (most recent call last):",
    '  File "/lib/sweeper/worker/child.py", line 9, in _call',
    '  File "/home/me/nets/../train.py", line 31, in train',
    '  File "/home/me/venv/lib/python3.11/site-packages/keras/src/utils.py", line 122, in handler',
    "ValueError: \x1b[1mno such layer\x1b[0m",
]


@pytest.mark.parametrize(
    ("kind", "traceback", "where"),
    [
        ("ValueError", FRAMES, " in train.py:31"),
        ("ValueError", [*FRAMES, "and more of its message"], " in train.py:31"),
        ("ValueError", FRAMES[:2], ""),
        ("ScriptFailed", ["said before", *FRAMES], " in train.py:31"),
        ("ScriptFailed", [*FRAMES, "it was caught; the script ended itself"], ""),
        ("ScriptFailed", FRAMES[-1:], ""),
        ("ScriptFailed", [], ""),
        ("ValueError", "no list", ""),
    ],
)
def test_an_error_says_where_in_the_users_program_it_was_raised(
    grid: Sweep, run_trial: RunTrial, kind: str, traceback: object, where: str
) -> None:
    error = {"type": kind, "message": FRAMES[-1].partition(" ")[2], "traceback": traceback}
    run = run_trial(grid, next(grid.trials()), outcome="failed", error=error)
    said = json.loads((run / "run.json").read_text())
    said["program"] = {"path": str(grid.path.with_name("train.py")), "root": "/home/me"}
    (run / "run.json").write_text(json.dumps(said))
    entry = index_directory(Tree(grid.base_dir), "tree").entries[0]
    assert entry.error == f"{kind}{where}: no such layer"


def test_an_index_reads_each_file_once(
    grid: Sweep, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import Counter

    from sweeper.tree import files, regular

    for trial in grid.trials():
        run_trial(grid, trial, rows=ROWS)
    opened: Counter[str] = Counter()
    read, names = regular.open_file, files.names
    monkeypatch.setattr(regular, "open_file", lambda p: (opened.update([str(p)]), read(p))[1])
    monkeypatch.setattr(
        files, "names", lambda p, **more: (opened.update([str(p)]), names(p, **more))[1]
    )
    index = index_sweep(grid)
    assert index.torn() == []
    assert index.counts()["finished"] == 4
    del opened[str(grid.path.with_name("train.py"))]
    assert len(opened) == 4 * (1 + 5) + 2  # each experiment, five files; the base, the choices
    assert set(opened.values()) == {1}


@pytest.mark.parametrize("name", ["", "outcome.json", "performances.json", "training-logs.csv"])
def test_a_trial_that_cannot_be_read_is_not_pending(
    grid: Sweep, run_trial: RunTrial, name: str
) -> None:
    first, second, *_ = grid.trials()
    hidden = run_trial(grid, first, rows=ROWS) / name
    run_trial(grid, second, rows=ROWS)
    hidden.rename(grid.base_dir / "kept")
    hidden.symlink_to(hidden.name)
    index = index_sweep(grid)
    assert [entry.status for entry in index.entries[:2]] == ["unreadable", "finished"]
    assert str(hidden) in str(index.entries[0].error)
    assert trial_row(index.entries[0], index.metric)["error"] == index.entries[0].error
    assert [ranked.entry.trial for ranked in rank(index.entries, index.metric)] == [1]
    whole = index_directory(Tree(grid.base_dir), "all")
    assert str(hidden) in f"{whole.notes} {[entry.error for entry in whole.entries]}"


@pytest.mark.parametrize(
    "text",
    [
        "epoch,a\n1,2.0\n2,nan\n",
        "epoch,a\n1,2.0\n2,-1e-05\n",
        "epoch,a\n1,\n2,inf\n",
        "epoch,a\n1,2.0\n2,1.0",
        "epoch,a\n1,2.0\n2\n",
        "epoch,a\n1,2.0\n2,1.2.3\n",
        "epoch,a\n1,2.0\n",
        'epoch,"a,b"\n1,2.0\n2,1.0\n',
        "epoch,a\r\n1,2.0\r\n2,1.0\r\n",
        "a\n1\n",
        "",
    ],
)
def test_a_log_is_called_torn_just_as_when_its_rows_are_read(
    text: str, grid: Sweep, run_trial: RunTrial
) -> None:
    path = run_trial(grid, next(grid.trials()), rows=ROWS)
    (path / "training-logs.csv").write_bytes(text.encode())
    (quick,) = Tree(grid.base_dir).all_runs()
    (slow,) = Tree(grid.base_dir).all_runs()
    assert isinstance(slow.rows, list)
    assert quick.torn == slow.torn


def test_a_run_shows_the_parameters_that_it_has_trained_with(
    grid_file: Path, run_trial: Callable[..., Path]
) -> None:
    monitored = ["monitored=[model]"]
    before = load_sweep(grid_file, monitored)
    run_trial(before, next(before.trials()), rows=[{"val_loss": 1.0}])
    after = load_sweep(grid_file, [*monitored, "parameters.training.epochs.value=50"])
    found = [entry for entry in index_sweep(after).entries if entry.record is not None]
    assert found
    assert {entry.params["training"]["epochs"] for entry in found} == {3}
