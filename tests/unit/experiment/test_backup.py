"""Backups are whole or not there, and hold what they were given."""

from __future__ import annotations

import math
import os
import shutil

import ml_dtypes
import numpy as np
import pytest

from sweeper.errors import TreeError
from sweeper.experiment.backup import BackupStore
from sweeper.tree import RunPaths

ARRAYS = {
    "model/0/a b/ü": np.arange(6, dtype="float32").reshape(2, 3),
    "half": np.array([1.5, math.nan], ml_dtypes.bfloat16),
    "scalar": np.array(3, "int64"),
    "empty": np.zeros((0, 4)),
    "flags": np.array([True, False]),
    "days": np.array(["2026-11-28", "NaT"], "datetime64[D]"),
    "records": np.array([(1, 2.5)], dtype=[("n", "i4"), ("x", "f8")]),
}
ONE = {"fit": 1}


@pytest.fixture
def store(tmp_path):
    for run in ("run", "other"):
        (tmp_path / "exp" / run).mkdir(parents=True)
    return BackupStore(RunPaths(tmp_path / "exp" / "run"))


def test_everything_comes_back(store):
    store.save(3, ARRAYS, {"fit": 1, "a": [1, "x", None]}, batch=7)
    (found,) = store.whole(1)
    assert (found.epoch, found.batch, found.state) == (3, 7, {"fit": 1, "a": [1, "x", None]})
    assert list(found.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()


def test_the_newest_and_the_one_before_it_are_kept(store):
    for epoch, batch in [(1, 0), (1, 5), (2, 0), (10, 0)]:
        store.save(epoch, {}, ONE, batch=batch)
    assert store.names() == ["epoch-000010", "epoch-000002"]
    assert store.newest_epoch() == 10
    store.clear()
    assert not store.root.exists()


def test_the_end_of_each_fit_is_kept_and_found_before_its_epochs(store):
    for fit in (1, 2, 3):
        store.save(fit * 10 - 1, {}, {"fit": fit})
        store.save(fit * 10, {}, {"fit": fit}, is_end=True)
    assert [(b.epoch, b.is_end) for b in store.whole(3)] == [(30, True), (29, False)]
    assert [(b.epoch, b.is_end) for b in store.whole(1)] == [(10, True)]
    assert store.newest_epoch() == 30
    store.remove_from(2)
    assert store.names("fit") == ["fit-000001"]
    assert store.names() == []


def test_the_same_epoch_again_replaces_it(store):
    store.save(1, {"a": np.zeros(1)}, ONE)
    store.save(1, {"a": np.ones(1)}, ONE)
    (found,) = store.whole(1)
    assert found.arrays["a"] == 1


@pytest.mark.parametrize("name", ["arrays.npz", "state.json"])
def test_one_that_cannot_be_read_is_not_set_aside_for_an_older_one(store, name):
    store.save(1, {}, ONE)
    store.save(2, {}, ONE)
    path = store.root / "epoch-000002" / name
    path.unlink()
    path.symlink_to(name)
    with pytest.raises(TreeError, match=f"{path}: expected a regular file, found a link"):
        list(store.whole(1))
    assert store.names() == ["epoch-000002", "epoch-000001"]


@pytest.mark.parametrize("name", ["arrays.npz", "state.json"])
def test_cut_anywhere_it_is_set_aside(store, name, caplog):
    store.save(1, {"a": np.zeros(1)}, ONE)
    store.save(2, ARRAYS, ONE)
    path = store.root / "epoch-000002" / name
    data = path.read_bytes()
    for size in [*range(0, len(data) - 1, max(1, len(data) // 40)), len(data) - 2]:
        path.write_bytes(data[:size])
        assert [backup.epoch for backup in store.whole(1)] == [1]
        assert str(path.parent) in caplog.text
        (kept,) = store._aside.iterdir()
        kept.rename(path.parent)
        caplog.clear()
    path.write_bytes(data)
    assert [backup.epoch for backup in store.whole(1)] == [2, 1]


def test_every_flipped_byte_of_the_arrays_is_seen_or_harmless(store):
    store.save(1, ARRAYS, ONE)
    path = store.root / "epoch-000001" / "arrays.npz"
    data = path.read_bytes()
    for place in range(0, len(data), 37):
        flipped = bytearray(data)
        flipped[place] ^= 0xFF
        path.write_bytes(flipped)
        found = list(store.whole(1))
        if found:
            assert [a.tobytes() for a in found[0].arrays.values()] == [
                a.tobytes() for a in ARRAYS.values()
            ]
        else:
            next(iter(store._aside.iterdir())).rename(path.parent)


@pytest.mark.parametrize("dtype", [object, [("n", "i4"), ("any", object)]])
def test_a_pickle_is_never_written(store, dtype):
    with pytest.raises(TypeError, match="a: an array of objects"):
        store.save(1, {"a": np.zeros(1, dtype)}, ONE)
    assert os.listdir(store.root) == []


def test_a_pickle_is_never_opened(store):
    store.save(1, {"a": np.zeros(1)}, ONE)

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(store.root / "exploded"),)

    with open(store.root / "epoch-000001" / "arrays.npz", "wb") as file:
        np.savez(file, **{"00000": np.array([Bomb()], dtype=object)})
    assert list(store.whole(1)) == []
    assert not (store.root / "exploded").exists()


def test_a_backup_of_another_run_is_foreign(store, tmp_path, caplog):
    store.save(1, {}, ONE)
    other = BackupStore(RunPaths(tmp_path / "exp" / "other"))
    shutil.copytree(store.root, other.root)
    assert list(other.whole(1)) == []
    assert "a backup of 'exp/run'" in caplog.text


def test_a_lost_lease_publishes_nothing(store, tmp_path):
    def guard():
        raise KeyError

    guarded = BackupStore(RunPaths(tmp_path / "exp" / "run"), guard)
    with pytest.raises(KeyError):
        guarded.save(1, ARRAYS, ONE)
    assert os.listdir(guarded.root) == []
