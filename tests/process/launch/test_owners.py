"""Who may go on: a trial that is over, a launch that has been replaced."""

from __future__ import annotations

import shutil

from sweeper.tree import Lease
from tests.process.launch.launcher import Launcher


def test_a_finished_trial_whose_worker_is_lost_is_not_run_again(launcher: Launcher) -> None:
    launcher.write({"epochs": 2, "loses_worker": [2]}, trials=3)
    done = launcher.run("-j", "1")
    assert done.returncode == 0, done.stderr
    assert "trial 1 goes again: " in done.stderr
    assert "trial 1 finished loss=1" in done.stderr
    records = launcher.records()
    assert [record.status for record in records] == ["finished"] * 3
    assert [len(record.provenance["attempts"]) for record in records] == [1] * 3


def test_a_launch_that_has_been_replaced_leaves_and_touches_nothing(launcher: Launcher) -> None:
    launcher.write({"epochs": 400, "delay": 0.1}, trials=4)
    process = launcher.start("-j", "2")
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    home = launcher.base / "sweeps" / "case"
    # As another launch does, whose machine has not heard of this one for long.
    other = Lease.acquire(home, take_over=True)
    shutil.rmtree(home / "ray")
    workers = home / "ray" / str(other.number) / "workers"
    workers.mkdir(parents=True)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    lost = f"sweeper: {home}: this process (lease {other.number - 1}) does not own it any more: "
    assert lost in err
    assert "has taken it over" in err
    assert "Traceback" not in err
    assert launcher.left() == []
    assert workers.is_dir()
    assert other.held
    records = launcher.records()
    assert [record.status for record in records] == ["interrupted"] * 2
    for record in records:
        assert record.provenance["attempts"][-1].get("ended") is None
