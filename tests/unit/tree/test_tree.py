"""The tree: names, collisions, reading back, and cuts at every byte."""

from __future__ import annotations

import json
import os
import random
import shutil
from datetime import datetime
from types import SimpleNamespace

import pytest

from sweeper.errors import LeaseLost, TreeError, UsageError
from sweeper.experiment import ExperimentManager, close_run, prune_checkpoints
from sweeper.sweepfile import Trial
from sweeper.tree import (
    Choices,
    LiveTree,
    RunRecord,
    Tree,
    diff,
    explain,
    next_run_name,
    plan_trials,
)
from sweeper.tree.identity import canonical, digits_of, experiment_id, group_canonicals
from sweeper.tree.paths import run_order
from tests.opened import open_run

PARAMS = {"debug": False, "training": {"rate": 0.1}, "model": {"units": 8}, "comment": "x"}


@pytest.fixture
def base(tmp_path):
    return tmp_path / "tree"


def finished(base, params=PARAMS, outcome="finished", sweep="s", replicate=0, values=(3.0, 1.0)):
    run = open_run(base, params, sweep=sweep, replicate=replicate)
    for value in values:
        run.report(val_loss=value)
    run.paths.models.mkdir()
    (run.paths.models / f"model.02-{values[-1]:.4f}.keras").write_text("weights")
    run.close(outcome)
    return run


def sweep_of(*params, name="s", repeats=1):
    trials = [Trial(i * repeats + r, p, r, 1) for i, p in enumerate(params) for r in range(repeats)]
    return SimpleNamespace(
        adaptive=False,
        trials=lambda: iter(trials),
        monitored=("model", "training"),
        space=SimpleNamespace(is_finite=False),  # trials may repeat
        sweep_name=name,
        program=None,
        command=None,
    )


def plan(base, *params, choices=None, **options):
    return [
        (p.state, p.run.run if p.run else None)
        for p in plan_trials(sweep_of(*params, **options), Tree(base), choices)
    ]


def test_the_files_of_a_run(base):
    run = finished(base)
    found = sorted(str(p.relative_to(run.path)) for p in run.path.rglob("*"))
    assert [name for name in found if name != "git.diff"] == [
        "hyperparameters.json",
        "models",
        "models/model.02-1.0000.keras",
        "outcome.json",
        "performances.json",
        "run.json",
        "training-logs.csv",
    ]
    assert {*os.listdir(base)} - {"programs"} == {run.path.parent.name}
    assert json.loads(run.paths.hyperparameters.read_text()) == PARAMS
    record = json.loads(run.paths.provenance.read_text())
    assert sorted(record) == [
        "attempts", "format", "git", "monitored", "parent", "program", "python", "replicate",
        "seed", "sweep", "sweeper", "trial", "versions",
    ]  # fmt: skip
    assert sorted(record["attempts"][0]) == [
        "command_line", "cpus", "end", "ended", "gpus", "host", "number", "pid",
        "resumed_from_epoch", "source", "start",
    ]  # fmt: skip
    assert json.loads(run.paths.performances.read_text())["best"] == {"epoch": 2, "val_loss": 1.0}
    assert run.paths.training_logs.read_text() == "epoch,val_loss\n1,3.0\n2,1.0\n"
    outcome = json.loads(run.paths.outcome.read_text())
    assert sorted(outcome) == ["by", "elapsed", "epochs", "outcome", "time"]


def test_reading_back(base):
    finished(base)
    (record,) = Tree(base).all_runs()
    assert record.status == "finished"
    assert record.checkpoint.name == "model.02-1.0000.keras"
    assert (record.sweep, record.trial, record.replicate) == ("s", 0, 0)
    assert record.rows == [{"epoch": 1, "val_loss": 3.0}, {"epoch": 2, "val_loss": 1.0}]
    assert record.torn == []


def test_names_of_runs_grow_whatever_the_clock_says():
    now = datetime(2026, 11, 24, 0, 15)
    assert next_run_name([], now) == "run--26-11-24--00-15"
    taken = ["run--26-11-24--00-15"]
    for number in range(2, 13):
        name = next_run_name(taken, now)
        assert name == f"run--26-11-24--00-15-{number}"
        taken.append(name)
    assert sorted(taken, key=run_order) == taken
    assert next_run_name(taken, datetime(2025, 1, 1)) == "run--26-11-24--00-15-13"
    assert next_run_name(["notes", ".x"], now) == "run--26-11-24--00-15"


def test_debug_runs_are_apart(base):
    run = finished(base, {**PARAMS, "debug": True})
    assert run.path.parent.parent == base / "debug"
    assert list(Tree(base).all_runs()) == []
    assert plan(base, PARAMS) == [("new", None)]
    assert plan(base, {**PARAMS, "debug": True}) == [("reused", run.path.name)]


