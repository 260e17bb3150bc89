from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.experiment import Tree
from sweeper.results import (
    check_metric,
    index_directory,
    metric_names,
    monitored_metric,
    named_metric,
    rank,
)
from sweeper.spec import Metric

LOW = Metric("val_loss", "minimize")
Add = Callable[..., Path]


@pytest.fixture
def add(tmp_path: Path, make_run: Any) -> Add:
    count = iter(range(100))

    def add(*values: float, **options: Any) -> Path:
        number = next(count)
        rows = [{"loss": 1.0 / epoch, "val_loss": v} for epoch, v in enumerate(values, 1)]
        params = {"model": {"x": number}}
        path: Path = make_run(tmp_path, params, ["model"], rows=rows, trial=number, **options)
        return path

    return add


def ranking(
    base: Path, metric: Metric, top: int | None = None
) -> list[tuple[int | None, float, int]]:
    entries = sorted(index_directory(Tree(base), "x").entries, key=lambda e: e.trial or 0)
    return [(r.entry.trial, r.score.value, r.score.epoch) for r in rank(entries, metric, top)]


def test_the_best_epoch_counts(tmp_path: Path, add: Add) -> None:
    add(3.0, 1.0, 2.0)
    add(2.0, 1.5, 1.4)
    assert ranking(tmp_path, LOW) == [(0, 1.0, 2), (1, 1.4, 3)]
    assert ranking(tmp_path, Metric("val_loss", "maximize")) == [(0, 3.0, 1), (1, 2.0, 1)]
    assert ranking(tmp_path, LOW, top=1) == [(0, 1.0, 2)]


def test_or_the_last_epoch_if_the_sweep_says_so(tmp_path: Path, add: Add) -> None:
    add(3.0, 1.0, 2.0)
    add(2.0, 1.5, 1.4)
    assert ranking(tmp_path, Metric("val_loss", mode="last")) == [(1, 1.4, 3), (0, 2.0, 3)]


def test_nan_never_wins(tmp_path: Path, add: Add) -> None:
    add(nan, nan)
    add(5.0, nan)
    add(nan, 4.0, inf)
    assert ranking(tmp_path, LOW) == [(2, 4.0, 2), (1, 5.0, 1)]
    assert ranking(tmp_path, Metric("val_loss", "maximize")) == [(2, inf, 3), (1, 5.0, 1)]
    assert ranking(tmp_path, Metric("val_loss", mode="last")) == [(2, inf, 3)]


def test_failed_runs_are_left_out_and_running_ones_are_not(tmp_path: Path, add: Add) -> None:
    for outcome in ("failed", "out-of-memory", "timed-out", "stopped", None):
        add(1.0, outcome=outcome)
    assert [trial for trial, *_ in ranking(tmp_path, LOW)] == [3, 4]


def test_another_metric_than_the_monitored_one_is_ranked_too(tmp_path: Path, add: Add) -> None:
    add(1.0, 2.0, 3.0)
    add(1.0)
    assert ranking(tmp_path, Metric("loss")) == [(0, 1.0 / 3, 3), (1, 1.0, 1)]


def test_without_its_summary_a_run_is_ranked_by_its_log(tmp_path: Path, add: Add) -> None:
    (add(3.0, 1.0, 2.0) / "performances.json").unlink()
    (add(3.0, 1.5, 2.0) / "performances.json").write_text("{")
    assert ranking(tmp_path, LOW) == [(0, 1.0, 2), (1, 1.5, 2)]
    assert ranking(tmp_path, Metric("val_loss", mode="last")) == [(0, 2.0, 3), (1, 2.0, 3)]


def test_equal_values_keep_the_order_of_the_trials(tmp_path: Path, add: Add) -> None:
    for _ in range(5):
        add(1.0)
    assert [trial for trial, *_ in ranking(tmp_path, LOW)] == [0, 1, 2, 3, 4]


def test_the_checkpoint_is_that_of_the_epoch_that_counts(tmp_path: Path, add: Add) -> None:
    path = add(3.0, 1.0, 2.0)
    (path / "models" / "model.03-2.0000.keras").touch()
    entries = index_directory(Tree(tmp_path), "x").entries
    assert rank(entries, LOW)[0].checkpoint == path / "models" / "model.02-1.0000.keras"
    last = rank(entries, Metric("val_loss", mode="last"))
    assert last[0].checkpoint == path / "models" / "model.03-2.0000.keras"


def test_a_metric_that_no_run_has_is_refused_with_those_there_are(tmp_path: Path, add: Add) -> None:
    records = list(Tree(tmp_path).all_runs())
    check_metric(Metric("val_los"), records)  # nothing recorded yet: nothing to say
    add(1.0)
    records = list(Tree(tmp_path).all_runs())
    assert metric_names(records) == ["loss", "val_loss"]
    with pytest.raises(UsageError, match=r"\(loss, val_loss\).*'val_los'; did you mean 'val_loss'"):
        check_metric(Metric("val_los"), records)


def test_what_all_runs_watched_is_the_metric_of_a_directory(tmp_path: Path, add: Add) -> None:
    add(1.0)
    assert monitored_metric(Tree(tmp_path).all_runs()) == LOW
    add(1.0, monitor="loss")
    assert monitored_metric(Tree(tmp_path).all_runs()) is None


def test_a_metric_named_without_goal_gets_one_from_its_name() -> None:
    assert named_metric("val_accuracy", None, LOW).goal == "maximize"
    assert named_metric("val_accuracy", "minimize", LOW).goal == "minimize"
    assert named_metric("val_loss", None, Metric("val_loss", "maximize")).goal == "maximize"
