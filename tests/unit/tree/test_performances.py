"""Rows, best and last."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import UsageError
from sweeper.tree import Monitor, TrainingLog, as_row, best_row, mode_of
from sweeper.tree.performances import read_rows


class Tensor:
    def numpy(self):
        return np.float32(0.5)


def test_numbers_of_every_kind(caplog):
    row = as_row(1, {"a": 1, "b": np.float32(0.1), "c": np.array(2.0), "d": Tensor(), "e": "x"})
    assert row == {"epoch": 1, "a": 1.0, "b": float(np.float32(0.1)), "c": 2.0, "d": 0.5}
    assert "'e' is not recorded" in caplog.text


@pytest.mark.parametrize("epoch", [0, -1, 1.5, True, "1"])
def test_epochs_count_from_one(epoch):
    with pytest.raises(UsageError, match="counted from 1"):
        as_row(epoch, {})


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(), min_size=1), min_size=1))
def test_every_float_comes_back(tmp_path_factory, metrics):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    log = TrainingLog(path)
    rows = [as_row(epoch, row) for epoch, row in enumerate(metrics, 1)]
    for row in rows:
        log.record(row)
    found, torn = read_rows(path)
    assert not torn
    assert repr(found) == repr(rows)
    assert repr(TrainingLog(path).rows) == repr(rows)


def test_odd_names_of_metrics(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    names = ['a,b', 'say "hi"', "ünder", "two words"]  # fmt: skip
    row = as_row(1, dict.fromkeys(names, 1.0))
    log.record(row)
    assert read_rows(log.path) == ([row], False)


def test_a_repeated_epoch_replaces_its_row_and_a_new_column_rewrites(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    for epoch, metrics in [(1, {"loss": 3.0}), (2, {"loss": 2.0}), (2, {"loss": 1.0})]:
        log.record(as_row(epoch, metrics))
    assert log.path.read_text() == "epoch,loss\n1,3.0\n2,1.0\n"
    log.record(as_row(3, {"loss": 0.5, "auc": 0.9}))
    assert log.path.read_text() == "epoch,auc,loss\n1,,3.0\n2,,1.0\n3,0.9,0.5\n"
    log.record(as_row(1, {"loss": 9.0}))
    assert [row["epoch"] for row in log.rows] == [1, 2, 3]
    log.cut(1)
    assert log.path.read_text() == "epoch,loss\n1,9.0\n"
    log.cut(0)
    assert not log.path.exists()


def test_a_torn_end_is_dropped_and_mended(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,0.5\n2,0.2")
    assert read_rows(path) == ([{"epoch": 1, "loss": 0.5}], True)
    log = TrainingLog(path)
    log.record(as_row(2, {"loss": 0.25}))
    assert path.read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


def test_every_cut_of_a_log_is_read(tmp_path):
    path = tmp_path / "log.csv"
    data = b"epoch,loss\n1,0.5\n2,0.25\n"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        rows, torn = read_rows(path)
        assert len(rows) == max(0, data[:size].count(b"\n") - 1)
        assert torn or data[:size].endswith(b"\n")


def test_the_best_ignores_nan():
    rows = [as_row(i, {"loss": v}) for i, v in enumerate([math.nan, 2.0, 1.0, math.nan, 1.0], 1)]
    assert best_row(rows, Monitor("loss", "min"))["epoch"] == 3
    assert best_row(rows, Monitor("loss", "max"))["epoch"] == 2
    assert best_row(rows[:1], Monitor("loss")) is None
    assert best_row(rows, Monitor("other")) is None


def test_val_loss_is_monitored_once_there_is_one():
    monitor = Monitor()
    assert monitor.look_at({"epoch": 1, "loss": 1.0})
    assert monitor.name == "loss"
    assert monitor.look_at({"epoch": 2, "loss": 1.0, "val_loss": 1.0})
    assert monitor.name == "val_loss"
    assert not monitor.look_at({"epoch": 3, "loss": 1.0})
    asked = Monitor("auc")
    assert not asked.look_at({"epoch": 1, "val_loss": 1.0})


@pytest.mark.parametrize(
    ("metric", "mode"),
    [("loss", "min"), ("val_accuracy", "max"), ("val_auc", "max"), ("mae", "min"),
     ("reconstruction_loss", "min"), ("f1_score", "max"), ("error_rate", "min")],
)  # fmt: skip
def test_the_mode_by_name(metric, mode):
    assert mode_of(metric) == mode
