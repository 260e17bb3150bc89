"""When a trial that reports without the sweep's metric is noticed, and what is meant by it."""

from __future__ import annotations

import pytest

from sweeper.tree import means_metric, nearest_metric
from sweeper.worker.metric_watch import MetricWatch


@pytest.mark.parametrize(
    ("metric", "names", "meant"),
    [
        ("val_loss", ["epoch/loss", "epoch/val_loss", "epoch/epoch"], "epoch/val_loss"),
        ("val_accuracy", ["accuracy", "val_binary_accuracy", "loss"], "val_binary_accuracy"),
        ("val_acc", ["acc", "val_accuracy"], "val_accuracy"),
        ("val_loss", ["val/loss", "loss"], "val/loss"),
        ("val_loss", ["valid_loss", "loss"], "valid_loss"),
        ("los", ["loss", "acc"], "loss"),
        ("score", ["acc"], None),
        ("val_loss", ["loss", "acc"], None),
        ("val_categorical_accuracy", ["categorical_accuracy"], None),
    ],
)
def test_the_name_that_was_meant(metric: str, names: list[str], meant: str | None) -> None:
    assert nearest_metric(metric, names) == meant


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("val_loss", "loss"),
        ("val_loss", "train_loss"),
        ("loss", "batch/loss"),
        ("val_f1", "val_f2"),
        ("val_categorical_accuracy", "categorical_accuracy"),
    ],
)
def test_what_does_not_mean_the_metric(metric: str, name: str) -> None:
    assert not means_metric(name, metric)


def test_a_script_may_report_other_things_for_long() -> None:
    watch = MetricWatch("val_loss")
    assert not any(watch.look(["train_loss"], epoch_over=False) for _ in range(1000))
    assert watch.look(["val_loss"], epoch_over=False) is None
    assert watch.look(["epoch/val_loss"], epoch_over=True) is None


def test_another_name_of_the_metric_is_noticed_at_once_and_once() -> None:
    watch = MetricWatch("val_loss")
    assert watch.look(["loss"], epoch_over=False) is None
    assert watch.look(["epoch/val_loss"], epoch_over=False) == ["epoch/val_loss", "loss"]
    assert watch.look(["epoch/val_loss"], epoch_over=False) is None


def test_an_epoch_without_the_metric_is_noticed() -> None:
    assert MetricWatch("score").look(["loss"], epoch_over=True) == ["loss"]
    assert MetricWatch("val_loss").look(["loss", "val_acc"], epoch_over=True)
    assert MetricWatch(None).look(["loss"], epoch_over=True) is None


def test_validation_may_come_every_few_epochs_only() -> None:
    watch = MetricWatch("val_loss")
    found = [watch.look(["loss", "acc"], epoch_over=True) for _ in range(12)]
    assert [bool(names) for names in found] == [False] * 9 + [True] + [False] * 2
