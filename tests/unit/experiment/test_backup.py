"""Backups are whole or not there, and hold what they were given."""

from __future__ import annotations

import math
import os
import shutil

import ml_dtypes
import numpy as np
import pytest

from sweeper.experiment.backup import BackupStore
from sweeper.experiment.callback_state import CallbackStates, NotStorable, decode, encode
from sweeper.tree import RunPaths

ARRAYS = {
    "model/0/a b/ü": np.arange(6, dtype="float32").reshape(2, 3),
    "half": np.array([1.5, math.nan], ml_dtypes.bfloat16),
    "scalar": np.array(3, "int64"),
    "empty": np.zeros((0, 4)),
    "flags": np.array([True, False]),
}


@pytest.fixture
def store(tmp_path):
    return BackupStore(RunPaths(tmp_path / "exp" / "run"))


def test_everything_comes_back(store):
    store.save(3, 7, ARRAYS, {"a": [1, "x", None]})
    (found,) = store.whole()
    assert (found.epoch, found.batch, found.state) == (3, 7, {"a": [1, "x", None]})
    assert list(found.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()


def test_the_newest_and_the_one_before_it_are_kept(store):
    for epoch, batch in [(1, 0), (1, 5), (2, 0), (10, 0)]:
        store.save(epoch, batch, {}, {})
    assert store.names() == ["epoch-000010", "epoch-000002"]
    assert store.newest_epoch() == 10
    store.clear()
    assert not store.root.exists()


def test_the_same_epoch_again_replaces_it(store):
    store.save(1, 0, {"a": np.zeros(1)}, {})
    store.save(1, 0, {"a": np.ones(1)}, {})
    (found,) = store.whole()
    assert found.arrays["a"] == 1


@pytest.mark.parametrize("name", ["arrays.npz", "state.json"])
def test_cut_anywhere_it_is_set_aside(store, name, caplog):
    store.save(1, 0, {"a": np.zeros(1)}, {})
    store.save(2, 0, ARRAYS, {})
    path = store.root / "epoch-000002" / name
    data = path.read_bytes()
    for size in [*range(0, len(data) - 1, max(1, len(data) // 40)), len(data) - 2]:
        path.write_bytes(data[:size])
        assert [backup.epoch for backup in store.whole()] == [1]
        assert str(path.parent) in caplog.text
        (kept,) = store._aside.iterdir()
        kept.rename(path.parent)
        caplog.clear()
    path.write_bytes(data)
    assert [backup.epoch for backup in store.whole()] == [2, 1]


def test_every_flipped_byte_of_the_arrays_is_seen_or_harmless(store):
    store.save(1, 0, ARRAYS, {})
    path = store.root / "epoch-000001" / "arrays.npz"
    data = path.read_bytes()
    for place in range(0, len(data), 37):
        flipped = bytearray(data)
        flipped[place] ^= 0xFF
        path.write_bytes(flipped)
        found = list(store.whole())
        if found:
            assert [a.tobytes() for a in found[0].arrays.values()] == [
                a.tobytes() for a in ARRAYS.values()
            ]
        else:
            next(iter(store._aside.iterdir())).rename(path.parent)


def test_a_pickle_is_never_opened(store):
    store.save(1, 0, {"a": np.zeros(1)}, {})

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(store.root / "exploded"),)

    with open(store.root / "epoch-000001" / "arrays.npz", "wb") as file:
        np.savez(file, **{"00000": np.array([Bomb()], dtype=object)})
    assert list(store.whole()) == []
    assert not (store.root / "exploded").exists()


def test_a_backup_of_another_run_is_foreign(store, tmp_path, caplog):
    store.save(1, 0, {}, {})
    other = BackupStore(RunPaths(tmp_path / "exp" / "other"))
    shutil.copytree(store.root, other.root)
    assert list(other.whole()) == []
    assert "a backup of 'exp/run'" in caplog.text


def test_a_lost_lease_publishes_nothing(tmp_path):
    def guard():
        raise KeyError

    guarded = BackupStore(RunPaths(tmp_path / "exp" / "run"), guard)
    with pytest.raises(KeyError):
        guarded.save(1, 0, ARRAYS, {})
    assert os.listdir(guarded.root) == []


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 0.1, math.inf, "x", [1, [2]], (1, 2), {"a": {"array": 1}}, {"float": 1.0}],
)
def test_states_come_back(value):
    arrays = {}
    assert decode(encode(value, arrays, "w"), arrays) == value


def test_arrays_in_states_come_back():
    arrays = {}
    found = decode(encode({"w": [np.arange(3), np.float32(0.5)]}, arrays, "p"), arrays)
    np.testing.assert_array_equal(found["w"][0], np.arange(3))
    assert found["w"][1] == np.float32(0.5)
    assert type(found["w"][1]) is np.float32
    for bad in (object(), {1: 2}, lambda: 0, np.array([object()])):
        with pytest.raises(NotStorable):
            encode(bad, {}, "p")


class Callback:
    def __init__(self):
        self.patience = 3
        self.wait = 0
        self.model = object()
        self.data = np.zeros(1_000_000)
        self.monitor_op = None
        self.min_delta = 0.1


def test_only_what_changed_is_stored():
    callback = Callback()
    states = CallbackStates([callback])
    assert states.capture() == ([{"class": "Callback", "state": {}}], {})
    callback.wait, callback.min_delta = 2, -0.1
    callback.weights = [np.ones(2)]
    (state,), arrays = states.capture()
    assert set(state["state"]) == {"wait", "weights"}
    other = Callback()
    other.patience = 5  # changed between two attempts
    CallbackStates([other]).restore([state], arrays)
    assert (other.wait, other.patience, other.min_delta) == (2, 5, 0.1)
    np.testing.assert_array_equal(other.weights[0], np.ones(2))
