from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.results import (
    Index,
    copy_best,
    differing_facts,
    find_entry,
    find_run,
    load_target,
    open_index,
    rank,
    runs_elsewhere,
)
from sweeper.sweepfile import Sweep
from sweeper.tree import RunRecord

RunTrial = Callable[..., Path]
ROWS = [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0, "val_loss": 2.5}]


@pytest.fixture
def base(grid: Sweep, run_trial: RunTrial) -> Path:
    """The base directory of the grid, three of its four trials run, the sweep stored."""
    for trial in list(grid.trials())[:3]:
        run_trial(grid, trial, rows=ROWS)
    store(grid)
    return grid.base_dir


def store(sweep: Sweep) -> None:
    path = sweep.base_dir / "sweeps" / sweep.sweep_name / "sweep.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(sweep.to_yaml())


def facts(index: Index) -> list[Any]:
    return [(entry.trial, entry.params, entry.status, entry.run) for entry in index.entries]


def test_file_base_directory_and_stored_sweep_give_the_same(base: Path, grid_file: Path) -> None:
    index = open_index(grid_file)
    assert index.name == "grid"
    assert len(facts(index)) == 4
    assert facts(open_index(base)) == facts(index)
    assert facts(open_index(base / "sweeps" / "grid")) == facts(index)
    assert open_index(base).metric == index.metric


def test_a_base_directory_is_found_by_its_name_in_the_storage(base: Path) -> None:
    assert open_index(Path("tree"), storage=base.parent).base == base


def test_a_tree_that_was_moved_is_read_where_it_is(base: Path, tmp_path: Path) -> None:
    before = facts(open_index(base))
    moved = tmp_path / "elsewhere" / "renamed tree"
    moved.parent.mkdir()
    base.rename(moved)
    assert facts(open_index(moved)) == before
    assert facts(open_index(moved / "sweeps" / "grid" / "sweep.yaml")) == before
    assert open_index(moved).base == moved


