"""What an adaptive sweep tries, given a tree: searchers and runs are real, only training is not."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.errors import UsageError
from sweeper.results import read_warm_start, run_values, score
from sweeper.search import AdaptivePlan, searcher_for
from sweeper.search.methods import PACKAGES
from sweeper.search.optuna_searcher import OptunaSearcher
from sweeper.search.searcher import fill
from sweeper.search.sobol_searcher import SobolSearcher
from sweeper.space import Axis, Distribution, Parameter, Space
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Choices, PlannedTrial, RunRecord, Tree, plan_trials
from tests.opened import open_run_of

MIXED = {
    "rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
    "units": {"min": 1, "max": 64},
    "kind": {"values": ["relu", "tanh", "elu"]},
}
SMALL = {"a": {"values": [1, 2, 3]}, "b": {"values": [True, False]}}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Sweep]:
    def load(parameters: dict[str, Any] | None = None, **keys: Any) -> Sweep:
        file = tmp_path / "s.yaml"
        sweep = {
            "program": "s.py", "method": "bayes", "metric": {"name": "loss"}, "run_cap": 20,
            "storage": str(tmp_path), "parameters": parameters or MIXED, **keys,
        }  # fmt: skip
        file.write_text(yaml.safe_dump(sweep))
        return load_sweep(file)

    return load


def bowl(params: dict[str, Any]) -> float:
    penalty = {"relu": 0.0, "tanh": 1.0, "elu": 2.0}[params["kind"]]
    return (math.log10(params["rate"]) + 2) ** 2 + abs(params["units"] - 20) / 20 + penalty


def plan_of(sweep: Sweep, retry: bool = False) -> AdaptivePlan:
    tree = Tree(sweep.base_dir)
    planned = list(plan_trials(sweep, tree))
    if retry:
        failed = [item.run for item in planned if item.state == "failed"]
        planned = list(plan_trials(sweep, tree, Choices().also(tree, rerun=failed)))
    return AdaptivePlan(sweep, tree, searcher_for(sweep), planned, partial(value_of, sweep))


def value_of(sweep: Sweep, run: RunRecord) -> tuple[float] | None:
    found = score(run, sweep.metric) if sweep.metric and run.status == "finished" else None
    return (found.value,) if found else None


def open_run(sweep: Sweep, item: PlannedTrial) -> Any:
    return open_run_of(sweep, item.trial)


def work(
    sweep: Sweep, item: PlannedTrial, give: Callable[[dict[str, Any]], float | None]
) -> RunRecord:
    """Run a trial: ``give`` says what loss it has, None for one that fails."""
    run = open_run(sweep, item)
    loss = give(item.trial.params)
    if loss is None:
        run.close("failed", error=ValueError("told to fail"))
    else:
        run.report(epoch=1, loss=loss + 1)
        run.report(epoch=2, loss=loss)
        run.close("finished")
    return RunRecord(run.path.parent.parent, run.path.parent.name, run.path.name)


def launch(
    sweep: Sweep,
    give: Callable[[dict[str, Any]], float | None] = bowl,
    most: int = 10_000,
    parallel: int = 2,
    retry: bool = False,
) -> list[PlannedTrial]:
    """Run what the plan hands out, ``parallel`` at a time, at most ``most`` trials."""
    plan = plan_of(sweep, retry)
    running: list[PlannedTrial] = []
    done = []
    for item in plan:
        running.append(item)
        done.append(item)
        if len(done) == most:
            break
        if len(running) == parallel:
            first = running.pop(0)
            plan.ended(first.trial.index, value_of(sweep, work(sweep, first, give)))
    for item in running:
        plan.ended(item.trial.index, value_of(sweep, work(sweep, item, give)))
    return done


def losses(items: list[PlannedTrial]) -> list[float]:
    return [bowl(item.trial.params) for item in items]


@pytest.mark.parametrize("method", ["bayes", "tpe", "qmc"])
def test_it_ends_at_run_cap_and_again_runs_nothing(load: Callable[..., Sweep], method: str) -> None:
    sweep = load(method=method)
    done = launch(sweep)
    assert [item.trial.index for item in done] == list(range(20))
    assert len({item.experiment for item in done}) == 20
    assert all(item.state == "new" for item in done)
    assert launch(sweep) == []
    states = [item.state for item in plan_trials(sweep, Tree(sweep.base_dir))]
    assert states == ["reused"] * 20


def test_bayes_learns(load: Callable[..., Sweep]) -> None:
    done = launch(load(run_cap=60, seed=1))
    first, last = losses(done[:10]), losses(done[-10:])
    assert sum(last) / 10 < sum(first) / 10
    assert min(losses(done)) < min(first)


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_a_metric_of_any_size_is_learned_from(load: Callable[..., Sweep], method: str) -> None:
    parameters = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}
    for scale in (1e-200, 1e200):
        sweep = load(parameters, method=method, run_cap=30, name=f"of{scale}", seed=1)
        done = launch(sweep, lambda params, by=scale: by * (1 + abs(params["x"] - 0.3)))
        assert sum(abs(item.trial.params["x"] - 0.3) < 0.1 for item in done) > 9


def test_a_launch_learns_from_the_last(load: Callable[..., Sweep]) -> None:
    sweep = load(run_cap=60, seed=1)
    first = launch(sweep, most=30)
    second = launch(sweep)
    assert [item.trial.index for item in first + second] == list(range(60))
    # No start at random again: what is tried is better than what chance gave.
    assert statistics.median(losses(second[:10])) < statistics.median(losses(first[:10]))


def test_a_larger_metric_is_better_where_the_sweep_says_so(load: Callable[..., Sweep]) -> None:
    metric = {"name": "loss", "goal": "maximize"}
    sweep = load(run_cap=60, seed=1, metric=metric)
    done = launch(sweep, lambda params: -bowl(params))
    assert sum(losses(done[-10:])) < sum(losses(done[:10]))


@pytest.mark.parametrize("method", ["bayes", "qmc"])
def test_enqueued_points_come_first_and_once(load: Callable[..., Sweep], method: str) -> None:
    first = {"rate": 0.5, "units": 3, "kind": "elu"}
    sweep = load(method=method, run_cap=5, enqueue=[first, {"units": 64.0}, dict(first)])
    done = launch(sweep, most=1) + launch(sweep)
    assert [item.trial.index for item in done] == list(range(5))
    assert done[0].trial.params == first
    assert done[1].trial.params == sweep.enqueue[1]
    assert done[1].trial.params["units"] == 64
    assert len({item.experiment for item in done}) == 5
    drawn = list(load(method="random", run_cap=5, enqueue=[first]).trials())
    assert drawn[0].params == first
    assert [t.params for t in drawn[1:]] == [
        t.params for t in load(method="random", run_cap=4).trials()
    ]


def test_what_an_enqueued_point_leaves_open_is_drawn_so_that_it_counts(
    load: Callable[..., Sweep],
) -> None:
    momentum = {"min": 0.0, "max": 1.0, "when": "kind == 'sgd' and rate < 0.5"}
    parameters = {
        "kind": {"values": ["sgd", "adam", "rms"]},
        "rate": {"min": 0.0, "max": 1.0},
        "momentum": momentum,
    }
    given = [{"momentum": 0.1 * number} for number in range(10)]
    sweep = load(parameters, enqueue=given)
    assert [point.get("momentum") for point in sweep.enqueue] == [one["momentum"] for one in given]


def test_a_random_search_of_a_finite_space_enqueues_none_twice(load: Callable[..., Sweep]) -> None:
    sweep = load(SMALL, method="random", run_cap=None, enqueue=[{"a": 3, "b": False}])
    assert len(list(sweep.trials())) == sweep.size() == 6


def test_a_replaced_range_leaves_out_what_is_outside(load: Callable[..., Sweep]) -> None:
    old = load({"a": {"min": 1, "max": 4}, "b": {"min": 0.0, "max": 1.0}}, run_cap=6)
    tried = launch(old, lambda params: params["a"])
    new = {"a": {"min": 3, "max": 9}, "b": {"min": 0.0, "max": 1.0}}
    kept = sum(item.trial.params["a"] >= 3 for item in tried)
    assert len(launch(load(new, run_cap=6), lambda params: params["a"])) == 6 - kept
    gone = load({"a": {"values": [16, 32]}, "b": {"values": [1, 2]}}, run_cap=None)
    assert len(launch(gone, lambda params: params["a"])) == 4
    replaced = load({"a": {"values": [64, 32]}, "b": {"values": [1, 2]}}, run_cap=None)
    assert len(launch(replaced, lambda params: params["a"])) == 2


def test_a_warm_start_is_known_and_no_trial(load: Callable[..., Sweep], tmp_path: Path) -> None:
    rows = [f"{u / 20},{(u % 5) * 13 + 1},{(u / 20 - 0.3) ** 2}" for u in range(1, 20)]
    (tmp_path / "known.csv").write_text("\n".join(["x,y,loss", *rows]))
    space = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 1, "max": 64}}
    sweep = load(space, run_cap=4, warm_start="known.csv")
    warm, notes = read_warm_start(sweep)
    assert "19 runs to learn from" in notes[0]
    assert len(warm.points) == 19
    tree = Tree(sweep.base_dir)
    plan = AdaptivePlan(sweep, tree, searcher_for(sweep), [], lambda run: None, None, warm)
    chosen = [item.trial for item in plan if item]
    assert [trial.index for trial in chosen] == [0, 1, 2, 3]
    assert abs(chosen[0].params["x"] - 0.3) < 0.1


def test_what_was_interrupted_goes_on_first(load: Callable[..., Sweep]) -> None:
    sweep = load(run_cap=6)
    plan = plan_of(sweep)
    items = [next(plan) for _ in range(3)]
    open_run(sweep, items[1]).lease.release()
    work(sweep, items[0], bowl)
    again = launch(sweep)
    assert [(item.trial.index, item.state) for item in again[:1]] == [(1, "resumed")]
    # Trial 2 never began: its number is free.
    assert [item.trial.index for item in again] == [1, 2, 3, 4, 5]
    assert again[0].trial == items[1].trial


def test_failed_trials_stay_failed_and_are_avoided(load: Callable[..., Sweep]) -> None:
    def give(params: dict[str, Any]) -> float | None:
        return None if params["kind"] == "elu" else bowl(params)

    sweep = load(run_cap=50, seed=3)
    done = launch(sweep, give)
    kinds = [item.trial.params["kind"] for item in done]
    assert kinds[-20:].count("elu") < 5
    failed = kinds.count("elu")
    assert launch(sweep, give) == []
    retried = launch(sweep, bowl, retry=True)
    assert [item.trial.params["kind"] for item in retried] == ["elu"] * failed
    assert launch(sweep, retry=True) == []


@pytest.mark.parametrize("method", ["bayes", "tpe", "qmc"])
def test_a_finite_space_is_tried_once_and_ends(load: Callable[..., Sweep], method: str) -> None:
    sweep = load(SMALL, method=method, run_cap=100)
    assert sweep.size() == 6
    done = launch(sweep, lambda params: params["a"])
    assert sorted((i.trial.params["a"], i.trial.params["b"]) for i in done) == [
        (a, b) for a in (1, 2, 3) for b in (False, True)
    ]
    assert launch(sweep) == []


@pytest.mark.parametrize("method", ["bayes", "tpe", "qmc"])
@pytest.mark.parametrize(
    ("body", "values"),
    [
        ({"values": ["x", "y"], "probabilities": [0.3, 0.7]}, {"x", "y"}),
        ({"distribution": "q_uniform", "min": 1, "max": 10, "q": 4}, {4, 8}),  # a grid's: 1, 5, 9
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 24, "q": 8}, {8, 16, 24}),
        ({"distribution": "q_beta", "a": 2, "b": 2, "q": 0.5}, {0, 0.5, 1}),
        (
            {"distribution": "q_normal", "sigma": 0.1},
            {0},
        ),  # such as have no end, but no other value
    ],
)
def test_what_can_be_drawn_is_tried_and_the_search_ends(
    load: Callable[..., Sweep], method: str, body: dict[str, Any], values: set[Any]
) -> None:
    sweep = load({"a": body}, method=method, run_cap=100)
    assert sweep.points() in (len(values), None)
    assert {item.trial.params["a"] for item in launch(sweep, lambda params: 1.0)} == values


@pytest.mark.parametrize(
    ("parameters", "constraint", "count"),
    [
        ({name: {"min": 1, "max": 1000} for name in "abc"}, "a * b * c == 12", 18),
        (
            {"k": {"values": ["a", "b"]}, "x": {"min": 0.0, "max": 1.0, "when": "k == 'a'"}},
            "k == 'b'",
            1,
        ),
    ],
)
def test_little_that_constraints_leave_is_found_and_the_search_ends(
    load: Callable[..., Sweep], parameters: dict[str, Any], constraint: str, count: int
) -> None:
    sweep = load(parameters, method="qmc", run_cap=100, constraints=[constraint])
    done = launch(sweep, lambda params: 1.0)
    assert all(sweep.space.allows(item.trial.params) for item in done)
    drawn = list(load(parameters, method="random", constraints=[constraint]).trials())
    assert len(done) == len(drawn) == count


@pytest.mark.parametrize("method", ["bayes", "tpe", "random"])
def test_equal_values_are_one_point(load: Callable[..., Sweep], method: str) -> None:
    weighted = {"values": [1.0, 1], "probabilities": [0.5, 0.5]}
    rows = {"c": {"values": [1, 1.0]}, "d": {"values": ["x", "x"]}}
    sweep = load(
        {"a": {"values": [3, 3.0, 4, 4]}, "b": weighted, **rows},
        method=method,
        run_cap=100,
        zip=[["c", "d"]],
    )
    assert sweep.size() == 2
    done = (
        launch(sweep, lambda params: params["a"])
        if sweep.adaptive
        else plan_trials(sweep, Tree(sweep.base_dir))
    )
    assert sorted(item.trial.params["a"] for item in done) == [3, 4]


def test_a_constraint_is_never_broken(load: Callable[..., Sweep]) -> None:
    parameters = {"a": {"min": 0.0, "max": 1.0}, "b": {"min": 0.0, "max": 1.0}}
    sweep = load(parameters, constraints=["a + b < 0.5"], run_cap=30)
    done = launch(sweep, lambda params: -params["a"])
    assert len(done) == 30
    assert all(i.trial.params["a"] + i.trial.params["b"] < 0.5 for i in done)


def test_conditions(load: Callable[..., Sweep]) -> None:
    parameters = {
        "optimizer": {"values": ["sgd", "adam"]},
        "momentum": {"min": 0.0, "max": 0.99, "when": "optimizer == 'sgd'"},
    }
    sweep = load(parameters, run_cap=20)

    def give(params: dict[str, Any]) -> float:
        return float(params.get("momentum", 0.5))

    done = launch(sweep, give, most=10) + launch(sweep, give)
    assert len(done) == 20
    for item in done:
        assert ("momentum" in item.trial.params) == (item.trial.params["optimizer"] == "sgd")


def test_replicates_run_together_and_count_by_their_mean(load: Callable[..., Sweep]) -> None:
    sweep = load(repeats=3, run_cap=8)
    done = launch(sweep, parallel=3)
    assert [(i.trial.index, i.trial.replicate) for i in done] == [
        (0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2), (6, 0), (7, 1),
    ]  # fmt: skip
    assert len({item.experiment for item in done}) == 3
    assert len({item.trial.seed for item in done}) == 8
    grown = load(repeats=3, run_cap=9)
    assert [(i.trial.index, i.trial.replicate) for i in launch(grown)] == [(8, 2)]


def test_what_another_sweep_has_finished_is_not_run_again(
    load: Callable[..., Sweep], tmp_path: Path
) -> None:
    other = load(SMALL, sweep_name="other", run_cap=4)
    launch(other, lambda params: params["a"])
    sweep = load(SMALL, run_cap=100)
    done = launch(sweep, lambda params: params["a"])
    assert len(done) == 2
    assert len(list(Tree(sweep.base_dir).all_runs())) == 6


def test_runs_that_the_file_could_not_choose_now_are_of_another_search(
    load: Callable[..., Sweep],
) -> None:
    launch(load(run_cap=5))
    other = load({**MIXED, "kind": {"values": ["relu", "gelu"]}}, run_cap=12)
    mine = [t for t in plan_trials(other, Tree(other.base_dir)) if t.run is not None]
    assert 0 < len(mine) < 5
    assert {item.trial.params["kind"] for item in mine} == {"relu"}
    done = launch(other, lambda params: params["rate"])
    assert [item.trial.index for item in done] == list(range(5, 17 - len(mine)))


def flat(params: dict[str, Any]) -> float:
    return 1.0


def test_replaced_values_of_a_finite_space_are_all_tried(load: Callable[..., Sweep]) -> None:
    first = {"u": {"values": [16, 32]}, "o": {"values": ["sgd", "adam"]}}
    assert len(launch(load(first, run_cap=40), flat)) == 4
    second = {**first, "u": {"values": [64, 128]}}
    assert {item.trial.params["u"] for item in launch(load(second, run_cap=40), flat)} == {64, 128}
    both = load({**first, "u": {"values": [16, 32, 64, 128]}}, run_cap=40)
    assert launch(both, flat) == []
    numbers = [item.trial.index for item in plan_trials(both, Tree(both.base_dir))]
    assert sorted(numbers) == list(range(8))


def test_repeats_may_grow_and_no_two_trials_have_one_number(load: Callable[..., Sweep]) -> None:
    assert len(launch(load(method="tpe", run_cap=6, repeats=1), flat)) == 6
    more = load(method="tpe", run_cap=20, repeats=3)
    done = launch(more, flat, most=5) + launch(more, flat)
    assert len(done) == 14
    planned = list(plan_trials(more, Tree(more.base_dir)))
    assert len({item.trial.index for item in planned}) == len(planned) == 20
    first = {item.experiment: item.trial.index - item.trial.replicate for item in planned}
    assert len(set(first.values())) == len(first) == 7
    assert all(
        item.trial.index == first[item.experiment] + item.trial.replicate for item in planned
    )


def test_replicates_that_run_cap_leaves_out_are_not_made_up_for(
    load: Callable[..., Sweep],
) -> None:
    sweep = load(run_cap=7, repeats=3)
    assert len(launch(sweep, flat)) == 7
    assert launch(sweep, flat) == []
    assert len(launch(load(run_cap=9, repeats=3), flat)) == 2
    assert launch(load(run_cap=9, repeats=5), flat) == []


def test_a_constant_that_has_changed_makes_another_search(load: Callable[..., Sweep]) -> None:
    space = {"u": {"values": [16, 32]}, "epochs": {"value": 2}}
    launch(load(space, run_cap=2), flat)
    longer = load({**space, "epochs": {"value": 50}}, run_cap=2)
    assert [item.trial.params["epochs"] for item in launch(longer, flat)] == [50, 50]
    without = load({"u": space["u"]}, run_cap=2)
    tried = [item.trial.params for item in launch(without, flat)]
    assert sorted(tried, key=str) == [{"u": 16}, {"u": 32}]


class Broken:
    def ask(self) -> Any:
        raise RuntimeError("singular matrix")

    take = tell = ask


def test_a_searcher_that_fails_costs_no_trial(
    load: Callable[..., Sweep], caplog: pytest.LogCaptureFixture
) -> None:
    sweep = load(run_cap=5)
    plan = AdaptivePlan(sweep, Tree(sweep.base_dir), Broken(), [], lambda run: None)
    assert len(list(plan)) == 5
    assert caplog.text.count("singular matrix") == 1


class Overheard:
    """A searcher whose observations are kept, by the order of its points."""

    def __init__(self, searcher: Any) -> None:
        self._searcher = searcher
        self.points: dict[str, Any] = {}
        self.told: dict[str, Any] = {}

    def ask(self) -> Any:
        key, point = self._searcher.ask()
        self.points[key] = point
        return key, point

    def take(self, point: Any) -> str:
        key: str = self._searcher.take(point)
        self.points[key] = point
        return key

    def tell(self, key: str, *values: Any, **more: Any) -> None:
        self.told[key] = (values, more)
        self._searcher.tell(key, *values, **more)

    @property
    def observations(self) -> list[Any]:
        return [(tuple(self.points[key]), self.told[key]) for key in sorted(self.told, key=int)]


@pytest.mark.parametrize("mode", ["best", "last"])
@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_a_later_launch_learns_the_same_of_the_stopped_trials(
    load: Callable[..., Sweep], method: str, mode: Any
) -> None:
    sweep = load(
        method=method, metric={"name": "loss", "mode": mode}, run_cap=40,
        early_terminate={"type": "asha", "min_iter": 1, "max_iter": 9, "eta": 3},
    )  # fmt: skip
    values = partial(run_values, metric=sweep.metric)

    def begin() -> tuple[AdaptivePlan, Overheard]:
        tree, heard = Tree(sweep.base_dir), Overheard(searcher_for(sweep))
        planned = list(plan_trials(sweep, tree))
        return AdaptivePlan(sweep, tree, heard, planned, values), heard

    plan, first = begin()
    for number, item in zip(range(20), plan, strict=False):
        run = open_run(sweep, item)
        epochs = (9, 1, 3, 4)[number % 4]
        for epoch in range(1, epochs + 1):
            run.report(epoch=epoch, loss=bowl(item.trial.params) + (4 - epoch) ** 2 / 10)
        outcome = "failed" if number == 7 else "finished" if epochs == 9 else "stopped"
        run.close(outcome, error=ValueError("told to fail") if number == 7 else None)
        record = RunRecord.at(run.path)
        plan.ended(item.trial.index, values(record), record)
    point, ((given,), more) = first.observations[0]
    loss = bowl(sweep.space.decode(fill(point)) or {})
    assert given == pytest.approx(loss + (2.5 if mode == "last" else 0))
    assert more["curve"].reports == 9
    steps = {rung: found for rung, (found,) in more["curve"].rungs.items()}
    assert steps == {1: pytest.approx(loss + 0.9), 3: pytest.approx(loss + 0.1)}
    stopped = [more["curve"].stopped for _, (_, more) in first.observations]
    assert stopped == [number % 4 > 0 for number in range(20)]
    again = [begin() for _ in range(2)]
    for _, heard in again:
        for before, after in zip(first.observations, heard.observations, strict=True):
            assert after[0] == pytest.approx(before[0], abs=1e-12)
            if before[1][1]["curve"].reports:
                assert after[1] == before[1]
            else:  # failed: as bad as the worst, of which there were fewer then
                assert after[1][1] == before[1][1]
    chosen = [[next(plan) for _ in range(3)] for plan in (again[0][0], again[1][0], plan)]
    assert chosen[0] == chosen[1]
    if method == "bayes":  # of TPE the random numbers are other ones
        for before, after in zip(chosen[2], chosen[0], strict=True):
            assert before is not None
            assert after is not None
            of = before.trial.params
            assert after.trial.params == {**of, "rate": pytest.approx(of["rate"], rel=1e-3)}


def searchers() -> list[tuple[str, Callable[[], Any]]]:
    return [
        ("tpe", lambda: OptunaSearcher("tpe", cube(), 4)),
        ("cmaes", lambda: OptunaSearcher("cmaes", cube(), 4)),
        ("qmc", lambda: SobolSearcher(3, 4)),
    ]


def cube() -> Space:
    """Two numbers and three categories."""
    number = Distribution("uniform", min=0.0, max=1.0)
    three = Distribution("categorical", values=("a", "b", "c"))
    parameters = tuple(
        Parameter((name,), (name,), of) for name, of in (("x", number), ("y", number), ("z", three))
    )
    return Space(parameters, tuple(Axis((one,)) for one in parameters))


@pytest.fixture(params=searchers(), ids=lambda pair: pair[0])
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    name, factory = request.param
    pytest.importorskip(PACKAGES.get(name, ("optuna",))[0])
    return factory


def far(point: list[float]) -> float:
    return (point[0] - 0.3) ** 2 + (point[1] - 0.7) ** 2 + (0.0 if point[2] < 0.34 else 0.5)


def test_points_lie_in_the_cube_and_differ(make: Callable[[], Any]) -> None:
    searcher = make()
    points = [searcher.ask()[1] for _ in range(30)]
    assert all(len(point) == 3 and all(0 < u < 1 for u in point) for point in points)
    assert len({tuple(point) for point in points}) == 30
    assert {round(u * 3 - 0.5) for u in (p[2] for p in points)} == {0, 1, 2}


def test_the_same_seed_and_history_give_the_same_points(make: Callable[[], Any]) -> None:
    def trace() -> list[list[float]]:
        searcher = make()
        searcher.tell(searcher.take([0.1, 0.2, 0.5]), 3.0)
        points = []
        for _ in range(20):
            key, point = searcher.ask()
            points.append(point)
            searcher.tell(key, far(point))
        return points

    assert trace() == trace()


def test_history_is_learned(make: Callable[[], Any], request: pytest.FixtureRequest) -> None:
    searcher = make()
    if isinstance(searcher, SobolSearcher):
        pytest.skip("a Sobol sequence learns nothing")
    steps = [i / 9 for i in range(10)]
    for x in steps:
        for y in steps:
            for z in (1 / 6, 0.5, 5 / 6):
                searcher.tell(searcher.take([x, y, z]), far([x, y, z]))
    asked = [searcher.ask()[1] for _ in range(10)]
    # Of ten points at random one would be so near.
    assert sum(far(point) < 0.1 for point in asked) >= 3, asked


def test_nothing_told_does_no_harm(make: Callable[[], Any]) -> None:
    searcher = make()
    for _ in range(15):
        searcher.tell(searcher.ask()[0], None)
    assert len(searcher.ask()[1]) == 3


def test_sobol_goes_on_where_it_ended() -> None:
    whole = SobolSearcher(2, 9)
    points = [whole.ask()[1] for _ in range(8)]
    later = SobolSearcher(2, 9)
    for point in points[:5]:
        later.take(point)
    assert [later.ask()[1] for _ in range(3)] == points[5:]


@pytest.mark.parametrize("method", sorted(PACKAGES))
def test_a_missing_package_is_named(
    method: str, load: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[method][0], None)
    with pytest.raises(UsageError, match=rf"method: {method} needs .*sweeper\[{method}\]"):
        searcher_for(load(method=method))


def test_a_package_that_cannot_be_used_is_named(
    load: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cmaes")
    monkeypatch.setattr("sweeper.search.optuna_searcher.OptunaSearcher.__init__", Broken.ask)
    with pytest.raises(UsageError, match=r"installed cmaes \S+ cannot be used: TypeError"):
        searcher_for(load(method="cmaes"))
