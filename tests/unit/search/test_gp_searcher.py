"""The searcher of our own: its model, what it chooses, and what it makes of conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from threadpoolctl import threadpool_info

from sweeper.results.front import hypervolume
from sweeper.search import searcher_for
from sweeper.search.acquisition import Acquisition, boxes_above, climb, log_h
from sweeper.search.dimensions import dimension
from sweeper.search.gaussian_process import (
    GaussianProcess,
    Hyperparameters,
    first_guesses,
    fit,
    loss,
    prior,
    squares,
    warp,
)
from sweeper.search.gp_searcher import (
    APART,
    ELSEWHERE,
    HANDOVER,
    MOST_FITTED,
    BayesSearcher,
    GpSearcher,
)
from sweeper.search.optuna_searcher import OptunaSearcher
from sweeper.search.searcher import Curve, fill
from sweeper.space import Space
from sweeper.sweepfile import load_sweep

NUMBERS = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
CONDITIONAL = {
    "kind": {"values": ["a", "b"]},
    "x": {"min": 0.0, "max": 1.0, "when": "kind == 'a'"},
    "y": {"min": 0.0, "max": 1.0, "when": "kind == 'b'"},
    "z": {"min": 0.0, "max": 1.0, "when": "y > 0.5"},
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    def load(parameters: dict[str, Any], **keys: Any) -> Any:
        file = tmp_path / "s.yaml"
        sweep = {
            "program": "s.py", "method": "gp", "metric": {"name": "loss", "goal": "minimize"},
            "run_cap": 20, "parameters": parameters, **keys,
        }  # fmt: skip
        file.write_text(yaml.safe_dump({k: v for k, v in sweep.items() if v is not None}))
        return load_sweep(file)

    return load


@pytest.fixture
def known() -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    points = random.random((20, 3))
    points[:, 2] = random.integers(0, 3, 20)
    values = np.sin(6 * points[:, 0]) + points[:, 1] ** 2 + (points[:, 2] == 1)
    return points, (values - values.mean()) / values.std(), np.array([False, False, True])


def test_the_gradient_of_the_likelihood(known: tuple[Any, Any, Any]) -> None:
    points, values, categorical = known
    gaps = squares(points, points, categorical)
    logs = prior(3)[0] + np.array([0.3, -0.2, 0.5, 0.1, 3.0])
    steps = np.eye(5) * 1e-5
    numeric = [
        (loss(logs + step, gaps, values)[0] - loss(logs - step, gaps, values)[0]) / 2e-5
        for step in steps
    ]
    np.testing.assert_allclose(loss(logs, gaps, values)[1], numeric, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("goals", [1, 2, 3])
def test_the_gradient_of_the_acquisition(known: tuple[Any, Any, Any], goals: int) -> None:
    points, values, categorical = known
    hyper = Hyperparameters(np.log([0.4, 0.5, 1.0, 1.5, 0.01]))
    every = np.array([values, -values + 0.3 * points[:, 1], points[:, 0] * values]).T
    processes = [GaussianProcess(points, y, categorical, hyper) for y in every.T]
    limits = [(processes[2], 0.1)] if goals < 3 else []
    acquisition = Acquisition(processes[:goals], *boxes_above(every[:, :goals]), limits)
    for at in (np.array([0.3, 0.4, 1.0]), np.array([0.9, 0.1, 0.0])):
        numeric = [
            (acquisition.slope(at + step)[0] - acquisition.slope(at - step)[0]) / 2e-6
            for step in np.eye(3)[:2] * 1e-6
        ]
        value, gradient = acquisition.slope(at)
        np.testing.assert_allclose(gradient[:2], numeric, rtol=1e-4, atol=1e-5)
        assert gradient[2] == 0
        assert value == pytest.approx(float(acquisition.scores(at[None])[0]))


@pytest.mark.parametrize("goals", [2, 3])
def test_the_improvement_of_several_goals_is_that_of_the_hypervolume(goals: int) -> None:
    random = np.random.default_rng(goals)
    points = random.random((6, goals))
    low, high = boxes_above(points)
    top = high.max(0)
    draws = random.normal(0.4, 0.3, (20000, goals))
    better = np.maximum(high[None] - np.maximum(draws[:, None], low[None]), 0).prod(2).sum(1)
    before = hypervolume(points.tolist(), top.tolist())
    for draw, gained in list(zip(draws, better, strict=True))[:50]:
        after = hypervolume([*points.tolist(), draw.tolist()], top.tolist())
        assert after - before == pytest.approx(gained, abs=1e-12)
    at = [(np.array([0.4]), np.array([0.09]))] * goals
    logs = Acquisition((), low, high)._logs(at)
    assert np.exp(logs.sum(0)).sum() == pytest.approx(better.mean(), rel=0.05)


def test_the_posterior_is_scikit_learn_s(known: tuple[Any, Any, Any]) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    points, values, _ = known
    points = points[:, :2]
    hyper = Hyperparameters(np.log([0.3, 0.5, 1.3, 1e-3]))
    ours = GaussianProcess(points, values, np.array([False, False]), hyper)
    theirs = GaussianProcessRegressor(
        ConstantKernel(1.3) * Matern([0.3, 0.5], nu=2.5), alpha=1e-3, optimizer=None
    ).fit(points, values)
    asked = np.random.default_rng(1).random((10, 2))
    means, deviations = theirs.predict(asked, return_std=True)
    np.testing.assert_allclose(ours.predict(asked)[0], means, atol=1e-9)
    np.testing.assert_allclose(ours.predict(asked)[1], deviations**2, atol=1e-9)


def test_noise_is_learned(known: tuple[Any, Any, Any]) -> None:
    points, values, categorical = known
    points = np.vstack([points] * 4)
    noise = np.random.default_rng(2).normal(size=80)
    quiet = fit(points, np.tile(values, 4), categorical, first_guesses(3))[1]
    loud = fit(points, np.tile(values, 4) + 0.5 * noise, categorical, first_guesses(3))[1]
    assert quiet.noise < 1e-3 < 0.1 < loud.noise < 0.5


def test_the_improvement_far_from_hope_has_a_logarithm() -> None:
    found = log_h(np.array([-1e6, -1e3, -40.0, -1.0, 0.0, 5.0]))
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()
    assert found[4] == pytest.approx(-math.log(math.sqrt(2 * math.pi)))


@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
def test_a_scale_keeps_the_order(power: float) -> None:
    values = np.array([3.0, 1e6, 2.0, 2.5, 1e3])
    moved, _ = warp(values, power)
    assert (np.argsort(moved) == np.argsort(values)).all()
    assert moved.std() == pytest.approx(1)
    for equal in (np.ones(4), np.full(13, 20.000000000000004)):  # its mean is less
        assert not warp(equal, power)[0].any()


def branin(params: dict[str, Any]) -> float:
    x, y = 15 * params["x"] - 5, 15 * params["y"]
    wave = (y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6) ** 2
    return wave + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def go(searcher: Any, space: Space, give: Callable[[Any], float | None], count: int) -> list[Any]:
    found = []
    for _ in range(count):
        key, point = searcher.ask()
        params = space.decode(fill(point))
        value = give(params)
        searcher.tell(key, value)
        found.append((tuple(point), params, value))
    return found


def test_it_comes_near_the_best_of_branin(load: Callable[..., Any]) -> None:
    space = load(NUMBERS).space
    found = go(GpSearcher(space, 1), space, branin, 35)
    assert min(value for _, _, value in found) < 0.41  # at random: 1 above 0.398


def test_it_takes_one_core_of_those_that_the_trials_have(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def overheard(*given: Any) -> Any:
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return climb(*given)

    monkeypatch.setattr("sweeper.search.gp_searcher.climb", overheard)
    space = load(NUMBERS).space
    go(GpSearcher(space, 1, startup_trials=2), space, branin, 3)
    assert set(seen) == {1}


def test_it_goes_on_from_what_it_is_told_as_if_it_had_asked(load: Callable[..., Any]) -> None:
    space = load(NUMBERS).space
    first = go(GpSearcher(space, 1), space, branin, 18)
    later = GpSearcher(space, 1)
    for point, _, value in first:
        later.tell(later.take(point), value)
    second = go(later, space, branin, 17)
    assert len({point for point, *_ in first + second}) == 35
    assert min(value for _, _, value in second) < 0.41


def test_a_finite_space_is_tried_whole_without_a_repetition(load: Callable[..., Any]) -> None:
    parameters = {
        "a": {"values": [1, 2, 4]},
        "b": {"values": ["x", "y"]},
        "c": {"min": 1, "max": 3},
    }
    space = load(parameters).space
    searcher = GpSearcher(space, 3)
    found = go(searcher, space, lambda params: params["a"] + params["c"], 18)
    assert len({point for point, *_ in found}) == 18
    assert searcher.ask() is None


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_an_axis_that_is_not_active_is_not_there(load: Callable[..., Any], method: str) -> None:
    sweep = load(CONDITIONAL, method=method)
    searcher: Any = searcher_for(sweep)

    def give(params: dict[str, Any]) -> float:
        return float(params.get("x", 0.0) + params.get("z", 0.5))

    names = [axis.name for axis in sweep.space.axes]
    for point, params, _ in go(searcher, sweep.space, give, 25):
        there = {name for name, u in zip(names, point, strict=True) if u is not None}
        assert there == set(params)
        assert [u is None for u in sweep.space.encode(params)] == [u is None for u in point]
    if isinstance(searcher, OptunaSearcher):
        told = {frozenset(trial.params) for trial in searcher._study.trials}
        assert len(told) > 1
        assert frozenset(("x0", "x1", "x2", "x3")) not in told


def test_a_constraint_holds_at_every_point(load: Callable[..., Any]) -> None:
    space = load(NUMBERS, constraints=["x + y < 0.5"]).space
    for _, params, _ in go(GpSearcher(space, 2), space, lambda p: -p["x"] if p else None, 25):
        assert params["x"] + params["y"] < 0.5


def test_where_trials_fail_it_does_not_stay(load: Callable[..., Any]) -> None:
    space = load(NUMBERS).space

    def give(params: dict[str, Any]) -> float | None:
        return None if params["x"] > 0.5 else 1 - params["x"]

    found = go(GpSearcher(space, 5), space, give, 40)
    assert sum(value is None for *_, value in found[20:]) < 10


def test_numbers_in_values_have_an_order_however_they_are_listed(load: Callable[..., Any]) -> None:
    parameters = {
        "u": {"values": [64, 16, 32]},
        "v": {"values": ["b", "a"]},
        "w": {"values": [True, False]},
        "n": {"min": 1, "max": 3},
    }
    space = load(parameters).space
    of = {axis.name: dimension(axis) for axis in space.axes}
    assert [of[name].ordered for name in "uvwn"] == [True, False, False, True]
    places = {space.decode([0.5, u, 0.5, 0.5])["u"]: of["u"].level(u) for u in of["u"].levels}  # type: ignore[index]
    assert places == {16: 0, 32: 1, 64: 2}


def test_bayes_hands_over_to_tpe(load: Callable[..., Any]) -> None:
    space = load(NUMBERS).space
    searcher = BayesSearcher(space, 1)
    random = np.random.default_rng(0)
    for x, y in random.random((HANDOVER, 2)):
        searcher.tell(searcher.take([x, y]), branin({"x": x, "y": y}))
    assert len(go(searcher, space, branin, 5)) == 5
    assert searcher._next is not None
    assert len(searcher._next._study.trials) == HANDOVER + 5


def late(x: float, reports: int) -> float:
    """What learns fast at first, and what is best in the end, are not the same."""
    share = math.log(reports) / math.log(9)
    return (1 - share) * x + share * ((x - 0.8) ** 2 + 0.1)


@pytest.mark.parametrize("levels", [True, False])
def test_a_stopped_trial_counts_at_the_level_that_it_reached(
    load: Callable[..., Any], levels: bool
) -> None:
    searcher = GpSearcher(load(NUMBERS).space, 1, levels=levels)
    whole = [0.05, 0.2, 0.35, 0.6, 0.95]
    stopped = [0.1, 0.28, 0.45, 0.52, 0.7, 0.75, 0.8, 0.85, 0.9]
    for place, x in enumerate([*whole, *stopped]):
        reports = 9 if x in whole else 1
        rungs = {rung: [late(x, rung)] for rung in (1, 3) if rung < reports}
        curve = Curve(reports, x in stopped, rungs) if levels else None
        searcher.tell(searcher.take([x, place / 20]), late(x, reports), curve=curve)
    found = [searcher.ask()[1][0] for _ in range(3)]  # type: ignore[index]
    assert all(0.65 < x < 0.95 for x in found if x) == levels, found


def test_of_many_levels_the_highest_is_kept_whole(load: Callable[..., Any]) -> None:
    searcher = GpSearcher(load(NUMBERS).space, 1, levels=True)
    random = np.random.default_rng(0)
    for number, (x, y) in enumerate(random.random((200, 2))):
        reports = 27 if number % 3 == 0 else 9 if number % 3 == 1 else 3
        rungs = {rung: [late(x, 9) + 1 / rung] for rung in (1, 3, 9) if rung < reports}
        curve = Curve(reports, reports < 27, rungs)
        searcher.tell(searcher.take([x, y]), late(x, 9) + 1 / reports, curve=curve)
    rows = searcher._thinned(searcher._values(searcher._points))
    levels = [round(27**level) for _, level in rows]
    assert len(rows) == MOST_FITTED
    assert levels.count(27) == 67
    assert levels.count(9) > levels.count(3) >= levels.count(1) > 0
    assert searcher.ask() is not None


def test_options_of_a_method(load: Callable[..., Any]) -> None:
    sweep = load(NUMBERS, method={"name": "tpe", "startup_trials": 3, "multivariate": False})
    assert sweep.method == "tpe"
    assert sweep.method_options == {"startup_trials": 3, "multivariate": False}
    searcher: Any = searcher_for(sweep)
    searcher.ask()
    assert searcher._study.sampler._n_startup_trials == 3


@pytest.mark.parametrize("method", ["gp", "tpe"])
def test_several_goals_within_a_limit(load: Callable[..., Any], method: str) -> None:
    goals = [{"name": name, "goal": "minimize"} for name in ("near", "far")]
    sweep = load(NUMBERS, method=method, metric=None, metrics=[*goals, {"name": "s", "max": 1.0}])
    searcher: Any = searcher_for(sweep)
    found = []
    for number in range(20):
        key, point = searcher.ask()
        x, y = point
        values = (x * x + y, (1 - x) ** 2 + y, x + 3 * y - 1)
        if number % 9 == 8:
            searcher.tell(key, None)
        else:
            searcher.tell(key, *values)
            found.append(values)
    kept = [values[:2] for values in found if values[2] <= 0]
    assert hypervolume(kept, (1.0, 1.0)) > (0.6 if method == "gp" else 0.3)  # of 0.83 at most


def test_trials_that_run_at_the_same_time_are_apart(load: Callable[..., Any]) -> None:
    space = load(NUMBERS).space
    searcher = GpSearcher(space, 1)
    go(searcher, space, branin, 30)
    running = np.array([searcher.ask()[1] for _ in range(6)])  # type: ignore[index]
    apart = np.abs(running[:, None] - running[None]).max(-1) + np.eye(6)
    assert apart.min() >= APART


def test_it_looks_elsewhere_once_nothing_gets_better(load: Callable[..., Any]) -> None:
    def give(params: dict[str, Any]) -> float:
        return float((params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2)

    space = load(NUMBERS).space
    found = go(GpSearcher(space, 1), space, give, 50)
    at = np.array([point for point, _, _ in found], float)
    nearest = [np.abs(at[:place] - at[place]).max(1).min() for place in range(28, 50)]
    assert min(nearest[::4]) >= ELSEWHERE > 1e-3 > min(nearest)


def test_where_there_is_no_elsewhere_it_goes_on(load: Callable[..., Any]) -> None:
    space = load({"x": NUMBERS["x"]}).space
    found = go(GpSearcher(space, 1), space, lambda params: float(params["x"]), 45)
    assert len({point for point, _, _ in found}) == 45
