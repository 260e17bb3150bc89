"""Trials as Optuna has them, and the figures that are made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import plotly.graph_objects
import pytest

import sweeper
from sweeper.errors import UsageError
from sweeper.results import Figures, attempts_of, gpu_seconds, open_index
from sweeper.results.attempts import lanes
from sweeper.results.axes import shown, thinned, usual_range
from sweeper.results.study import local_time, optuna_trials, parameter_distributions
from sweeper.sweepfile import Metric, load_sweep

ALL = (
    *("history", "curves", "parallel_coordinates", "importance"),
    *("slice", "contour", "edf", "timeline"),
)
LOSS = Metric("val_loss")

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, make_run: Callable[..., Path]) -> Tree:
    """A function that writes a base directory of runs: ``rows`` of trial i, ``params`` of it."""

    def write(count: int, rows: Any, params: Any = None, **options: Any) -> Path:
        base = tmp_path / "base"
        for i in range(count):
            group = params(i) if params else {"rate": 10.0**-i, "units": 8 * (i % 2 + 1)}
            made = {name: value(i) if callable(value) else value for name, value in options.items()}
            path = make_run(base, {"g": group}, ["g"], rows=rows(i), trial=i, **made)
            record = json.loads((path / "run.json").read_text())
            start, end = (f"2026-11-24T00:{i:02d}:{second}+00:00" for second in ("00", "50"))
            attempt = {"number": 1, "start": start, "end": end, "host": "node <b>", "pid": i % 2}
            record["attempts"] = [{**attempt, "gpus": ["H200"]}]
            (path / "run.json").write_text(json.dumps(record))
        return base

    return write


def values(i: int) -> list[dict[str, float]]:
    return [{"val_loss": 9.0}, {"val_loss": 1.0 + (i - 3) ** 2}]


def text_of(figure: Any) -> str:
    return json.dumps(figure.to_plotly_json(), default=str, ensure_ascii=False)


def test_every_figure_is_drawn(tree: Tree) -> None:
    figures = sweeper.load(tree(8, values)).figures
    for name in ALL:
        figure = getattr(figures, name)()
        assert isinstance(figure, plotly.graph_objects.Figure), name
        assert figure.layout.title.text.endswith(" of base")
    history = figures.history()
    assert list(history.data[0].x) == list(range(8))
    assert list(history.data[1].y) == [9.0, 5.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert history.data[0].text[3].startswith("trial 3<br>val_loss 1<br>rate = 0.001")
    assert figures.curves().data[-1].name == "trial 3"  # the best lies on top
    assert list(figures.edf().data[0].y) == [(i + 1) / 8 for i in range(8)]
    assert "node &lt;b&gt;, pid 1, 1 GPU" in figures.timeline().data[0].text[1]


def test_chosen_parameters(tree: Tree) -> None:
    figures = sweeper.load(tree(8, values)).figures
    assert figures.slice(["units"]).layout.xaxis.title.text == "units"
    few = figures.slice(["g.units"]).layout.xaxis  # they stand side by side
    assert list(few.ticktext) == ["8", "16"]
    assert figures.slice(["rate"]).layout.xaxis.type == "log"
    assert figures.contour(["units", "rate"]).data[0].type == "heatmap"
    with pytest.raises(UsageError, match=r"parameters that vary \(g.rate, g.units\), found 'x'"):
        figures.slice(["x"])


@pytest.mark.parametrize(
    ("rows", "options", "found"),
    [
        (lambda i: [], {}, "no run has recorded val_loss yet"),
        (lambda i: [{"loss": 1.0}], {}, r"recorded \(loss\), found 'val_loss'"),
        (lambda i: [{"val_loss": math.nan}], {}, "NaN or infinity only"),
        (values, {"outcome": "failed"}, "recorded a number for val_loss, but failed"),
        (values, {"params": lambda i: {"rate": 1}}, "no parameter varies"),
        (lambda i: [{"val_loss": 1.0}], {}, "all 5 trials have the same val_loss"),
    ],
)
def test_why_nothing_can_be_drawn(tree: Tree, rows: Any, options: Any, found: str) -> None:
    if "params" in options:  # runs of one experiment
        options = {**options, "run": lambda i: f"run--26-11-24--00-{i:02d}"}
    figures = sweeper.load(tree(5, rows, **options)).figures
    with pytest.raises(UsageError, match=found):
        Figures(figures._indices, LOSS).importance()


def test_without_a_metric_there_is_the_timeline_alone(tree: Tree) -> None:
    figures = sweeper.load(tree(2, lambda i: [])).figures
    assert len(figures.timeline().data) == 1
    with pytest.raises(UsageError, match="expected a metric to draw"):
        figures.curves()


def test_names_of_a_tree_are_text(tree: Tree) -> None:
    name, value = "<b>&%{x}", "</script>\x1b"
    figures = sweeper.load(tree(6, values, lambda i: {name: value * (i % 3), "i": i})).figures
    for figure in ALL:
        text = text_of(getattr(figures, figure)())
        assert "<b>" not in text
        assert "</script" not in text
        assert "\x1b" not in text
    assert "&lt;b&gt;&amp;%{x} = &lt;/script&gt;\\x1b" in figures.history().data[0].text[1]


def test_repeated_trials_are_one_with_mean_and_std(
    tmp_path: Path, run_trial: Callable[..., Path]
) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(
        "program: train.py\nmethod: grid\nmetric: {name: val_loss}\nrepeats: 2\n"
        f"parameters: {{units: {{values: [8, 16]}}}}\nstorage: {tmp_path}/experiments\n"
    )
    sweep = load_sweep(path)
    for trial in sweep.trials():
        rows = [{"val_loss": trial.params["units"] + epoch + trial.replicate} for epoch in (1, 0)]
        run_trial(sweep, trial, rows=rows, run=f"run--26-11-24--00-{trial.replicate + 15}")
    first, second = optuna_trials([open_index(path)], LOSS)
    assert (first.value, first.user_attrs["std"]) == (8.5, math.sqrt(0.5))
    assert (second.value, second.state.name) == (16.5, "COMPLETE")
    figures = sweeper.load(path).figures
    assert list(figures.history().data[0].error_y.array) == [math.sqrt(0.5)] * 2
    best = figures.curves().data[-1]
    assert list(best.y) == [9.5, 8.5]
    assert list(best.error_y.array) == [math.sqrt(0.5)] * 2


def test_how_optuna_has_trials(tree: Tree) -> None:
    outcomes: list[str | None] = ["finished", "stopped", "failed", None]
    base = tree(4, lambda i: values(i)[: 2 - (i == 2)], outcome=lambda i: outcomes[i])
    trials = optuna_trials([open_index(base)], LOSS)
    found = {trial.user_attrs["trial"]: trial for trial in trials}
    assert [found[i].state.name for i in range(4)] == ["COMPLETE", "COMPLETE", "FAIL", "WAITING"]
    assert found[0].intermediate_values == {1: 9.0, 2: 10.0}
    assert found[0].params == {"g.rate": 1.0, "g.units": 8}
    assert found[0].datetime_start == local_time("2026-11-24T00:00:00+00:00")


@pytest.mark.parametrize("text", [None, "today", 7, "0001-01-01T00:00:00+00:00"])
def test_a_time_that_is_none(text: object) -> None:
    assert local_time(text) is None or text == "0001-01-01T00:00:00+00:00"


def test_which_axes_are_logarithmic() -> None:
    rates = [{"x": 10.0 ** -(i / 4)} for i in range(20)]
    uniform = [{"x": 0.001 + i / 20} for i in range(20)]
    assert parameter_distributions(rates)["x"].log  # type: ignore[attr-defined]
    assert not parameter_distributions(uniform)["x"].log  # type: ignore[attr-defined]


def test_lanes_of_workers(tree: Tree) -> None:
    found = attempts_of(open_index(tree(4, values)).entries)
    assert [attempt.seconds for attempt in found] == [50.0] * 4
    places, names = lanes(found)
    assert (places, names) == ([0, 0, 0, 0], ["node <b> 1"])  # one after the other


def test_a_gpu_that_several_share_counts_once(tree: Tree) -> None:
    (one, *_) = attempts_of(open_index(tree(1, values)).entries)
    at = [one.start + timedelta(seconds=n) for n in (0, 10, 20, 30, 50, 60)]
    spans = [(0, 2, "0"), (1, 3, "0"), (4, 5, "0"), (0, 1, "1")]
    found = [replace(one, start=at[a], end=at[b], gpus=(gpu,)) for a, b, gpu in sorted(spans)]
    assert gpu_seconds(found) == 30 + 10 + 10
    assert gpu_seconds([replace(one, end=at[1], gpus=("T4", "T4"))]) == 20
    assert gpu_seconds([replace(one, gpus=())]) == 0


def test_few_values_far_off_do_not_hide_the_others() -> None:
    assert usual_range([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1e9], "minimize") is not None
    low, high = usual_range([*(0.9 - i / 100 for i in range(9)), -1e9], "maximize") or (0, 0)
    assert low < 0.82
    assert low > 0.8
    assert high > 0.9
    assert usual_range([1.0, 2.0] * 9, "minimize") is None


def test_thinning_keeps_the_last() -> None:
    assert thinned(range(10), 3) == [2, 5, 9]
    assert shown("x" * 99, 5) == "xx…"
