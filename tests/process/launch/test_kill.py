"""A launch that is interrupted, or whose Ray dies: what it says, and what the runs say of it.

What must hold whatever dies, and when, is the table of ``tests.faults``.
"""

from __future__ import annotations

import os
import signal
import time

from tests.process.launch.launcher import Launcher


def test_interrupted_once_though_told_twice_as_by_a_slurm_job(launcher: Launcher) -> None:
    launcher.write({"epochs": 40, "delay": 0.2}, trials=4, retry={"max": 0})
    process = launcher.start()
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "interrupted" in err
    assert "\nstopping" in err
    assert f"to go on: sweeper launch {launcher.file}" in err
    assert "Traceback" not in err
    assert launcher.left() == []
    assert {record.status for record in launcher.records()} == {"interrupted"}
    for record in launcher.records():
        *_, last = record.paths.output.read_text().splitlines()
        assert last == "sweeper: interrupted: the launch got SIGTERM"


def test_a_driver_that_dies_before_it_has_begun(launcher: Launcher) -> None:
    launcher.write({}, trials=2)
    process = launcher.start()
    while not launcher.processes("forkserver"):
        pass  # else it is that which has not yet its own name
    while not (drivers := launcher.drivers(process)):
        pass
    drivers[0].kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert "2 pending\nstopped: Ray ended by itself (signal 9)" in err
    assert err.endswith(f"to go on: sweeper launch {launcher.file}\n")
    assert not launcher.base.exists()


def test_a_tree_that_goes_while_ray_starts_does_not_come_into_being_again(
    launcher: Launcher,
) -> None:
    launcher.write({}, trials=2)
    launcher.base.mkdir(parents=True)
    process = launcher.start()
    while not launcher.processes("gcs_server"):
        pass
    launcher.base.rename(launcher.base.with_name("moved"))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert f"{launcher.base} is gone, renamed or removed: put it back and launch again" in err
    assert not launcher.base.exists()


def test_two_launches_of_one_sweep(launcher: Launcher) -> None:
    launcher.write({"epochs": 400, "delay": 0.2}, trials=2)
    process = launcher.start()
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    second = launcher.run()
    assert second.returncode == 1
    (driver,) = launcher.drivers(process)
    assert f"by process {driver.pid} on {os.uname().nodename}" in second.stderr
    assert {trial["status"] for trial in launcher.read("status")["trials"]} == {"running"}
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert launcher.left() == []


def test_the_launch_survives_the_death_of_its_ray(launcher: Launcher) -> None:
    launcher.write({"epochs": 400, "delay": 0.2}, trials=2, retry={"max": 0})
    process = launcher.start()
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    (raylet,) = (p for p in launcher.processes("raylet/raylet") if p.name() == "raylet")
    raylet.terminate()  # Ray itself bears a SIGKILL better
    _, err = process.communicate(timeout=120)
    assert launcher.left() == []
    assert process.returncode == 3, err
    assert "stopped: Ray ended by itself (" in err
    assert err.endswith(f"to go on: sweeper launch {launcher.file}\n")
    for record in launcher.records():
        assert record.status == "interrupted"
        assert "interrupted: Ray ended by itself" in record.paths.output.read_text()