def test_a_tree_keeps_its_debug_tree_and_a_snapshot_one_that_is_a_snapshot(base):
    run = finished(base, {**PARAMS, "debug": True})
    for tree in (Tree(base), Tree(base).as_it_is()):
        assert tree.of(PARAMS) is tree
        assert tree.of({"debug": 1}) is tree
        assert tree.of({"debug": True}) is tree.debug is tree.of({"debug": True})
        assert [r.path for r in tree.debug.all_runs()] == [run.path]
    run.path.rename(run.path.with_name("gone"))
    assert [r.path for r in tree.debug.all_runs()] == [run.path]


def find_collision():
    """Two values of one group with the same eight digits: a real one, found by search."""
    seen = {}
    for number in range(200_000):
        digits = digits_of(canonical({"rate": number}))
        if digits in seen:
            return seen[digits], number
        seen[digits] = number
    raise AssertionError("no collision among 200,000 values: the odds are 1e-87")


def test_a_real_collision_extends_the_digits(base):
    first, second = find_collision()
    one, other = ({"training": {"rate": n}} for n in (first, second))
    ids = [experiment_id(group_canonicals(p, ["training"])) for p in (one, other)]
    assert ids[0] == ids[1]
    print(f"collision: training.rate {first} and {second} are both {ids[0]}")
    a, b = finished(base, one), finished(base, other)
    assert a.path.parent.name == ids[0]
    assert b.path.parent.name == experiment_id(group_canonicals(other, ["training"]), 9)
    tree = Tree(base)
    for params, run in ((one, a), (other, b)):
        assert tree.find(params, ["training"]) == run.path.parent.name
        again = open_run(base, params, sweep="again")
        assert (again.path, again.reopened) == (run.path, True)
    # In a tree of its own, the second has the short name: it is found by what is stored there.
    assert finished(base.parent / "alone", other).path.parent.name == ids[1]


def test_planning(base):
    other = {**PARAMS, "training": {"rate": 0.2}}
    assert plan(base, PARAMS, other, PARAMS) == [("new", None), ("new", None), ("reused", None)]
    run = finished(base)
    assert plan(base, PARAMS, other) == [("reused", run.path.name), ("new", None)]
    assert plan(base, PARAMS, name="another sweep") == [("reused", run.path.name)]
    assert plan(base, PARAMS, repeats=2) == [("reused", run.path.name), ("new", None)]


@pytest.mark.parametrize(
    ("outcome", "here", "elsewhere"),
    [
        ("finished", "reused", "reused"),
        ("stopped", "reused", "new"),
        ("pruned", "reused", "new"),
        ("failed", "failed", "new"),
        ("out-of-memory", "failed", "new"),
        ("timed-out", "failed", "new"),
    ],
)
def test_planning_by_outcome(base, outcome, here, elsewhere):
    run = finished(base, outcome=outcome)
    assert plan(base, PARAMS)[0][0] == here
    tree = Tree(base)
    again = Choices().also(tree, rerun=[RunRecord.at(run.path)])
    assert plan(base, PARAMS, choices=again) == [("new", None)]
    again.write(tree, "s")  # and the next launch, which is told nothing, goes on with that
    assert plan(base, PARAMS) == [("new", None)]
    assert plan(base, PARAMS, name="t")[0][0] == elsewhere


def test_interrupted_runs_are_resumed_by_their_own_sweep(base):
    run = open_run(base, PARAMS)
    run.report(loss=1.0)
    run.interrupt()
    assert plan(base, PARAMS) == [("resumed", run.path.name)]
    assert plan(base, PARAMS, name="t") == [("new", None)]
    again = open_run(base, PARAMS)
    assert again.path == run.path
    assert again.attempt == 2
    again.close("failed", ValueError("no"))
    retry = open_run(base, PARAMS)
    assert retry.path != run.path
    retry.close("finished")
    assert plan(base, PARAMS) == [("reused", retry.path.name)]


@pytest.mark.parametrize("outcome", ["finished", "stopped", "pruned"])
def test_whoever_opens_a_trial_whose_run_is_good_gets_that_one(base, outcome):
    run = finished(base, outcome=outcome)
    before = sorted((p, p.stat().st_mtime_ns) for p in base.rglob("*"))
    again = open_run(base, PARAMS, take_over=True)
    assert (again.path, again.reopened, again.closed) == (run.path, True, True)
    assert sorted((p, p.stat().st_mtime_ns) for p in base.rglob("*")) == before
    over = open_run(base, PARAMS, passed_over=[run.path.name])  # as --rerun says
    assert over.path != run.path
    over.close("finished")


