"""A race over a real tree: what it drops stays dropped, and is ranked behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from sweeper.experiment import end_trial
from sweeper.raytune.driver import drop_trial
from sweeper.results import index_sweep, rank, run_values
from sweeper.search import AdaptivePlan, Race, searcher_for
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import PlannedTrial, RunRecord, Tree, plan_trials
from tests.opened import open_run_of


class Listener:
    """What it is told of trials that end."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def trial_ended(self, trial: int, end: str, result: dict[str, Any], value: Any) -> None:
        self.heard.append(f"{trial} {end} {result['error']}")


def value_of(params: dict[str, Any], replicate: int) -> float:
    hard = 10.0 if replicate > 1 else 0.0  # whoever has had the first seeds alone looks good
    own = Random(f"{params} {replicate}").gauss(0, 0.01)
    return float(params["u"] + hard + Random(replicate).gauss(0, 1) + own)


def launch(
    sweep: Sweep, run_trial: Callable[..., Path], most: int = 1000
) -> tuple[list[int], list[str]]:
    tree, listener = Tree(sweep.base_dir), Listener()
    score = partial(run_values, metric=sweep.metric)
    plan: Any = plan_trials(sweep, tree)
    planned = list(plan) if sweep.adaptive else []
    adaptive = None
    if sweep.adaptive:
        plan = adaptive = AdaptivePlan(sweep, tree, searcher_for(sweep), planned, score)
    drop: Any = partial(drop_trial, sweep, listener)
    race = Race(sweep, plan, planned, score, drop, adaptive)
    running: list[PlannedTrial] = []
    trained = []
    while True:
        item = next(race, "end") if len(running) < 3 else None
        if isinstance(item, PlannedTrial):
            if item.state == "new":
                running.append(item)
            continue
        if len(trained) == most or not running:
            assert item == "end" or most < 1000
            return trained, listener.heard
        trial = running.pop(0).trial
        loss = value_of(trial.params, trial.replicate)
        name = f"run--26-11-24--00-{trial.index:02}"
        path = run_trial(sweep, trial, rows=[{"loss": loss}], run=name)
        race.ended(trial.index, score(RunRecord.at(path)))
        trained.append(trial.index)


@pytest.mark.parametrize("method", ["grid", "tpe"])
def test_what_is_dropped_stays_dropped_and_is_not_the_best(
    tmp_path: Path, run_trial: Callable[..., Path], method: str
) -> None:
    file = tmp_path / "s.yaml"
    values = {"values": [0.0, 1.0, 2.0, 3.0]}
    document = {
        "program": "s.py", "method": method, "metric": {"name": "loss"},
        "parameters": {"u": values}, "repeats": {"runs": 4, "race": True}, "run_cap": 16,
        "storage": str(tmp_path / "trees"),
    }  # fmt: skip
    file.write_text(yaml.safe_dump(document))
    sweep = load_sweep(file)
    first, dropped = launch(sweep, run_trial, most=7)
    more, later = launch(sweep, run_trial)
    assert sorted(first + more + [int(text.split()[0]) for text in dropped + later]) == [*range(16)]
    assert any("pruned surely worse than trial" in text for text in dropped + later)
    assert launch(sweep, run_trial) == ([], [])
    index = index_sweep(sweep)
    assert sweep.metric is not None
    ranked = rank(index.entries, sweep.metric)
    assert ranked[0].entry.params == {"u": 0.0}
    assert len(ranked[0].values) == 4
    assert ranked[-1].dropped
    assert ranked[-1].value < ranked[0].value


@pytest.mark.parametrize("outcome", ["pruned", "stopped"])
def test_a_run_that_is_only_closed_makes_no_other_attempt(grid: Sweep, outcome: str) -> None:
    tree, trial = Tree(grid.base_dir), next(grid.trials())
    run = open_run_of(grid, trial)
    run.report(loss=1.0)
    run.interrupt()
    planned = next(plan_trials(grid, tree))
    assert (planned.state, planned.run and planned.run.path) == ("resumed", run.path)
    assert end_trial(planned, grid, outcome, by="user", why="enough").status == outcome
    (attempt,) = RunRecord.at(run.path).attempts
    assert attempt["ended"] == outcome
    assert end_trial(planned, grid, "failed", by="user", why="again").status == outcome
