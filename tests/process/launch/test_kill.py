"""A launch that is killed or interrupted: nothing is lost, nothing is left, the next one ends it.

Each of these starts a private Ray, as a user's launch does.
"""

from __future__ import annotations

import os
import signal

import pytest

from sweeper.tree import RunRecord
from tests.process.launch.conftest import Launcher


def finished(records: list[RunRecord]) -> set[str]:
    return {str(record.path) for record in records if record.status == "finished"}


def check_whole(launcher: Launcher, trials: int, epochs: int) -> None:
    records = launcher.records()
    assert [record.status for record in records] == ["finished"] * trials
    for record in records:
        assert [row["epoch"] for row in record.rows] == list(range(1, epochs + 1))


def test_sigkill_of_the_driver(launcher: Launcher) -> None:
    launcher.write({"epochs": 5, "delay": 0.3}, trials=6)
    process = launcher.start()
    launcher.wait_for(lambda records: len(finished(records)) >= 2)
    process.kill()
    process.communicate()
    before = {
        path: os.stat(f"{path}/outcome.json").st_mtime_ns for path in finished(launcher.records())
    }
    assert launcher.left() == []
    states = {record.status for record in launcher.records()}
    assert states <= {"finished", "interrupted"}
    plan = launcher.read("plan")
    assert {t["state"] for t in plan["trials"]} <= {"new", "resumed", "reused"}

    done = launcher.run()
    assert done.returncode == 0, done.stderr
    check_whole(launcher, trials=6, epochs=5)
    for path, mtime in before.items():
        assert os.stat(f"{path}/outcome.json").st_mtime_ns == mtime
        assert str(path) in finished(launcher.records())
    assert launcher.left() == []


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
    ids=["INT", "TERM", "HUP", "QUIT"],
)
def test_interrupted_once(launcher: Launcher, signum: int, code: int) -> None:
    launcher.write({"epochs": 40, "delay": 0.2}, trials=4, retry={"max": 0})
    process = launcher.start()
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "interrupted" in err
    assert "\nstopping" in err
    assert f"to go on: sweeper launch {launcher.file}" in err
    assert "Traceback" not in err
    assert launcher.left() == []
    assert {record.status for record in launcher.records()} == {"interrupted"}
    for record in launcher.records():
        *_, last = record.paths.output.read_text().splitlines()
        assert last == f"sweeper: interrupted: the launch got {signal.Signals(signum).name}"


def test_two_launches_of_one_sweep(launcher: Launcher) -> None:
    launcher.write({"epochs": 40, "delay": 0.2}, trials=2)
    process = launcher.start()
    launcher.wait_for(lambda records: any(record.rows for record in records))
    second = launcher.run()
    assert second.returncode == 1
    (driver,) = launcher.processes("sweeper launch")[1:]
    assert f"by process {driver.pid} on {os.uname().nodename}" in second.stderr
    assert {trial["status"] for trial in launcher.read("status")["trials"]} == {"running"}
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert launcher.left() == []