@pytest.mark.parametrize("name", ["outcome.json", "run.json", "hyperparameters.json", ""])
def test_what_cannot_be_read_is_neither_torn_nor_absent(base, name):
    run = finished(base)
    hidden = run.path / name if name else run.path
    kept = hidden.rename(base / "kept")
    hidden.symlink_to(hidden.name)  # root, too, cannot read it: ELOOP
    (planned,) = plan_trials(sweep_of(PARAMS), Tree(base))
    assert planned.state == "unreadable"
    assert str(hidden) in str(planned.error)
    for take_over in (False, True):
        with pytest.raises(TreeError, match=f"{hidden}.*found a link"):
            open_run(base, PARAMS, take_over=take_over)
    if name in ("", "outcome.json"):
        with pytest.raises(TreeError, match=r"found a link|cannot read"):
            close_run(run.path, "failed")
    Tree(base).tidy()
    assert os.listdir(run.path.parent) == [run.path.name]
    hidden.unlink()
    kept.rename(hidden)
    assert not run.paths.aside.exists()
    assert plan(base, PARAMS) == [("reused", run.path.name)]


def test_an_experiment_that_cannot_be_listed_stops_its_own_trial_alone(base):
    other = {**PARAMS, "training": {"rate": 0.2}}
    run, good = finished(base), finished(base, other)
    kept = run.path.parent.rename(base / "kept")
    run.path.parent.symlink_to(run.path.parent.name)
    assert plan(base, PARAMS, other) == [("unreadable", None), ("reused", good.path.name)]
    Tree(base).tidy()
    run.path.parent.unlink()
    kept.rename(run.path.parent)
    assert plan(base, PARAMS) == [("reused", run.path.name)]


def test_a_good_run_beside_one_that_cannot_be_read_is_enough(base):
    run = finished(base)
    (run.path.parent / "run--26-01-01--00-00").symlink_to("run--26-01-01--00-00")
    assert plan(base, PARAMS) == [("reused", run.path.name)]
    assert open_run(base, PARAMS).path == run.path


def test_a_copied_tree_gives_the_same_answers(base, tmp_path):
    finished(base)
    shutil.copytree(base, tmp_path / "laptop")
    assert plan(base, PARAMS) == plan(tmp_path / "laptop", PARAMS)
    record = next(Tree(tmp_path / "laptop").all_runs())
    assert record.checkpoint.is_relative_to(tmp_path / "laptop")


def look_at_everything(base):
    tree = Tree(base)
    torn = []
    for record in tree.all_runs():
        assert record.status
        assert record.checkpoint is None or record.checkpoint.exists()
        assert record.elapsed >= 0
        assert isinstance(record.rows, list)
        torn += record.torn
    list(plan_trials(sweep_of(PARAMS), tree))
    prune_checkpoints(tree, keep=5)
    for experiment in tree.experiments():
        if any(r.params for r in tree.runs(experiment)):
            explain(tree, experiment)
    return torn


def cuts(size, every):
    return range(size) if every else sorted(random.Random(size).sample(range(size), min(size, 12)))


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_tree_cut_at_any_byte(base, every):
    run = finished(base)
    saved = base.parent / "saved"
    shutil.copytree(base, saved)
    number = 0
    for path in sorted(run.path.glob("*.[jc]s*")):
        data = path.read_bytes()
        for size in cuts(len(data), every):
            path.write_bytes(data[:size])
            torn = look_at_everything(base)
            whole = data[:size].strip() == data.strip()  # only the final newline is gone
            assert torn == ([] if whole and path.suffix == ".json" else [path]), (path, size)
            number += bool(torn)
            if plan(base, PARAMS)[0][0] in ("new", "resumed"):
                again = open_run(base, PARAMS)
                again.report(val_loss=0.5)
                assert again.close("finished")
                assert plan(base, PARAMS)[0][0] == "reused"
                shutil.rmtree(base)
                shutil.copytree(saved, base)
            path.write_bytes(data)
    print(f"{number} torn files")
    assert number


def test_garbage_is_torn_too(base):
    run = finished(base)
    for content in (b"", b"[]", b"\xff\xfe", b'{"outcome": "perfect"}', b"[" * 100_000):
        run.paths.outcome.write_bytes(content)
        assert run.paths.outcome in look_at_everything(base)


def test_strangers_in_the_tree_do_no_harm(base):
    finished(base)
    (base / "exp-notes").mkdir()
    (base / "exp-file").write_text("x")
    (base / ".DS_Store").write_text("x")
    (next(Tree(base).all_runs()).path.parent / "run--x").mkdir()
    assert len(list(Tree(base).all_runs())) == 1
    assert look_at_everything(base) == []


