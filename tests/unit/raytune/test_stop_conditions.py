"""When a launch starts no further trial."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest

from sweeper.raytune.stop_conditions import StopConditions
from sweeper.sweepfile import Metric, Sweep


def aiming(grid: Sweep, mode: Literal["best", "last"], repeats: int = 1) -> StopConditions:
    metric = Metric("val_loss", target=0.2, mode=mode)
    return StopConditions(dataclasses.replace(grid, metric=metric, repeats=repeats))


def test_the_best_report_may_reach_the_target_while_a_trial_runs(grid: Sweep) -> None:
    conditions = aiming(grid, "best")
    conditions.reported(1.0)
    assert not conditions.winding_down()
    conditions.reported(0.1)
    assert conditions.reason == "val_loss has reached its target of 0.2"


@pytest.mark.parametrize("value", [float("-inf"), float("nan"), float("inf")])
def test_what_is_no_number_reaches_no_target(grid: Sweep, value: float) -> None:
    conditions = aiming(grid, "best")
    conditions.reported(value)
    conditions.scored(0, (value,))
    assert not conditions.winding_down()


def test_the_last_value_may_reach_it_only_when_the_trial_has_ended(grid: Sweep) -> None:
    conditions = aiming(grid, "last")
    for value in (1.0, 0.1, 5.0):
        conditions.reported(value)
    conditions.scored(0, (5.0,))
    assert not conditions.winding_down()
    conditions.scored(1, (0.1,))
    assert conditions.winding_down()


@pytest.mark.parametrize("mode", ["best", "last"])
def test_where_trials_repeat_it_is_the_mean(grid: Sweep, mode: Literal["best", "last"]) -> None:
    conditions = aiming(grid, mode, repeats=2)
    conditions.reported(0.1)
    conditions.scored(0, (0.1,))
    conditions.scored(0, (0.5,))
    conditions.scored(3, (0.1,))  # there were three replicates before: no neighbour's count
    assert not conditions.winding_down()
    conditions.scored(3, (0.2,))
    assert conditions.winding_down()


@pytest.mark.parametrize(
    ("name", "reported", "slip", "mend"),
    [
        ("los", ["loss"], True, "did you mean loss?"),
        ("val_acc", ["accuracy", "val_accuracy"], True, "did you mean val_accuracy?"),
        ("val_loss", ["loss"], False, "nothing was validated: pass validation data to model.fit"),
        (
            "val_categorical_accuracy",
            ["categorical_accuracy", "loss"],
            False,
            "nothing was validated: pass validation data to model.fit",
        ),
        ("f1", ["loss"], False, "pass `callbacks` to model.fit"),
        ("loss", [], False, "pass `callbacks` to model.fit"),
    ],
)
def test_what_is_said_of_trials_without_the_metric(
    grid: Sweep, name: str, reported: list[str], slip: bool, mend: str
) -> None:
    conditions = StopConditions(dataclasses.replace(grid, metric=Metric(name)))
    results = [{"trial": trial, "reported": reported} for trial in range(7)]
    assert conditions.is_slip(results[0]) == slip
    assert mend in conditions.no_metric(results[:1], known=False)
    text = conditions.no_metric(results, known=True)
    assert f"trials 0, 1, 2, 3, 4, … ended without reporting {name!r}: found" in text
    assert text.endswith("other runs have it")
