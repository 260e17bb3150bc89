"""Launches that share a sweep take each trial once, without locks; the dead hold nothing."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeper import store
from sweeper.store.state import state
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Claims, Lease, launches, remove_left
from tests import stores

MEMBERS, TRIALS = 8, 30
fork = multiprocessing.get_context("fork")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    file = tmp_path / "s.yaml"
    file.write_text(
        f"method: grid\nprogram: s.py\nparameters: {{x: {{values: {list(range(TRIALS))}}}}}\n"
    )
    return load_sweep(file)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    if (lacks := stores.missing()) is not None:
        pytest.skip(lacks)
    with stores.object_store() as port:
        yield port


@pytest.fixture(params=["directory", "store"])
def home(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    if request.param == "directory":
        (tmp_path / "home").mkdir()
        yield tmp_path / "home"
        return
    port = request.getfixturevalue("port")
    for name, value in stores.use(port, tmp_path / "mirrors").items():
        monkeypatch.setenv(name, value)
    yield at_store(f"s3://lab/{tmp_path.name}/case/sweeps/s")
    monkeypatch.setattr(state, "connected", False)


def at_store(address: str) -> Path:
    home = store.local(address)
    home.mkdir(parents=True)
    return home


def member(sweep: Sweep, home: Path, done: Path, barrier: Any) -> None:
    if (address := store.address_of(home)) is not None:
        os.environ["SWEEPER_MIRRORS"] += f"-{os.getpid()}"  # a machine of its own
        home = at_store(address)
        store.connect(home.parent.parent)
    claims = Claims(sweep, home)
    barrier.wait(60)
    while len(os.listdir(done)) < TRIALS:
        for trial in sweep.trials():
            mark = done / str(trial.index)
            if not mark.exists() and claims.take(trial) is not None:
                if not mark.exists():
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                claims.release(trial.index)


@pytest.mark.parametrize("storage", ["plain", "without locks and hard links"])
def test_each_trial_has_one_taker(
    sweep: Sweep, home: Path, tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if storage != "plain" and store.address_of(home):
        pytest.skip("no file system is asked")

    def fail(*arguments: Any, **named: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    if storage != "plain":
        monkeypatch.setattr(fcntl, "flock", fail)
        monkeypatch.setattr(fcntl, "lockf", fail)
        monkeypatch.setattr(os, "link", fail)
    done, barrier = tmp_path / "done", fork.Barrier(MEMBERS)
    done.mkdir()
    processes = [
        fork.Process(target=member, args=(sweep, home, done, barrier)) for _ in range(MEMBERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * MEMBERS
    assert len(os.listdir(done)) == TRIALS
    store.connect(home.parent.parent)
    remove_left(home)
    assert os.listdir(home) == []


def _hold(sweep: Sweep, home: Path, ready: Any) -> None:
    store.connect(home.parent.parent)
    claims = Claims(sweep, home)
    assert claims.take(next(sweep.trials())) is not None
    Lease.acquire(home, beside=True, slots=3)
    with claims.choosing() as our_turn:
        assert our_turn
        ready.set()
        signal.pause()


def test_what_a_killed_launch_had_is_free_again(sweep: Sweep, home: Path) -> None:
    claims, trial, ready = Claims(sweep, home), next(sweep.trials()), fork.Event()
    process = fork.Process(target=_hold, args=(sweep, home, ready))
    process.start()
    assert ready.wait(60)
    store.connect(home.parent.parent)
    ours = Lease.acquire(home, beside=True, slots=1)
    assert claims.take(trial) is None
    assert claims.elsewhere() == {0}
    assert {(one["pid"], one["slots"]) for one in launches(home)} == {
        (os.getpid(), 1),
        (process.pid, 3),
    }
    with claims.choosing() as our_turn:
        assert not our_turn
    process.kill()
    process.join()
    assert claims.elsewhere() == set()
    with claims.choosing() as our_turn:
        assert our_turn
    (home / "ray" / "2").mkdir(parents=True)
    remove_left(home)
    assert sorted(os.listdir(home)) == [ours.path.name]
    assert claims.take(trial) is not None
    claims.release_all()
    ours.release()


def test_a_launch_elsewhere_holds_its_trial_until_it_has_been_silent(
    sweep: Sweep, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.connect(home.parent.parent)
    claims, trial = Claims(sweep, home), next(sweep.trials())
    lease = claims.take(trial)
    assert lease is not None
    owner = {**json.loads(lease.path.read_text()), "host": "elsewhere"}
    lease.path.write_text(json.dumps(owner))
    other = Claims(sweep, home)
    assert other.take(trial) is None
    seen = lease.path.stat().st_mtime - 100
    if store.address_of(home):  # whose own clock dates what it has
        monkeypatch.setattr(state, "shift", state.shift - 100)
        store.forget()
    else:
        os.utime(lease.path, (seen, seen))
    taken = other.take(trial)
    assert taken is not None
    assert taken.number > lease.number
    assert not lease.held  # should it come back
    claims.release(trial.index)
    assert taken.held
    other.release(trial.index)


def test_two_trials_of_a_launch_with_the_same_run_go_one_after_the_other(
    sweep: Sweep, home: Path
) -> None:
    store.connect(home.parent.parent)
    claims, trial = Claims(sweep, home), next(sweep.trials())
    assert claims.take(trial) is not None
    again = sweep.trial_of(7, trial.params)
    assert claims.take(again) is None
    assert claims.take(sweep.trial_of(8, trial.params, replicate=1)) is not None
    claims.release(trial.index)
    assert claims.take(again) is not None
    claims.release_all()
    assert os.listdir(home / "claims") == []
