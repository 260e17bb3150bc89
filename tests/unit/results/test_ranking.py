from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, sqrt
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.results import check_metric, index_sweep, nothing_to_rank, rank, target_reached
from sweeper.results.entry import Entry
from sweeper.results.index import index_directory
from sweeper.results.ranked_by import metric_names, monitored_metric, named_metric
from sweeper.results.ranking import Ranked, Score
from sweeper.results.summary import summary, summary_csv
from sweeper.sweepfile import Metric, Sweep, load_sweep
from sweeper.tree import Tree

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


def test_what_is_no_number_never_wins(tmp_path: Path, add: Add) -> None:
    add(nan, -inf)
    add(5.0, nan)
    add(-inf, 4.0, inf)
    assert ranking(tmp_path, LOW) == [(2, 4.0, 2), (1, 5.0, 1)]
    assert ranking(tmp_path, Metric("val_loss", "maximize")) == [(1, 5.0, 1), (2, 4.0, 2)]
    assert ranking(tmp_path, Metric("val_loss", mode="last")) == []


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
    with pytest.raises(UsageError, match="add --goal maximize, or --goal minimize"):
        named_metric("oddness", None, LOW)


def test_one_of_several_goals_is_ranked_by_its_own_goal() -> None:
    known = Metric("val_loss", others=(Metric("oddness", "maximize"), Metric("acc", "minimize")))
    assert named_metric("oddness", None, known).goal == "maximize"
    assert named_metric("acc", None, known).goal == "minimize"
    assert named_metric("oddness", "minimize", known).goal == "minimize"


@pytest.fixture
def repeated(grid_file: Path) -> Sweep:
    """Four parameter dicts, three runs each: trials 0 to 11."""
    grid_file.write_text(grid_file.read_text() + "repeats: 3\n")
    return load_sweep(grid_file, ["metric.target=1.0"])


def fill(sweep: Sweep, run_trial: Any, values: list[float | str | None]) -> None:
    for trial, value in zip(sweep.trials(), values, strict=False):
        run = f"run--26-11-24--00-15-{trial.replicate + 2}"
        if isinstance(value, float):
            run_trial(sweep, trial, rows=[{"val_loss": 9.0}, {"val_loss": value}], run=run)
        elif value is not None:
            run_trial(sweep, trial, rows=[{"val_loss": 0.0}], run=run, outcome=value)


def test_replicates_are_ranked_by_their_mean(repeated: Sweep, run_trial: Any) -> None:
    # The second has the best run of all, but the worse mean.
    fill(repeated, run_trial, [3.0, 2.0, 4.0, 1.0, 9.0, 5.0, 3.5, "failed"])
    ranked = rank(index_sweep(repeated).entries, LOW)
    assert [(r.value, r.std, len(r.values)) for r in ranked] == [
        (3.0, 1.0, 3), (3.5, None, 1), (5.0, 4.0, 3),
    ]  # fmt: skip
    assert [(r.rank, r.entry.trial, r.score.value) for r in ranked] == [
        (1, 1, 2.0), (2, 6, 3.5), (3, 3, 1.0),
    ]  # fmt: skip
    assert ranked[0].checkpoint is not None
    assert ranked[0].checkpoint.name == "model.02-2.0000.keras"
    apart = rank(index_sweep(repeated).entries, LOW, apart=True)
    assert [r.entry.trial for r in apart] == [3, 1, 0, 6, 2, 5, 4]


def test_repeats_of_another_sweep_are_no_repeats(repeated: Sweep, run_trial: Any) -> None:
    fill(repeated, run_trial, [3.0, 2.0])
    trial = next(repeated.trials())
    run_trial(repeated, trial, rows=[{"val_loss": 7.0}], sweep="other", run="run--26-11-24--00-14")
    entries = index_directory(Tree(repeated.base_dir), "x").entries
    assert [r.values for r in rank(entries, LOW)] == [(3.0, 2.0), (7.0,)]
    once = load_sweep(repeated.path or Path(), ["repeats=1"])
    assert [r.values for r in rank(index_sweep(once).entries, LOW)] == [(3.0, 2.0)]


def test_a_target_is_reached_by_a_mean_that_is_complete(repeated: Sweep, run_trial: Any) -> None:
    metric = repeated.metric
    fill(repeated, run_trial, [0.5, 1.0])
    assert not target_reached(index_sweep(repeated).entries, metric)  # one of three is not done
    third = list(repeated.trials())[2]
    run_trial(repeated, third, rows=[{"val_loss": 2.0}], run="run--26-11-24--00-16")
    assert not target_reached(index_sweep(repeated).entries, metric)  # done, and the mean is above
    others = list(repeated.trials())[3:6]
    for trial, value in zip(others, (0.5, 1.0, 1.2), strict=True):
        run_trial(
            repeated, trial, rows=[{"val_loss": value}], run=f"run--26-11-24--01-1{trial.replicate}"
        )
    assert target_reached(index_sweep(repeated).entries, metric)


def test_the_summaries_rank_by_the_mean(repeated: Sweep, run_trial: Any) -> None:
    fill(repeated, run_trial, [3.0, 2.0, 4.0, 1.0, 9.0, 5.0])
    found = summary(index_sweep(repeated))
    assert (found["best"]["value"], found["best"]["std"], found["best"]["runs"]) == (3.0, 1.0, 3)
    assert found["best"]["trial"] == 1
    assert [(row["rank"], row["mean"], row["runs"]) for row in found["trials"]] == [
        *[(1, 3.0, 3)] * 3, *[(2, 5.0, 3)] * 3, *[(None, None, 0)] * 6,
    ]  # fmt: skip
    lines = summary_csv(index_sweep(repeated)).splitlines()
    assert lines[0].startswith("trial,replicate,experiment,run,status,epochs,value,epoch,rank,mean")
    assert len(lines) == 13


def test_mean_and_deviation() -> None:
    def of(*values: float) -> tuple[float, float | None]:
        scores = tuple(Score(value, 1, {}) for value in values)
        ranked = Ranked(1, Entry(0, 0, {}, "exp", None), Score(0.0, 1, {}), scores)
        return ranked.value, ranked.std

    assert of(0.1, 0.1, 0.1) == (0.1, 0.0)
    assert of(1.0) == (1.0, None)
    assert of(1.0, 2.0, 4.0)[1] == pytest.approx(sqrt(7 / 3))
    assert of(1e308, 1.7e308)[0] == pytest.approx(1.35e308)


def test_why_nothing_is_ranked(tmp_path: Path, add: Add) -> None:
    def why() -> str:
        return nothing_to_rank(index_directory(Tree(tmp_path), "t"), LOW)

    assert why() == "no run has recorded val_loss yet"
    add(nan, -inf)
    nans = "1 run recorded val_loss, but NaN or infinity only"
    assert why() == f"nothing to rank: {nans}"
    add(outcome="failed")
    silent = "1 run failed before recording val_loss: see `sweeper status`"
    assert why() == f"nothing to rank: {nans}; {silent}"
    add(1.0, outcome="failed")
    number = "1 run recorded a number for val_loss, but failed"
    assert why() == f"nothing to rank: {number}; {nans}; {silent}"
