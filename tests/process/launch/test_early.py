"""Trials stopped early in real launches, over several launches too: on a running Ray cluster."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from sweeper.tree import RunRecord
from tests.process.launch.launcher import Launcher
from tests.process.launch.test_scripts import HYPERBAND, TRAIN, needs_wandb, prepare

EPOCHS = 9
DO = {"epochs": EPOCHS, "delay": 0.15}  # the loss of trial x is x / epoch
SIX = {"x": {"values": [4, 2, 6, 1, 5, 3]}, "do": {"value": DO}}


def by_x(launcher: Launcher) -> dict[float, RunRecord]:
    return {record.params["x"]: record for record in launcher.records()}


@pytest.mark.parametrize(
    ("early", "judged"),
    [
        # Rungs at 2, 4 and 8. Of six the best three stay at the first, of four two at the second.
        ({"type": "asha", "min_iter": 2, "max_iter": EPOCHS, "eta": 2}, {6: 2, 5: 2, 3: 4}),
        # After 2 epochs: 3 against the median of (3, 1.5), then 2.5 against that of four.
        pytest.param(
            {"type": "median", "min_iter": 2, "min_trials": 2},
            {6: 2, 5: 2},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda value: value.get("type"),
)
def test_bad_trials_are_stopped_and_the_best_is_the_same(
    early: dict[str, Any], judged: dict[int, int], launcher: Launcher, address: str, tmp_path: Path
) -> None:
    launcher.write(DO, parameters=SIX, parallel=1, early_terminate=early)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    records = by_x(launcher)
    assert len(records) == 6
    for x, record in records.items():
        epochs = [int(row["epoch"]) for row in record.rows]
        assert epochs == list(range(1, len(epochs) + 1))
        if x in judged:
            assert record.status == "stopped"
            assert record.outcome is not None
            assert record.outcome["by"] == "driver"
            assert judged[x] <= len(epochs) < EPOCHS
        else:
            assert record.status == "finished"
            assert len(epochs) == EPOCHS
    before = {path: path.stat().st_mtime_ns for path in launcher.base.glob("exp-*/run-*/*")}

    again = launcher.run("--address", address)
    assert again.returncode == 0
    assert again.stderr.startswith("case: 6 trials: 6 reused")
    assert before == {path: path.stat().st_mtime_ns for path in launcher.base.glob("exp-*/run-*/*")}

    (tmp_path / "whole").mkdir()
    whole = Launcher(tmp_path / "whole")
    whole.write(DO, parameters=SIX, parallel=2)
    assert whole.run("--address", address).returncode == 0
    assert {record.status for record in whole.records()} == {"finished"}
    first, best = (each.read("best")["trials"][0] for each in (launcher, whole))
    same = ("rank", "trial", "params", "experiment", "value", "epoch", "status")
    assert first["params"]["x"] == 1
    assert [first[key] for key in same] == [best[key] for key in same]


def interrupted(launcher: Launcher, address: str, x: float, rows: int) -> None:
    process = launcher.start("--address", address)
    launcher.wait_for(
        lambda records: any(r.params["x"] == x and len(r.rows) >= rows for r in records)
    )
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    record = by_x(launcher)[x]
    assert record.status == "interrupted"
    assert len(record.rows) < 12


def test_an_interrupted_trial_counts_where_it_has_been(launcher: Launcher, address: str) -> None:
    early = {"type": "asha", "min_iter": 2, "eta": 2}
    do = {"epochs": 12, "delay": 0.2}
    parameters = {"x": {"values": [1]}, "do": {"value": do}}
    launcher.write(do, parameters=parameters, early_terminate=early, parallel=1)
    interrupted(launcher, address, x=1, rows=5)
    parameters["x"] = {"values": [1, 2, 0.6]}
    launcher.write(do, parameters=parameters, early_terminate=early, parallel=1)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    records = by_x(launcher)
    assert records[1].status == "finished"
    assert [row["epoch"] for row in records[1].rows] == list(range(1, 13))
    assert records[1].provenance["attempts"][-1]["resumed_from_epoch"] >= 4
    # At the first rung there was 0.5, reported in the launch before: 1 is worse, 0.3 is not.
    assert records[2].status == "stopped"
    assert 2 <= len(records[2].rows) < 8
    assert records[0.6].status == "finished"


def test_a_resumed_trial_is_judged_by_all_its_reports(launcher: Launcher, address: str) -> None:
    early = {"type": "asha", "min_iter": 8, "eta": 3}
    launcher.write({"epochs": 12, "delay": 0.2}, trials=2, early_terminate=early, parallel=1)
    interrupted(launcher, address, x=2, rows=5)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("case: 2 trials: 1 resumed, 1 reused")
    records = by_x(launcher)
    assert records[1].status == "finished"
    # Its eighth report was the third or so of this launch.
    assert records[2].status == "stopped"
    assert 8 <= len(records[2].rows) < 12
    assert records[2].provenance["attempts"][-1]["resumed_from_epoch"] >= 4


@pytest.mark.slow
@needs_wandb
def test_asha_stops_random_wandb_scripts(launcher: Launcher, address: str) -> None:
    assert "type: hyperband" in HYPERBAND
    prepare(launcher, HYPERBAND.replace("type: hyperband", "type: asha"), TRAIN)
    done = launcher.run("--address", address, "-j", "1")
    assert done.returncode == 0, done.stderr
    records = launcher.records()
    stopped = [record for record in records if record.status == "stopped"]
    assert len(records) == 4
    assert stopped
    for record in records:
        assert len(record.rows) < 30 if record in stopped else len(record.rows) == 30
    best = max(records, key=lambda record: record.params["learning_rate"])
    assert best.status == "finished"
    assert launcher.left() == []


def test_debug_trials_are_closed_too(launcher: Launcher, address: str) -> None:
    parameters = {**SIX, "debug": {"value": True}}
    early = {"type": "asha", "min_iter": 2, "eta": 2}
    launcher.write(DO, parameters=parameters, parallel=1, early_terminate=early)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    counts = launcher.read("status")["counts"]
    assert counts["stopped"] >= 1
    assert counts["finished"] + counts["stopped"] == 6
    assert launcher.records() == []  # none counts
