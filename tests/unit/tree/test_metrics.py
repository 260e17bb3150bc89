"""Rows, best and last."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sweeper.errors import UsageError
from sweeper.tree import Monitor, as_row, best_row, mode_of, read_rows


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


def test_every_cut_of_a_log_is_read(tmp_path):
    path = tmp_path / "log.csv"
    data = b"epoch,loss\n1,0.5\n2,0.25\n"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        rows, torn = read_rows(path)
        assert len(rows) == max(0, data[:size].count(b"\n") - 1)
        assert torn or data[:size].endswith(b"\n")


def test_the_best_ignores_what_is_no_number():
    rows = [as_row(i, {"loss": v}) for i, v in enumerate([math.nan, 2.0, 1.0, -math.inf, 1.0], 1)]
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
