"""A launch that is stopped as it starts, or as a whole job, or by the death of its Ray."""

from __future__ import annotations

import contextlib
import random
import signal
import time

import psutil
import pytest

from tests.process.launch.conftest import Launcher

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
LONG = {"epochs": 40, "delay": 0.2}


@pytest.mark.parametrize("seed", range(4))
def test_a_signal_in_the_first_seconds(launcher: Launcher, seed: int) -> None:
    rng = random.Random(seed)
    signum = rng.choice(SIGNALS)
    launcher.write(LONG)
    process = launcher.start()
    time.sleep(rng.uniform(1, 8))
    process.send_signal(signum)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signum
    assert "Traceback" not in err
    assert launcher.left() == []


def test_a_launch_that_is_killed_as_it_starts(launcher: Launcher) -> None:
    launcher.write(LONG)
    process = launcher.start()
    while not launcher.processes("RuntimeEnvAgent"):
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert launcher.left() == []


def test_a_job_is_stopped_all_its_processes_at_once(launcher: Launcher) -> None:
    launcher.write(LONG, retry={"max": 0})
    process = launcher.start()
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    trainers = [p for p in launcher.processes("forkserver") if p.ppid() != 1]
    # The worst order: the training processes first, the launch a little later.
    for each in (*trainers, *launcher.processes("ray::"), *launcher.processes()):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert {record.status for record in launcher.records()} == {"interrupted"}
    assert "2 interrupted, 2 pending" in err
    assert launcher.left() == []


@pytest.mark.parametrize("name", ["raylet/raylet", "gcs_server", "sweeper launch"])
def test_the_launch_survives_the_death_of_its_ray(launcher: Launcher, name: str) -> None:
    launcher.write(LONG, trials=2, retry={"max": 0})
    process = launcher.start()
    launcher.wait_for(lambda records: [bool(record.rows) for record in records] == [True, True])
    launcher.processes(name)[-1].kill()
    _, err = process.communicate(timeout=60)
    states = {record.status for record in launcher.records()}
    assert launcher.left() == []
    if states == {"finished"}:  # a GCS is missed after some seconds
        return
    assert process.returncode == 3, err
    assert states == {"interrupted"}
    assert "stopped: Ray ended by itself (" in err
    assert err.endswith(f"to go on: sweeper launch {launcher.file}\n")
    for record in launcher.records():
        assert "interrupted: Ray ended by itself" in record.paths.output.read_text()