def test_every_command_takes_the_tree_that_holds_a_stored_sweep(base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "laptop" / "copy"
    shutil.copytree(base, copy)
    stored = copy / "sweeps" / "grid" / "sweep.yaml"
    assert load_target(stored).base_dir == copy
    assert load_target(stored, ["seed=3"]).base_dir == copy
    assert load_target(stored, storage=tmp_path / "x").base_dir == tmp_path / "x" / "copy"
    assert load_target(stored, ["name=other"]).base_dir == copy.with_name("other")
    assert open_index(stored, ["seed=3"]).base == copy


def test_a_directory_without_a_stored_sweep_shows_all_runs(base: Path) -> None:
    (base / "sweeps" / "grid" / "sweep.yaml").unlink()
    index = open_index(base)
    assert (len(index.entries), index.sweep) == (3, None)
    index = open_index(base / "sweeps" / "grid")
    assert [entry.trial for entry in index.entries] == [0, 1, 2]
    assert "not there" in index.notes[0]


def test_a_stored_sweep_that_was_cut_is_no_end(base: Path) -> None:
    path = base / "sweeps" / "grid" / "sweep.yaml"
    path.write_text(path.read_text()[:40])
    index = open_index(base)
    assert len(index.entries) == 3
    assert str(path) in index.notes[0]


def test_a_base_of_several_sweeps_shows_all_and_says_so(base: Path) -> None:
    other = base / "sweeps" / "other"
    other.mkdir()
    (other / "sweep.yaml").write_text((base / "sweeps" / "grid" / "sweep.yaml").read_text())
    index = open_index(base)
    assert len(index.entries) == 3
    assert str(other) in index.notes[0]
    assert len(open_index(other).entries) == 4


def test_what_is_neither_is_refused_with_an_offer(tmp_path: Path, base: Path) -> None:
    with pytest.raises(UsageError, match=r"found nothing there, nor in .*experiments"):
        open_index(tmp_path / "nothing")
    with pytest.raises(UsageError, match=rf"did you mean {tmp_path / 'grid.yaml'}"):
        open_index(tmp_path)
    with pytest.raises(UsageError, match=rf"did you mean {tmp_path / 'grid.yaml'}"):
        open_index(tmp_path / "grid.yml")
    with pytest.raises(UsageError, match=r"--name changes a sweep file"):
        open_index(base, name="other")
    with pytest.raises(UsageError, match=r"KEY=VALUE changes a sweep file"):
        open_index(base, ["seed=3"])


def test_an_entry_is_found_by_number_and_by_name(base: Path) -> None:
    index = open_index(base)
    entry = index.entries[2]
    assert find_entry(index, "2") is entry
    assert find_entry(index, entry.experiment) is entry
    assert find_entry(index, f"{entry.experiment}/{entry.run}") is entry
    assert find_entry(index, f"{entry.experiment}/") is entry
    assert find_entry(index, f"{entry.experiment[:-1]}") is entry
    with pytest.raises(UsageError, match=r"expected a trial of grid \(0 to 3\)"):
        find_entry(index, "4")
    with pytest.raises(UsageError, match=r"expected the name of one run, found"):
        find_entry(index, "exp-")


def test_a_run_is_found_by_directory_and_by_trial(base: Path, grid_file: Path) -> None:
    entry = open_index(base).entries[1]
    assert entry.path is not None
    ways = [
        find_run(str(entry.path)),
        find_run(str(entry.path.parent)),
        find_run(entry.experiment, base.parent, base.name),
        find_run(f"{grid_file}:1"),
        find_run(f"{base}:1"),
    ]
    assert {record.path for record, _ in ways} == {entry.path}
    with pytest.raises(UsageError, match="pending"):
        find_run(f"{grid_file}:3")
    with pytest.raises(UsageError, match="expected a run"):
        find_run("nowhere")


def test_only_what_differs_is_told(base: Path) -> None:
    def record(trial: int) -> RunRecord:
        return find_run(f"{base}:{trial}")[0]

    assert differing_facts([record(0), record(0)]) == {}
    assert differing_facts([record(0), record(1)]) == {"params.training.rate": [0.1, 0.2]}
    assert differing_facts([record(0), record(1), record(0)]) == {
        "params.training.rate": [0.1, 0.2, 0.1]
    }


def test_the_best_run_is_copied_out_of_the_tree(base: Path, tmp_path: Path) -> None:
    index = open_index(base)
    assert index.metric is not None
    best = rank(index.entries, index.metric)[0]
    copies = copy_best(best, tmp_path / "out" / "best")
    names = ["hyperparameters.json", "performances.json", "model.02-2.5000.keras"]
    assert [path.name for path in copies] == names
    assert all(path.read_bytes() for path in copies)
    with pytest.raises(UsageError, match="new or empty directory"):
        copy_best(best, tmp_path / "out" / "best")


@pytest.fixture
def launched(base: Path, grid_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The grid with its default storage, launched beside its file; the file's directory."""
    text = grid_file.read_text()
    grid_file.write_text("".join(x for x in text.splitlines(True) if not x.startswith("storage")))
    (grid_file.parent / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(grid_file.parent)
    return grid_file.parent


@pytest.mark.parametrize("where", ["deep/er", "..", "deep"])
def test_a_sweep_read_from_another_directory_says_where_its_runs_are(
    launched: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(launched / where)
    file = launched / "grid.yaml"
    (note,) = open_index(file).notes
    assert f"no run in {Path.cwd()}/experiments/tree, but 3 trials with runs (3 fini" in note
    assert note.endswith(f"add --storage {launched}/experiments")
    assert not open_index(file, storage=launched / "experiments").notes
    with pytest.raises(UsageError, match=r"pending; .* add --storage"):
        find_run(f"{file}:1")


def test_a_tree_above_the_current_directory_is_offered(
    launched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(launched / "deep")
    (note,) = open_index(launched / "grid.yaml", storage=Path("other")).notes
    assert note == f"tree (sweep grid): no run in {launched}/deep/other/tree"
    with pytest.raises(UsageError, match=rf"did you mean {launched}/experiments/tree\?"):
        open_index(Path("tree"))


def test_a_sweep_with_runs_here_is_not_looked_for_elsewhere(
    launched: Path, run_trial: RunTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(launched / "deep")
    sweep = load_target(launched / "grid.yaml")
    assert "--storage" in runs_elsewhere(sweep)
    run_trial(sweep, next(sweep.trials()), rows=ROWS)
    assert runs_elsewhere(sweep) == ""
    assert not open_index(launched / "grid.yaml").notes
