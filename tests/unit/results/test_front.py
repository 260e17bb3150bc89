"""Several goals and limits: who ranks first, the front, what it dominates, what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.results import front_of, index_sweep, of_several, rank, target_reached
from sweeper.results.front import hypervolume
from sweeper.results.ranking import run_values
from sweeper.results.summary import summary
from sweeper.sweepfile import Sweep, load_sweep

GOALS = [{"name": "loss", "goal": "minimize"}, {"name": "acc", "goal": "maximize"}]
SIZE = {"name": "mb", "max": 50}


@pytest.fixture
def made(tmp_path: Path, make_run: Any) -> Callable[..., Sweep]:
    def made(metrics: list[dict[str, Any]], *runs: list[dict[str, float]], **keys: Any) -> Sweep:
        file = tmp_path / "s.yaml"
        parameters = {"x": {"values": list(range(len(runs)))}}
        document = {"method": "grid", "metrics": metrics, "storage": str(tmp_path), **keys}
        file.write_text(
            yaml.safe_dump(
                {"program": "s.py", "parameters": parameters, "monitored": ["x"], **document}
            )
        )
        for x, rows in enumerate(runs):
            make_run(tmp_path / "s", {"x": x}, ["x"], rows=rows, trial=x, sweep="s")
        return load_sweep(file)

    return made


def trials(ranked: Any) -> list[int]:
    return [one.entry.trial for one in ranked]


def test_the_front_and_its_hypervolume(made: Callable[..., Sweep]) -> None:
    points = [(1, 0.5), (2, 0.9), (2.5, 0.8), (3, 0.95), (1, 0.5), (0.5, nan)]
    sweep = made(GOALS, *([{"loss": loss, "acc": acc}] for loss, acc in points))
    index = index_sweep(sweep)
    assert sweep.metric is not None
    ranked = rank(index.entries, sweep.metric)
    assert trials(ranked) == [5, 0, 4, 1, 2, 3]
    front = front_of(ranked, sweep.metric)
    assert trials(front.ranked) == [0, 4, 1, 3]
    assert front.reference == {"loss": 3, "acc": 0.5}
    assert front.hypervolume == pytest.approx(0.4)
    assert json.loads(json.dumps(summary(index)))["pareto"]["trials"] == [0, 4, 1, 3]
    (said,) = of_several(index, sweep.metric)
    assert said.startswith("front of loss and acc: trials 0, 4, 1, 3, hypervolume 0.4 (up to")


def test_what_keeps_the_limits_ranks_first(made: Callable[..., Sweep]) -> None:
    sizes = [60, 50, 40, nan, 55]
    runs = [[{"loss": x, "mb": mb}] for x, mb in enumerate(sizes)]
    sweep = made([SIZE, {"name": "loss", "goal": "minimize", "target": 0.5}], *runs)
    index = index_sweep(sweep)
    assert sweep.metric is not None
    assert trials(rank(index.entries, sweep.metric)) == [1, 2, 4, 0, 3]
    assert of_several(index, sweep.metric) == ["not kept: mb <= 50: trials 4, 0, 3"]
    assert not target_reached(index.entries, sweep.metric)
    assert summary(index)["best"]["objectives"] == {"mb": 50}


def test_the_other_metrics_are_those_of_the_epoch_that_counts(
    made: Callable[..., Sweep],
) -> None:
    rows = [{"loss": 3.0, "acc": 0.9}, {"loss": 1.0, "acc": 0.2}, {"mb": 70.0}]
    sweep = made([*GOALS, SIZE], rows, [{"loss": 2.0}])
    entry, _ = index_sweep(sweep).entries
    assert entry.record is not None
    assert run_values(entry.record, sweep.metric) == (1.0, 0.2, 20.0)
    assert run_values(entry.record, sweep.metric, upto=1)[:2] == (3.0, 0.9)  # type: ignore[index]
    assert run_values(entry.record, sweep.metric, upto=0) is None
    assert sweep.metric is not None
    assert sweep.metric.breaks((1.0, 0.2, 20.0)) == {"breaks": ["breaks mb <= 50"]}
    assert sweep.metric.breaks((1.0, 0.2, nan)) == {"breaks": ["without mb"]}
    assert sweep.metric.breaks((1.0, nan, -2.0)) == {"lacks": ["without acc"]}
    assert sweep.metric.breaks((1.0, 0.2, -inf)) == {}


def test_the_limit_of_a_goal_is_its_reference(made: Callable[..., Sweep]) -> None:
    metrics = [GOALS[0], {"name": "acc", "goal": "maximize", "min": 0.1}]
    sweep = made(metrics, [{"loss": 1.0, "acc": 0.5}], [{"loss": 2.0, "acc": 0.05}])
    assert sweep.metric is not None
    front = front_of(rank(index_sweep(sweep).entries, sweep.metric), sweep.metric)
    assert trials(front.ranked) == [0]
    assert front.reference == {"loss": 1.0, "acc": 0.1}


def test_a_volume_of_three_goals() -> None:
    points = [(0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    assert hypervolume(points, (1, 1, 1)) == pytest.approx(0.125 + 3 * 0.125)
    assert hypervolume([], (1, 1)) == 0
    assert hypervolume([(2, 2)], (1, 1)) == 0