def test_the_driver_closes_what_its_worker_left(base):
    run = open_run(base, PARAMS)
    run.report(loss=1.0)
    behind = run.paths.performances.read_bytes()
    run.report(loss=0.9)
    run.paths.performances.write_bytes(behind)  # its worker lost the run before it wrote this
    assert not run.paths.output.exists()
    assert close_run(run.path, "stopped", why="enough")
    assert not close_run(run.path, "failed")
    record = next(Tree(base).all_runs())
    assert record.status == "stopped"
    assert record.outcome["by"] == "driver"
    assert record.outcome["epochs"] == 2
    assert record.performances["last"]["loss"] == record.performances["best"]["loss"] == 0.9
    assert run.paths.output.read_text() == "sweeper: enough\n"
    assert [a["ended"] for a in record.provenance["attempts"]] == ["stopped"]
    for write in (lambda: run.report(loss=0.5), lambda: run.close("finished")):
        with pytest.raises(LeaseLost):
            write()
    assert len(next(Tree(base).all_runs()).rows) == 2


def test_tidying_up(base):
    run = finished(base)
    (run.path / "backup" / "epoch-000001").mkdir(parents=True)
    (run.path / ".outcome.json.1-2-ab.tmp").write_text("{")
    old = base / ".new-1-x"
    old.mkdir()
    for directory in (run.path, old):
        (directory / "lease.000001.json").write_text("{}")
        os.utime(directory / "lease.000001.json", (1, 1))
    Tree(base).tidy()
    assert not old.exists()
    assert not run.paths.backup.exists()
    assert not list(run.path.glob("lease*"))
    assert not list(run.path.glob(".*"))


def test_diff_and_explain(base):
    a = finished(base)
    b = finished(base, {**PARAMS, "training": {"rate": 0.2, "decay": None}, "comment": "y"})
    records = [next(r for r in Tree(base).all_runs() if r.path == run.path) for run in (a, b)]
    assert [str(d) for d in diff(*records)] == [
        "training.decay: — → None",
        "training.rate: 0.1 → 0.2",
        "comment: 'x' → 'y'",
    ]
    assert [d.group for d in diff(*records)] == ["training", "training", None]
    text = ExperimentManager(base).explain(a.path.parent.name)
    assert "training.rate = 0.1" in text
    assert f"{b.path.parent.name} differs in" in text
    with pytest.raises(UsageError, match="no experiment"):
        explain(Tree(base), "exp-1")


def test_one_and_true_are_different(base):
    a = finished(base, {**PARAMS, "model": {"units": 1}})
    b = finished(base, {**PARAMS, "model": {"units": True}})
    records = [next(r for r in Tree(base).all_runs() if r.path == run.path) for run in (a, b)]
    assert len(diff(*records)) == 1


def test_pruning_over_the_sweep(base):
    runs = [
        finished(base, {**PARAMS, "training": {"rate": n}}, values=(9.0, float(n)))
        for n in range(4)
    ]
    left = open_run(base, PARAMS, trial=9)
    left.paths.models.mkdir()
    (left.paths.models / "model.01-9.0000.keras").write_text("x")
    removed = prune_checkpoints(Tree(base), keep=2)
    assert len(removed) == 2
    assert [bool(os.listdir(run.paths.models)) for run in runs] == [True, True, False, False]
    assert os.listdir(left.paths.models)
    left.interrupt()
    assert prune_checkpoints(Tree(base), keep=2, metric="other") == []


def test_pruning_by_another_metric_takes_that_ones_goal(base):
    runs = []
    for value in (0.1, 0.9):
        run = open_run(base, {"a": value})
        run.report(val_loss=1.0, accuracy=value, oddness=value)
        run.paths.models.mkdir()
        (run.paths.models / "model.01-1.0000.keras").write_text("x")
        run.close("finished")
        runs.append(run)
    with pytest.raises(UsageError, match="'oddness' is better: expected min or max"):
        prune_checkpoints(Tree(base), keep=1, metric="oddness")
    prune_checkpoints(Tree(base), keep=1, metric="accuracy")
    assert [len(os.listdir(run.paths.models)) for run in runs] == [0, 1]


def test_a_tree_that_is_looked_at_again_reads_what_has_changed(tmp_path, make_run):
    paths = [
        make_run(tmp_path, {"g": {"a": n}}, ["g"], outcome=outcome)
        for n, outcome in enumerate(("finished", "finished", None))
    ]
    for path in paths:
        os.utime(path, (1e9, 1e9))
    live = LiveTree(tmp_path)

    def read():
        found = {record.path: record for record in live.as_it_is().all_runs()}
        assert [record.status for record in found.values()]
        return found

    first = read()
    (paths[1] / "new.json").write_text("{}")
    again = read()
    assert [again[path] is first[path] for path in paths] == [True, False, False]
