"""Launches that share a sweep: no trial twice, and nothing lost with one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

import psutil
import pytest

from sweeper.tree import launches
from sweeper.tree.lease import SILENCE_SECONDS
from tests.process.launch.launcher import Launcher, own_tmp


def each_once(launcher: Launcher, trials: int, epochs: int, attempts: int) -> None:
    records = launcher.records()
    assert sorted(r.trial for r in records if r.trial is not None) == [*range(trials)]
    assert {record.status for record in records} == {"finished"}
    assert {tuple(row["epoch"] for row in record.rows) for record in records} == {
        tuple(range(1, epochs + 1))
    }
    assert sum(len(record.attempts) for record in records) == attempts


def test_what_a_killed_launch_leaves_is_taken_up_by_another(launcher: Launcher) -> None:
    launcher.write({"epochs": 12, "delay": 0.8}, trials=6)
    first = launcher.start("--join", "-j", "1")
    launcher.wait_for(lambda records: any(record.rows for record in records))
    second = launcher.start("--join", "-j", "1")
    launcher.wait_for(lambda records: sum(record.status == "running" for record in records) == 2)
    told = launcher.read("status")["launches"]
    assert {one["host"] for one in told} == {os.uname().nodename}
    assert [one["slots"] for one in told] == [1, 1]
    slip = launcher.run()
    assert slip.returncode == 1
    assert f"by process {told[0]['pid']} on " in slip.stderr
    assert "share it with --join" in slip.stderr
    other = launcher.run("parameters.x.values=[1, 9]", "--join")
    assert other.returncode == 2
    assert "--join: expected the sweep that is being launched" in other.stderr
    launcher.wait_for(
        lambda records: (
            [len(r.rows) < 9 for r in records if r.status == "running" and r.rows] == [True] * 2
        )
    )
    first.kill()
    first.communicate(timeout=120)
    _, err = second.communicate(timeout=240)
    assert second.returncode == 0, err
    assert "6 finished" in err
    each_once(launcher, trials=6, epochs=12, attempts=7)
    assert not list((launcher.base / "sweeps" / "case").glob("[lcr]*"))
    assert launcher.left() == []


def test_a_launch_that_waits_for_another_says_so(launcher: Launcher) -> None:
    launcher.write({"epochs": 4000, "delay": 0.2}, trials=1)
    with launcher.start("-j", "1") as first:
        launcher.wait_for(lambda records: any(record.rows for record in records))
        with launcher.start("--join", "-j", "1") as second:
            assert second.stderr is not None
            assert any("other launches run what is left: waiting" in one for one in second.stderr)
            launcher.run(command="stop")
    assert (first.returncode, second.returncode) == (4, 4)


def test_a_population_is_not_shared(launcher: Launcher) -> None:
    x = {"min": 1.0, "max": 9.0}
    keys = {"early_terminate": {"type": "pbt"}, "run_cap": 4, "parameters": {"x": x}}
    launcher.write({}, method="random", **keys)
    refused = launcher.run("--join")
    assert refused.returncode == 2
    assert "--join: early_terminate: {type: pbt}: " in refused.stderr


def test_stop_ends_a_launch_from_elsewhere(launcher: Launcher) -> None:
    launcher.write({"epochs": 6, "delay": 0.5}, trials=3)
    process = launcher.start("-j", "1")
    launcher.wait_for(lambda records: any(record.rows for record in records))
    stopped = launcher.run(command="stop")
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.startswith("stopped: process ")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "stopped: `sweeper stop` was asked for\nto go on: " in err
    assert [record.status for record in launcher.records()] == ["interrupted"]
    process = launcher.start("-j", "1")
    launcher.wait_for(lambda records: any(record.status == "running" for record in records))
    asked = launcher.run("--after-current", command="stop")
    assert asked.stdout.startswith("asked: process ")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    ended = [record.status for record in launcher.records()]
    assert {*ended} == {"finished"}
    assert len(ended) < 3
    assert "nobody launches it" in launcher.run(command="stop").stderr
    assert not (launcher.base / "sweeps" / "case" / "stop.json").exists()
    assert launcher.left() == []


# A host of its own: no network but itself, and nothing else's process numbers.
HOST = ("unshare", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
BOOT = 'hostname "$0" && ip link set lo up; "$@"; exit $?'


def signal_all(host: subprocess.Popen[str], number: int) -> None:
    for process in psutil.Process(host.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    subprocess.run([*HOST, "ip link set lo up"], capture_output=True, check=False).returncode != 0,
    reason="no namespaces can be made here",
)
def test_of_three_hosts_one_is_killed_and_one_sleeps(launcher: Launcher) -> None:
    launcher.write({"epochs": 60, "delay": 1.0}, trials=3)
    home = launcher.base / "sweeps" / "case"
    with contextlib.ExitStack() as stack:
        hosts = []
        for number in range(3):
            launcher.prefix = (*HOST, BOOT, f"host-{number}")
            launcher.env["TMPDIR"] = str(stack.enter_context(own_tmp()))
            hosts.append(launcher.start("--join", "-j", "2" if number == 2 else "1"))
            launcher.wait_for(lambda records: len(launches(home)) == len(hosts))
            launcher.wait_for(lambda records: sum(bool(r.rows) for r in records) == len(hosts))
        assert [one["host"] for one in launches(home)] == ["host-0", "host-1", "host-2"]
        killed, sleeper, last = hosts
        signal_all(killed, signal.SIGKILL)
        killed.communicate(timeout=60)
        signal_all(sleeper, signal.SIGSTOP)
        time.sleep(SILENCE_SECONDS + 20)
        signal_all(sleeper, signal.SIGCONT)
        _, said = sleeper.communicate(timeout=300)
        _, err = last.communicate(timeout=600)
    assert last.returncode == 0, err
    assert sleeper.returncode in (0, 3), said
    each_once(launcher, trials=3, epochs=60, attempts=5)
    assert not list(home.glob("[lcr]*"))


def test_a_launch_without_a_terminal_is_refused_before_it_goes(launcher: Launcher) -> None:
    launcher.write({"epochs": 6, "delay": 0.5}, trials=3)
    begun = launcher.run("-d", "-j", "1")
    assert begun.stdout.startswith("process "), begun.stderr
    launcher.wait_for(lambda records: any(record.rows for record in records))
    second = launcher.run("-d", "-j", "1")
    assert second.returncode == 1
    assert "this sweep is being launched already" in second.stderr
    assert launcher.run("-d", "--join", "-j", "1").returncode == 0
    launcher.wait_for(lambda records: [r.status for r in records] == ["finished"] * 3)
    assert launcher.left() == []
    log = (launcher.base / "sweeps" / "case" / "launch.log").read_text()
    assert log.count("\n3 finished\n") == 2
    other = launcher.directory / "other.py"
    other.write_text("def train(params, callbacks):\n    ...\n")
    launcher.write({"epochs": 6, "delay": 0.5}, trials=3, program=str(other))
    refused = launcher.run("-d")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"expected runs of {other}" in refused.stderr
