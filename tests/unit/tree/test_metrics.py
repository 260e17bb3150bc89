"""Rows, best and last."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sweeper.errors import UsageError
from sweeper.tree import Monitor, as_row, best_row, read_rows


class Tensor:
    def numpy(self):
        return np.float32(0.5)


def test_numbers_of_every_kind(caplog):
    row = as_row(1, {"a": 1, "b": np.float32(0.1), "c": np.array(2.0), "d": Tensor(), "e": "x"})
    assert row == {"epoch": 1, "a": 1.0, "b": float(np.float32(0.1)), "c": 2.0, "d": 0.5}
    assert "'e' is not recorded" in caplog.text


class Odd:
    def item(self):
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")

    def __repr__(self):
        raise RuntimeError("deleted")


def test_one_element_of_any_shape_is_a_number():
    one = {"a": np.array([0.5]), "b": np.array([[[0.5]]]), "c": True, "d": np.bool_(True)}
    assert as_row(1, one) == {"epoch": 1, "a": 0.5, "b": 0.5, "c": 1.0, "d": 1.0}


def test_what_is_no_number_is_said_once_and_ends_nothing(caplog):
    none = {
        "vector": np.array([1.0, 2.0]), "empty": np.array([]), "list": [0.5], "none": None,
        "text": np.str_("good"), "complex": np.complex64(1), "huge": 10**400, "odd": Odd(),
    }  # fmt: skip
    said = set()
    for epoch in (1, 2, 3):
        assert as_row(epoch, {**none, "loss": 1.0}, said) == {"epoch": epoch, "loss": 1.0}
    for name in none:
        assert caplog.text.count(f"metric '{name}' is not recorded: expected a number") == 1


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


def test_a_metric_of_which_nothing_says_what_is_better_is_not_monitored(caplog):
    monitor = Monitor("oddness")
    assert monitor.look_at({"epoch": 1, "loss": 1.0, "oddness": 1.0})
    assert (monitor.name, monitor.goal) == ("loss", "min")
    monitor.look_at({"epoch": 2, "loss": 1.0, "oddness": 1.0})
    assert caplog.text.count("nothing says whether more or less of 'oddness' is better") == 1
    asked = Monitor("oddness", "max")
    assert not asked.look_at({"epoch": 1, "loss": 1.0})
    assert asked.goal == "max"


def test_without_a_loss_the_first_metric_that_can_be_judged_is_monitored(caplog):
    monitor = Monitor()
    monitor.look_at({"epoch": 1, "oddness": 1.0})
    assert (monitor.name, monitor.goal) == (None, None)
    assert "no epoch is the best" in caplog.text
    monitor.look_at({"epoch": 2, "auc": 1.0, "oddness": 1.0})
    assert (monitor.name, monitor.goal) == ("auc", "max")


def test_what_the_metric_itself_says_goes_before_its_name_and_is_remembered():
    monitor = Monitor("accuracy")
    monitor.mode_of = {"accuracy": "min"}.get
    assert monitor.look_at({"epoch": 1, "accuracy": 1.0})
    assert monitor.goal == "min"
    again = Monitor("oddness")
    again.remember("oddness", "max")
    assert not again.look_at({"epoch": 2, "oddness": 1.0})
    assert (again.name, again.goal) == ("oddness", "max")
    other = Monitor("auc")
    other.remember("oddness", "min")
    assert (other.name, other.goal) == ("auc", "max")
