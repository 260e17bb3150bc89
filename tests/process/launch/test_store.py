"""Sweeps in an object store: nothing is lost, whoever dies, whatever the network does."""

from __future__ import annotations

import os
import random
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sweeper.tree import RunRecord
from tests import stores
from tests.process.launch.launcher import Launcher

pytestmark = pytest.mark.skipif(stores.missing() is not None, reason=str(stores.missing()))
EPOCHS = 6

KERAS = """
import time
import keras, numpy as np

def train(params, callbacks):
    xs = np.random.default_rng(3).normal(size=(64, 4)).astype("float32")
    model = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.2),
                              keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(params["rate"]), "mse")
    slow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(0.8))
    model.fit(xs, xs.sum(axis=1), epochs=6, batch_size=16, verbose=0, callbacks=[*callbacks, slow])
"""


def at(launcher: Launcher, store_port: int, mirror: str) -> Launcher:
    """The sweep over the mirror with that name, in a directory of its own."""
    other = launcher.elsewhere(mirror)
    mirrors = launcher.directory / f"mirrors-{mirror}"
    other.env |= stores.use(store_port, mirrors)
    other.base = mirrors / stores.SCHEME / "lab" / launcher.directory.name / "case"
    return other


def finished_once(launcher: Launcher, trials: int) -> None:
    """Has the store each trial once, and whole? Read over a new mirror."""
    told = launcher.read("status")
    assert told["counts"]["finished"] == trials, told["counts"]
    assert told["launches"] == []
    records = launcher.records()
    assert sorted(record.trial for record in records) == [*range(trials)]
    for record in records:
        assert [row["epoch"] for row in record.rows] == [*range(1, EPOCHS + 1)]
        assert not record.torn


def test_a_killed_launch_goes_on_elsewhere_bit_for_bit(launcher: Launcher, store_port: int) -> None:
    (launcher.directory / "train.py").write_text(KERAS)
    address = f"{stores.SCHEME}://lab/{launcher.directory.name}"
    keys = {
        "program": str(launcher.directory / "train.py"),
        "parameters": {"rate": {"value": 0.01}},
    }
    launcher.write({}, **keys)
    assert launcher.run("name=plain").returncode == 0
    launcher.write({}, storage=address, **keys)
    first, second = at(launcher, store_port, "a"), at(launcher, store_port, "b")
    process = first.start("-v")
    first.wait_for(lambda records: any(len(record.rows) > 2 for record in records))
    time.sleep(2)
    process.kill()
    process.communicate(timeout=60)
    done = second.run()
    assert done.returncode == 0, done.stderr
    (ours,) = second.records()
    assert len(ours.attempts) == 2
    assert ours.attempts[1]["resumed_from_epoch"] >= 1
    assert not ours.inexact
    reader = at(launcher, store_port, "c")
    finished_once(reader, 1)
    assert f"{stores.SCHEME}://lab/" in reader.read("best")["trials"][0]["checkpoint"]
    copied = reader.run("--copy-to", "copied", command="best")
    assert copied.returncode == 0, copied.stderr
    launcher.base = launcher.directory / "experiments" / "plain"
    (plain,) = launcher.records()
    (theirs,) = reader.records()
    assert theirs.paths.training_logs.read_bytes() == plain.paths.training_logs.read_bytes()
    (model,) = (reader.directory / "copied").glob("*.keras")
    assert plain.checkpoint is not None
    with zipfile.ZipFile(model) as one, zipfile.ZipFile(plain.checkpoint) as other:
        assert weights(one) == weights(other)


