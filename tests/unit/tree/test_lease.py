"""One owner, a number that never comes back, and a sign of life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from sweeper.errors import LeaseLost, RunBusy, TreeError
from sweeper.tree import Lease, living_owner
from sweeper.tree import lease as leases
from sweeper.tree.lease import is_alive, lease_numbers, pid_scope


def pretend(directory, number, **changes):
    """A lease of somebody else's."""
    owner = {"number": number, **pid_scope(), "pid": os.getppid(), "started": None, **changes}
    if owner["started"] is None:
        owner["started"] = leases.process_start(owner["pid"])
    path = directory / leases.lease_name(number)
    path.write_text(json.dumps(owner))
    return path


def test_acquire_check_release(tmp_path):
    lease = Lease.acquire(tmp_path)
    lease.check()
    assert lease.number == 1
    assert living_owner(tmp_path)["pid"] == os.getpid()
    lease.release()
    assert os.listdir(tmp_path) == []
    with pytest.raises(
        LeaseLost, match="does not own it any more: another process has taken it over"
    ):
        lease.check()


def test_a_living_owner_is_named(tmp_path):
    pretend(tmp_path, 4)
    with pytest.raises(RunBusy, match=rf"process {os.getppid()} on {pid_scope()['host']}"):
        Lease.acquire(tmp_path)


def test_a_take_over_fences_the_old_owner(tmp_path):
    path = pretend(tmp_path, 4)
    lease = Lease.acquire(tmp_path, take_over=True)
    assert lease.number == 5
    assert not path.exists()
    lease.release()


def test_numbers_do_not_come_back(tmp_path):
    lease = Lease.acquire(tmp_path, at_least=7)
    assert lease.number == 7
    lease.release()


def test_the_same_process_may_take_over_from_itself(tmp_path):
    first = Lease.acquire(tmp_path)
    second = Lease.acquire(tmp_path)
    with pytest.raises(LeaseLost):
        first.check()
    second.check()
    first.release()  # harmless
    second.check()
    second.release()


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": 2**22 + 1, "started": 1.0},  # no such process
        {"started": 1.0},  # the number was given to another process since
        {"pid": "x"},
    ],
)
def test_the_dead_of_this_host_are_known_at_once(tmp_path, changes):
    pretend(tmp_path, 1, **{"started": 1.0, **changes})
    Lease.acquire(tmp_path).release()


def test_a_zombie_is_dead(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 10
    while leases.process_start(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert leases.process_start(child.pid) is None
    child.wait()


def test_other_hosts_live_by_their_heartbeat(tmp_path):
    path = pretend(tmp_path, 1, host="elsewhere")
    assert living_owner(tmp_path) is not None
    for seconds in (-100, 100):  # silent for long; or touched before the clock jumped back
        at = time.time() + seconds
        os.utime(path, (at, at))
        assert living_owner(tmp_path) is None


def test_a_container_beside_us_lives_by_its_heartbeat():
    owner = {**pid_scope(), "pidns": "pid:[1]", "pid": 1, "started": 0.0}
    assert is_alive(owner, time.time())
    assert not is_alive(owner, time.time() - 100)


@pytest.mark.parametrize("skew", [-150, 150])
def test_a_clock_that_goes_wrong_makes_nobody_dead(tmp_path, monkeypatch, skew):
    pretend(tmp_path, 1, host="elsewhere")
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + skew)
    with pytest.raises(RunBusy, match="on elsewhere"):
        Lease.acquire(tmp_path)
    assert os.listdir(tmp_path) == [leases.lease_name(1)]


@pytest.mark.parametrize("changes", [{"pidns": "pid:[1]"}, {"boot": "x"}, {"host": "x"}])
def test_another_container_with_our_pid_is_not_us(tmp_path, changes):
    pretend(tmp_path, 1, **{"pid": os.getpid(), **changes})
    with pytest.raises(RunBusy):
        Lease.acquire(tmp_path)


def test_a_process_that_had_our_pid_before_is_not_us(tmp_path):
    pretend(tmp_path, 1, pid=os.getpid(), started=1.0)
    assert living_owner(tmp_path) is None


def test_a_lease_that_cannot_be_read_is_no_sign_of_death(tmp_path):
    path = tmp_path / leases.lease_name(1)
    path.symlink_to(path.name)
    for look in (living_owner, Lease.acquire):
        with pytest.raises(TreeError, match=f"{path}: expected a regular file, found a link"):
            look(tmp_path)


def test_a_lease_whose_directory_cannot_be_looked_at_is_not_lost(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    lease = Lease.acquire(directory)
    kept = directory.rename(tmp_path / "kept")
    with pytest.raises(LeaseLost, match=f"{directory} is gone, renamed or removed"):
        lease.check()
    directory.symlink_to(directory.name)
    with pytest.raises(TreeError, match="cannot look at") as caught:
        lease.check()
    assert not isinstance(caught.value, LeaseLost)
    directory.unlink()
    kept.rename(directory)
    lease.check()
    lease.release()


def test_a_torn_lease_is_no_sign_of_life(tmp_path):
    (tmp_path / leases.lease_name(3)).write_text('{"pid"')
    lease = Lease.acquire(tmp_path)
    assert lease.number == 4
    assert lease_numbers(tmp_path) == [4]
    lease.release()


def test_a_vanished_directory(tmp_path):
    with pytest.raises(TreeError, match="was it removed"):
        Lease.acquire(tmp_path / "gone")


def test_a_jumping_clock_changes_nothing(tmp_path, monkeypatch):
    lease = Lease.acquire(tmp_path)
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert living_owner(tmp_path)["pid"] == os.getpid()
    lease.release()


def test_the_heartbeat_touches(tmp_path, monkeypatch):
    lease = Lease.acquire(tmp_path)
    os.utime(lease.path, (1, 1))
    lease.touch()
    assert lease.path.stat().st_mtime > 1
    lease.release()
    lease.touch()  # harmless


def test_leases_go_with_their_process_and_not_with_its_child(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom sweeper.tree import Lease\n"
        "lease = Lease.acquire(Path(sys.argv[1]))\n"
        "if os.fork() == 0:\n    lease.release()\n    sys.exit(0)\n"
        "os.wait()\nassert lease.held\nraise KeyError\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "KeyError" in done.stderr
    assert "Assertion" not in done.stderr
    assert os.listdir(tmp_path) == []
