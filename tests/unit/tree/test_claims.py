"""Launches that share a sweep take each trial once, without locks; the dead hold nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper import store
from sweeper.store.state import state
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Claims, Lease, count_start, elapsed, launches, remove_left, unused_number
from tests import stores
from tests.claimants import TRIALS, at_store, count, hold, member

MEMBERS = 8
spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    file = tmp_path / "s.yaml"
    file.write_text(
        f"method: grid\nprogram: s.py\nparameters: {{x: {{values: {list(range(TRIALS))}}}}}\n"
    )
    return load_sweep(file)


@pytest.fixture(params=["directory", "store"])
def home(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    if request.param == "directory":
        (tmp_path / "home").mkdir()
        yield tmp_path / "home"
        return
    port = request.getfixturevalue("store_port")
    for name, value in stores.use(port, tmp_path / "mirrors").items():
        monkeypatch.setenv(name, value)
    yield at_store(f"{stores.SCHEME}://lab/{tmp_path.name}/case/sweeps/s")
    monkeypatch.setattr(state, "connected", False)


@pytest.mark.parametrize("storage", ["plain", "without locks and hard links"])
def test_each_trial_has_one_taker(sweep: Sweep, home: Path, tmp_path: Path, storage: str) -> None:
    if storage != "plain" and store.address_of(home):
        pytest.skip("no file system is asked")
    done, barrier = tmp_path / "done", spawn.Barrier(MEMBERS)
    done.mkdir()
    processes = [
        spawn.Process(target=member, args=(sweep.path, home, done, barrier, storage))
        for _ in range(MEMBERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * MEMBERS
    assert len(os.listdir(done)) == TRIALS
    store.connect(home.parent.parent)
    remove_left(home)
    assert os.listdir(home) == []


def test_the_number_of_a_claim_does_not_come_back_in_the_same_moment() -> None:
    numbers = {unused_number(5.0) for _ in range(64)}
    assert len(numbers) > 16
    assert max(numbers) < unused_number(5.001)


def test_what_a_killed_launch_had_is_free_again(sweep: Sweep, home: Path) -> None:
    claims, trial, ready = Claims(sweep, home), next(sweep.trials()), spawn.Event()
    process = spawn.Process(target=hold, args=(sweep.path, home, ready))
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
    (home / "ray" / "1").mkdir(parents=True)
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


def test_every_start_of_a_trial_has_its_own_number(home: Path) -> None:
    met = spawn.SimpleQueue()
    processes = [spawn.Process(target=count, args=(home, met)) for _ in range(4)]
    for process in processes:
        process.start()
    assert sorted(met.get() for _ in range(40)) == [*range(1, 41)]
    for process in processes:
        process.join(60)
    store.connect(home.parent.parent)
    remove_left(home)
    assert count_start(home, 0) == 1


def test_time_counts_from_the_first_launch(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.connect(home.parent.parent)
    assert elapsed(home) < 60
    if (address := store.address_of(home)) is None:
        since = home / "launched" / "since"
        os.utime(since, (since.stat().st_mtime - 5,) * 2)
    else:
        time.sleep(5)
        monkeypatch.setenv("SWEEPER_MIRRORS", str(tmp_path / "another"))
        home = at_store(address)
    assert 4 <= elapsed(home) < 60
    remove_left(home)
    assert elapsed(home) < 4


def test_directories_that_ray_has_made_where_the_tree_was_go_again(tmp_path: Path) -> None:
    home = tmp_path / "tree" / "sweeps" / "s"
    (home / "ray" / "1" / "tune").mkdir(parents=True)
    remove_left(home)
    assert os.listdir(tmp_path) == []
    (home / "ray" / "1" / "tune").mkdir(parents=True)
    (home / "sweep.yaml").touch()
    remove_left(home)
    assert os.listdir(home) == ["sweep.yaml"]
