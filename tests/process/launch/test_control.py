"""What is asked of launches while they run, from another process that sees the tree."""

from __future__ import annotations

import json
import os

import pytest

from sweeper.tree import Control, RunRecord, Tree
from tests.process.launch.launcher import Launcher


def runs_of(launcher: Launcher) -> dict[int, RunRecord]:
    return {record.trial: record for record in launcher.records() if record.trial is not None}


@pytest.mark.parametrize("words", [[], pytest.param(["--join"], marks=pytest.mark.slow)])
def test_trials_wait_where_they_are_while_a_sweep_is_paused(
    launcher: Launcher, words: list[str]
) -> None:
    launcher.write({"epochs": 12, "delay": 0.4}, trials=4)
    process = launcher.start("-j", "2", *words)
    launcher.wait_for(lambda records: sum(len(record.rows) > 0 for record in records) == 2)
    assert launcher.run(command="pause").stdout.startswith("paused: process ")
    launcher.wait_for(lambda records: {record.status for record in records} == {"interrupted"})
    there = {trial: len(record.rows) for trial, record in runs_of(launcher).items()}
    set_ = launcher.run("run_cap=3", "parallel=1", command="set")
    assert set_.stdout.startswith("run_cap: None -> 3\nparallel: None -> 1\ntold: process ")
    stopped = launcher.run("0", command="stop")
    assert stopped.stdout == "stopped: trial 0\n", stopped.stderr
    told = launcher.read("status")
    assert [line.split(" since")[0] for line in told["asked"]] == [
        "set: parallel=1 (the file: None)",
        "set: run_cap=3 (the file: None)",
        "paused",
    ]
    assert {len(record.rows) for record in runs_of(launcher).values()} == {*there.values()}
    assert launcher.run(command="continue").stdout.startswith("continued: process ")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "2 finished, 1 stopped" in err
    assert "`sweeper set`: parallel=1, run_cap=3" in err
    runs = runs_of(launcher)
    assert {trial: record.status for trial, record in runs.items()} == {
        0: "stopped",
        1: "finished",
        2: "finished",
    }
    assert [a.get("resumed_from_epoch") for a in runs[1].attempts] == [0, there[1]]
    assert [row["epoch"] for row in runs[1].rows] == [*range(1, 13)]
    assert len(runs[0].rows) == there[0]
    outcome = json.loads((runs[0].path / "outcome.json").read_text())
    assert (outcome["by"], outcome["epochs"]) == ("user", there[0])
    assert "sweeper: stopped by `sweeper stop` (" in runs[0].paths.output.read_text()
    again = launcher.run("--rerun", "0")
    assert again.returncode == 0, again.stderr
    assert {run.status for run in launcher.records() if run.trial == 0} == {"stopped", "finished"}
    assert launcher.left() == []


def test_a_trial_is_stopped_before_its_turn_in_the_middle_and_once(launcher: Launcher) -> None:
    launcher.write({"epochs": 3, "hangs": [1]}, trials=3)
    process = launcher.start("-j", "1")
    launcher.wait_for(lambda records: sum(len(record.rows) == 2 for record in records) == 1)
    assert launcher.run("2", "0", command="stop").stdout == "stopped: trial 0\nstopped: trial 2\n"
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "1 finished, 2 stopped" in err
    assert {trial: len(record.rows) for trial, record in runs_of(launcher).items()} == {
        0: 2,
        1: 3,
        2: 0,
    }
    assert "trial 2 has ended: stopped" in launcher.run("2", command="stop").stderr
    unknown = launcher.run("7", command="stop")
    assert unknown.returncode == 2
    assert "7: expected a trial of case (0 to 2)" in unknown.stderr
    fixed = launcher.run("method=random", command="set")
    assert fixed.returncode == 2
    assert "method: expected parallel, run_cap" in fixed.stderr
    assert Control.read(Tree(launcher.base).home("case")) == Control()
    assert launcher.left() == []


def test_what_waits_for_a_paused_sweep_can_be_stopped(launcher: Launcher) -> None:
    launcher.write({}, trials=2)
    assert "paused; nobody launches it" in launcher.run(command="pause").stderr
    other = launcher.elsewhere("other")
    astray = other.run("run_cap=1", command="set")
    assert astray.returncode == 2
    assert f"add --storage {launcher.base.parent}\n" in astray.stderr
    assert os.listdir(other.directory) == []
    process = launcher.start("-j", "1")
    launcher.wait_for(lambda records: bool([*launcher.base.glob("sweeps/case/lease*")]))
    assert launcher.run(command="stop").stdout.startswith("stopped: process ")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert launcher.records() == []
    assert launcher.left() == []


def test_budgets_are_those_of_all_launches_together(launcher: Launcher) -> None:
    budget = {"trials": 3, "wall": 100}
    launcher.write({"epochs": 4, "delay": 0.5}, trials=9, budget=budget)
    launcher.run("--join", command="pause")
    processes = [launcher.start("--join", "-j", "1") for _ in range(2)]
    launcher.wait_for(lambda records: len([*launcher.base.glob("sweeps/case/lease*")]) == 2)
    launcher.run(command="continue")
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [4, 4], said
    assert all("stopped: the budget of 3 trials is spent" in text for text in said)
    assert len(launcher.records()) == 3
    assert not (launcher.base / "sweeps" / "case" / "launched").exists()
    launcher.run(command="pause")
    late = launcher.start("--join", "-j", "1")
    launcher.wait_for(lambda records: bool([*launcher.base.glob("sweeps/case/lease*")]))
    assert "budget.wall: 100.0 -> 1.0" in launcher.run("budget.wall=1s", command="set").stdout
    _, err = late.communicate(timeout=60)
    assert late.returncode == 4, err
    assert "stopped: the budget of 1 s is spent" in err
    assert launcher.left() == []
