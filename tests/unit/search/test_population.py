"""Who makes room for whom, given a tree: runs and backups are real, only Ray is not there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.experiment import Run, can_have_child, child_of_trial, close_run
from sweeper.raytune.tune_schedulers import replace_by_child
from sweeper.results import index_sweep, rank
from sweeper.results.index import index_directory
from sweeper.search import Population, searcher_for
from sweeper.sweepfile import ADAPTIVE_METHODS, Sweep, load_sweep
from sweeper.tree import PlannedTrial, RunRecord, Tree, plan_trials
from sweeper.worker.trial import finish
from tests.opened import open_run_of

PARAMETERS = {"rate": {"min": 0.0, "max": 1.0}, "kind": {"values": ["a", "b"]}}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Sweep]:
    def load(early: str = "{type: pbt}", **keys: Any) -> Sweep:
        file = tmp_path / "s.yaml"
        sweep = {
            "method": "random", "metric": {"name": "loss"}, "run_cap": 20,
            "storage": str(tmp_path), "parameters": PARAMETERS,
            "early_terminate": yaml.safe_load(early), **keys,
        }  # fmt: skip
        file.write_text(yaml.safe_dump(sweep))
        return load_sweep(file)

    return load


def value_of(sweep: Sweep, run: RunRecord) -> list[float] | None:
    return [run.rows[-1]["loss"]] if run.rows else None


class Launch:
    """A population and its trials, each trained by one call at a time."""

    def __init__(self, sweep: Sweep, room: Callable[[int], bool] = lambda waiting: True) -> None:
        self.sweep = sweep
        tree = Tree(sweep.base_dir)
        searcher = searcher_for(sweep) if sweep.method in ADAPTIVE_METHODS else None
        planned = list(plan_trials(sweep, tree))
        self.population = Population(
            sweep,
            tree,
            searcher,
            planned,
            partial(value_of, sweep),
            room,
            can_have_child,
            partial(child_of_trial, sweep, tree),
        )
        self.runs: dict[int, Run] = {}

    def start(self) -> PlannedTrial:
        item = next(self.population)
        assert item is not None
        trial = item.trial
        run = open_run_of(self.sweep, trial)
        if item.state == "resumed":
            assert item.run is not None
            assert run.path == item.run.path
        self.runs[trial.index] = run
        return item

    def train(self, trial: int, loss: float) -> bool:
        """One more epoch, reported and then saved; stopped at once if it is to be."""
        run = self.runs[trial]
        saved = run.restore() if not run.log.rows else None
        run.report(loss=loss)
        state = run.path.parent.parent / "state"
        state.mkdir(exist_ok=True)
        before = (saved / "memory").read_text() if saved else ""
        if run.log.rows[:-1]:
            before = (state / f"memory-{trial}").read_text()
        text = f"{before}{trial}:{loss} "
        (state / f"memory-{trial}").write_text(text)
        own = state / f"{trial}"
        own.mkdir(exist_ok=True)
        (own / "memory").write_text(text)
        run.save(own)
        record = RunRecord.at(run.path)
        stop = self.population.reported(trial, record, run.log.last_epoch, loss)
        if stop:
            close_run(run.path, "stopped")
            self.population.ended(trial, (loss,))
        return stop

    def finish(self, trial: int) -> None:
        self.runs[trial].close("finished")
        self.population.ended(trial, (0.0,))


def test_a_bad_trial_makes_room_for_a_child_of_a_good_one(load: Callable[..., Sweep]) -> None:
    sweep = load()
    launch = Launch(sweep)
    for _ in range(4):
        launch.start()
    assert not launch.train(0, 9.0)  # alone
    assert not launch.train(1, 3.0)
    assert not launch.train(2, 5.0)  # the worst of three is 0
    for _ in range(3):
        assert not launch.train(3, 1.0)
    assert launch.train(0, 9.0)  # after 1 epoch, where the others have been
    child = launch.start()
    assert child.trial.index == 4
    assert child.state == "resumed"
    best = launch.runs[3]
    record = RunRecord.at(launch.runs[4].path)
    assert record.parent == {"experiment": best.path.parent.name, "run": best.path.name, "epoch": 3}
    assert record.params != best.params
    assert record.params == child.trial.params
    assert launch.runs[4].resumed_epoch == 3
    assert not launch.train(4, 0.9)
    assert [row["epoch"] for row in RunRecord.at(record.path).rows] == [4]
    state = launch.runs[4].restore()
    assert state is not None
    assert (state / "memory").read_text() == "3:1.0 3:1.0 3:1.0 4:0.9 "
    assert RunRecord.at(launch.runs[0].path).status == "stopped"
    # The parent trains on, and its own state is its own.
    assert not launch.train(3, 0.8)
    launch.finish(3)
    attempts = json.loads(record.paths.provenance.read_text())["attempts"]
    assert [attempt["number"] for attempt in attempts] == [1]


def test_only_multiples_of_the_interval_from_min_iter_on(load: Callable[..., Sweep]) -> None:
    launch = Launch(load("{type: pbt, interval: 2, min_iter: 3}"))
    for _ in range(4):
        launch.start()
    ends = {}
    for epoch in range(1, 8):
        for trial in (1, 2, 3, 0):
            if trial not in ends and launch.train(trial, float(10 - trial)):
                ends[trial] = epoch
    # After 4 epochs 10 is the worst of four; after 6, where it is the first, 9 of three.
    assert ends == {0: 4, 1: 7}


def test_early_birds_are_judged_when_others_have_come_as_far(load: Callable[..., Sweep]) -> None:
    launch = Launch(load("{type: pbt, interval: 2}"))
    for _ in range(3):
        launch.start()
    for loss in (9.0, 9.0):
        assert not launch.train(0, loss)
    for trial in (1, 2):
        for _ in range(2):
            assert not launch.train(trial, 1.0)
    # Its value after 2 epochs is what counts until others have 4, unless it is better by now.
    assert not launch.train(0, 0.5)
    assert not launch.train(0, 1.0)
    assert launch.train(0, 1.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_is_worst(load: Callable[..., Sweep], bad: float) -> None:
    launch = Launch(load(metric={"name": "loss", "goal": "maximize"}))
    for _ in range(3):
        launch.start()
    assert not launch.train(0, 1.0)
    assert not launch.train(1, -5.0)
    assert launch.train(2, bad)
    child = launch.start()
    parent = child.run.parent if child.run else None
    assert parent is not None
    assert parent["run"] == launch.runs[0].path.name
    assert parent["experiment"] == launch.runs[0].path.parent.name


def test_equal_trials_go_on(load: Callable[..., Sweep]) -> None:
    launch = Launch(load())
    for _ in range(5):
        launch.start()
    for _ in range(3):
        assert not any(launch.train(trial, 1.0) for trial in range(5))


def test_the_dead_have_no_children(load: Callable[..., Sweep]) -> None:
    launch = Launch(load())
    for _ in range(4):
        launch.start()
    for trial in (0, 1):
        assert not launch.train(trial, 1.0)
        launch.finish(trial)
    assert not launch.train(2, 3.0)  # those that did better are over
    assert launch.train(3, 4.0)  # 2 is the best that is not
    child = launch.start()
    assert child.run is not None
    assert child.run.parent is not None
    assert child.run.parent["experiment"] == launch.runs[2].path.parent.name


def test_without_backups_every_trial_goes_on(
    load: Callable[..., Sweep], caplog: pytest.LogCaptureFixture
) -> None:
    launch = Launch(load())
    for epoch in (1, 2, 3):
        for trial in range(4):
            if epoch == 1:
                launch.start()
            run = launch.runs[trial]
            run.report(loss=float(trial))
            assert not launch.population.reported(
                trial, RunRecord.at(run.path), epoch, float(trial)
            )
        # After its first report a run may be about to save its state.
        said = caplog.text.count("no trial has a backup from which another could go on")
        assert said == (epoch > 1)


def test_run_cap_counts_children(load: Callable[..., Sweep]) -> None:
    launch = Launch(load(run_cap=5))
    for _ in range(4):
        launch.start()
    stopped = []
    for _ in range(3):
        for trial in (3, 2, 1, 0):
            if trial not in stopped and launch.train(trial, float(trial)):
                stopped.append(trial)
    assert stopped == [3]
    assert launch.start().trial.index == 4
    with pytest.raises(StopIteration):
        next(launch.population)


def test_a_child_waits_for_room(load: Callable[..., Sweep]) -> None:
    asked = []

    def room(waiting: int) -> bool:
        asked.append(waiting)
        return False

    launch = Launch(load(), room)
    for _ in range(3):
        launch.start()
    assert not launch.train(0, 1.0)
    assert not launch.train(1, 2.0)
    assert not launch.train(2, 3.0)
    assert asked == [0]
    assert len(list(Tree(launch.sweep.base_dir).all_runs())) == 3


def test_a_child_may_have_nothing_left_to_train(load: Callable[..., Sweep]) -> None:
    launch = Launch(load())
    for trial, loss in ((0, 1.0), (1, 2.0), (2, 3.0)):
        launch.start()
        assert launch.train(trial, loss) == (trial == 2)
    launch.start()
    # The parent's only epoch was the last one, so the train function returns at once.
    assert launch.runs[3].restore() is not None
    assert finish(launch.runs[3], "loss")["outcome"] == "finished"
    entries = {entry.trial: entry for entry in index_sweep(launch.sweep).entries}
    assert (entries[3].status, entries[3].epochs) == ("finished", 0)
    assert launch.sweep.metric is not None
    ranked = rank(entries.values(), launch.sweep.metric)
    assert [item.entry.trial for item in ranked] == [0, 1, 2]


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("grid", {"parameters": {"rate": {"values": [0.1, 0.2, 0.3]}, "kind": {"value": "a"}}}),
        ("bayes", {}),
    ],
)
def test_members_come_from_the_method(
    load: Callable[..., Sweep], method: str, keys: dict[str, Any]
) -> None:
    launch = Launch(load(method=method, **keys))
    members = [launch.start().trial for _ in range(3)]
    assert [trial.index for trial in members] == [0, 1, 2]
    if method == "grid":
        assert [trial.params["rate"] for trial in members] == [0.1, 0.2, 0.3]
        assert next(launch.population) is None  # a child may come yet
        assert next(launch.population) is None
    for trial, loss in ((0, 1.0), (1, 2.0), (2, 3.0)):
        assert launch.train(trial, loss) == (trial == 2)
    child = launch.start()
    assert child.trial.index == 3
    if method == "bayes":
        assert launch.start().trial.index == 4
        return
    # The only neighbours of a parent in this grid are parameters that a member has.
    assert child.trial.params["rate"] in (0.1, 0.2, 0.3)
    tree = Tree(launch.sweep.base_dir)
    for index in (index_sweep(launch.sweep), index_directory(tree, "s", "s")):
        status = {entry.trial: entry.status for entry in index.entries}
        assert status == {0: "running", 1: "running", 2: "stopped", 3: "running"}


def test_the_next_launch_goes_on(load: Callable[..., Sweep]) -> None:
    sweep = load(method="grid", parameters={"rate": {"values": [0.1, 0.2, 0.3, 0.4]}}, run_cap=7)
    first = Launch(sweep)
    for _ in range(4):
        first.start()
    for trial in (0, 1, 2):
        assert first.train(trial, float(trial)) == (trial == 2)
    started = first.start()  # a child of 0, and another one that never starts
    assert first.train(3, 9.0)
    for trial in (0, 1, 4):
        first.runs[trial].interrupt("killed")
    states = {i.trial.index: i.state for i in plan_trials(sweep, Tree(sweep.base_dir))}
    expected = {0: "resumed", 1: "resumed", 2: "reused", 3: "reused", 4: "resumed", 5: "resumed"}
    assert states == expected

    second = Launch(sweep)
    again = [second.start() for _ in range(4)]
    assert [item.trial.index for item in again] == [0, 1, 4, 5]
    assert {item.state for item in again} == {"resumed"}
    assert again[2].trial.params == started.trial.params
    assert second.runs[4].resumed_epoch == second.runs[5].resumed_epoch == 1
    assert next(second.population) is None
    # What was reported before counts: 0, 1, 2 and 9 after the first epoch.
    assert not second.train(0, 0.0)
    assert not second.train(1, 5.0)
    assert second.train(5, 6.0)
    assert second.start().trial.index == 6
    assert not second.train(4, 7.0)  # run_cap
    with pytest.raises(StopIteration):
        next(second.population)
    assert len(list(plan_trials(sweep, Tree(sweep.base_dir)))) == 7


def test_a_child_is_no_result_of_its_parameters(load: Callable[..., Sweep]) -> None:
    sweep = load(method="grid", parameters={"rate": {"values": [0.1, 0.2, 0.3]}})
    launch = Launch(sweep)
    for _ in range(3):
        launch.start()
    for trial in range(3):
        launch.train(trial, float(trial))
    child = launch.start()
    launch.finish(3)
    for trial in (0, 1):
        launch.runs[trial].interrupt()
    other = load(
        method="grid", sweep_name="other", parameters={"rate": {"values": [0.1, 0.2, 0.3]}},
        early_terminate=None,
    )  # fmt: skip
    assert [i.state for i in plan_trials(other, Tree(other.base_dir))] == ["new"] * 3
    # Nor is it that of the member with the same parameters, which goes on in its own run.
    again = Launch(sweep)
    assert [again.start().trial.index for _ in range(2)] == [0, 1]
    found = {i.trial.index: i for i in plan_trials(sweep, Tree(sweep.base_dir))}
    assert (found[3].state, found[3].trial.params) == ("reused", child.trial.params)


def test_pb2_chooses_numbers_by_what_was_gained(load: Callable[..., Sweep]) -> None:
    sweep = load("{type: pb2}", parameters={"rate": {"min": 0.0, "max": 1.0}}, run_cap=60, seed=2)
    launch = Launch(sweep)
    losses = {}
    for _ in range(6):
        losses[launch.start().trial.index] = 100.0
    chosen = []
    for _ in range(12):
        for trial in list(losses):
            rate = launch.runs[trial].params["rate"]
            losses[trial] -= 1 - 4 * (rate - 0.6) ** 2  # most is gained at 0.6
            if launch.train(trial, losses[trial]):
                del losses[trial]
                item = launch.start()
                child, parent = item.trial.index, item.run.parent if item.run else None
                assert parent is not None
                losses[child] = min(
                    float(run.log.rows[-1]["loss"])
                    for run in launch.runs.values()
                    if run.path.parent.name == parent["experiment"]
                )
                chosen.append(item.trial.params["rate"])
    assert len(chosen) >= 6
    late = chosen[len(chosen) // 2 :]
    assert sum(abs(rate - 0.6) for rate in late) / len(late) < 0.2


def test_the_scheduler_asks_the_population(load: Callable[..., Sweep]) -> None:
    sweep = load()
    launch = Launch(sweep)
    scheduler = replace_by_child(launch.population)
    for _ in range(4):
        launch.start()
    for trial, loss in ((0, 1.0), (1, 2.0)):
        launch.train(trial, loss)
    path = launch.runs[2].path
    result = {"trial": 2, "path": str(path), "epoch": 1, "metric": 5.0, "iteration": 1}
    assert scheduler.on_trial_result(None, None, {**result, "done": True}) == "CONTINUE"
    assert scheduler.on_trial_result(None, None, {"trial": 2, "epoch": 1}) == "CONTINUE"
    assert scheduler.on_trial_result(None, None, result) == "STOP"
    # Epoch 2 of trial 3 without the metric repeats what it said after epoch 1.
    result |= {"trial": 3, "path": str(launch.runs[3].path), "metric": 1.5}
    assert scheduler.on_trial_result(None, None, result) == "CONTINUE"
    assert scheduler.on_trial_result(None, None, {**result, "epoch": 2}) == "CONTINUE"
    assert launch.population._values[2] == {}