def weights(archive: zipfile.ZipFile) -> list[bytes]:
    import h5py

    found: list[bytes] = []
    with archive.open("model.weights.h5") as file, h5py.File(file) as h5:
        h5.visititems(
            lambda name, item: (
                found.append(np.asarray(item).tobytes()) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert found
    return found


@pytest.mark.slow
def test_launches_on_two_mirrors_do_each_trial_once(launcher: Launcher, store_port: int) -> None:
    rounds = int(os.environ.get("SWEEPER_TEST_KILLS", 1))
    choose = random.Random(14)
    trials = 4 + 4 * rounds
    launcher.write(
        {"epochs": EPOCHS, "delay": 0.7},
        trials,
        storage=f"{stores.SCHEME}://lab/{launcher.directory.name}",
    )
    places = [at(launcher, store_port, name) for name in "ab"]
    running = [place.start("--join", "-j", "1") for place in places]
    for _ in range(rounds):
        victim = choose.randrange(2)
        place, process = places[victim], running[victim]
        done = sum(len(record.rows) for record in place.records()) if place.base.is_dir() else 0
        begun = time.monotonic()

        def trains(records: list[RunRecord], done: int = done, begun: float = begun) -> bool:
            assert process.poll() is None, process.communicate()  # noqa: B023
            return sum(len(r.rows) for r in records) > done + 3 and time.monotonic() > begun + 3

        place.wait_for(trains)
        time.sleep(choose.random() * 3)
        process.kill()
        process.communicate(timeout=60)
        running[victim] = place.start("--join", "-j", "1")
    for process in running:
        _, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
    reader = at(launcher, store_port, "c")
    finished_once(reader, trials)
    # No more attempts than kills can have interrupted.
    assert sum(len(record.attempts) for record in reader.records()) <= trials + rounds


@pytest.mark.slow
def test_nothing_is_lost_on_a_bad_network(launcher: Launcher, store_port: int) -> None:
    faults = stores.Faults(store_port, float(os.environ.get("SWEEPER_TEST_FAULTS", 0.25)), seed=5)
    try:
        address = f"{stores.SCHEME}://lab/{launcher.directory.name}"
        launcher.write({"epochs": EPOCHS, "delay": 0.5}, trials=6, storage=address)
        ours = at(launcher, faults.port, "a")
        process = ours.start("-j", "2")
        ours.wait_for(lambda records: any(len(record.rows) > 2 for record in records))
        faults.down = True
        time.sleep(8)
        faults.down = False
        _, err = process.communicate(timeout=280)
    finally:
        faults.close()
    print(faults.counts)
    assert process.returncode == 0, err
    assert "it is tried again, and trials go on on this disk" in err
    assert faults.counts.total() > 20
    reader = at(launcher, store_port, "c")
    finished_once(reader, 6)
    assert sum(len(record.attempts) for record in reader.records()) == 6


@pytest.mark.skipif(stores.SCHEME != "s3", reason="it is that of S3")
def test_what_cannot_be_used_is_said_before_any_trial(launcher: Launcher, store_port: int) -> None:
    launcher.write({}, storage="hdfs://lab/x")
    assert "hdfs://lab/x: expected a directory, s3://BUCKET/PREFIX" in launcher.run().stderr
    launcher.write({}, storage="s3://gone/x")
    ours = at(launcher, store_port, "a")
    gone = ours.run()
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "s3://gone: there is no such bucket" in gone.stderr
    ours.env |= {"AWS_ACCESS_KEY_ID": ""}
    launcher.write({}, storage="gs://lab/x")
    refused = ours.run()
    assert refused.returncode == 2, refused.stderr
    assert "gs://lab: expected credentials, found none: set GOOGLE_APPLICATION" in refused.stderr
    assert not Path(ours.base).exists()


def test_a_trial_is_stopped_from_anywhere(launcher: Launcher, store_port: int) -> None:
    address = f"{stores.SCHEME}://lab/{launcher.directory.name}"
    epochs = 60
    launcher.write(
        {"epochs": epochs, "delay": 0.5, "hangs": [1]}, trials=4, parallel=2, storage=address
    )
    ours, far = at(launcher, store_port, "a"), at(launcher, store_port, "b")
    process = ours.start()
    ours.wait_for(lambda records: sum(len(record.rows) >= 2 for record in records) == 2)
    time.sleep(2)
    trains_and_waits = far.run("1", "3", command="stop")
    assert trains_and_waits.stdout == "stopped: trial 1\nstopped: trial 3\n"
    hangs = ours.run("0", command="stop")
    assert hangs.stdout == "stopped: trial 0\n", hangs.stderr
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "1 finished, 3 stopped" in err
    reader = at(launcher, store_port, "c")
    assert reader.read("status")["launches"] == []
    ended = {record.trial: (record.status, len(record.rows)) for record in reader.records()}
    status, rows = ended.pop(1)
    assert status == "stopped"
    assert 2 <= rows < epochs
    assert ended == {0: ("stopped", 2), 2: ("finished", epochs), 3: ("stopped", 0)}
    assert "trial 1 has ended: stopped" in reader.run("1", command="stop").stderr
