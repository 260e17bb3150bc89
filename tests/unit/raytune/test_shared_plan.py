"""Launches that share a plan, each in its own process: every trial once, whatever the method."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.raytune.shared_plan import SharedPlan
from sweeper.results import score
from sweeper.search import AdaptivePlan, searcher_for
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Choices, Claims, PlannedTrial, RunRecord, Tree, plan_trials
from tests.opened import open_run_of

MEMBERS, TRIALS = 3, 12
fork = multiprocessing.get_context("fork")


def value_of(sweep: Sweep, run: RunRecord) -> tuple[float] | None:
    found = score(run, sweep.metric) if sweep.metric and run.status == "finished" else None
    return (found.value,) if found else None


def member(sweep: Sweep, home: Path, barrier: Any, met: Any) -> None:
    """One trial at a time, as a launch does it, but for the training."""
    tree, claims, adaptive = Tree(sweep.base_dir), Claims(sweep, home), None
    plan: Any = plan_trials(sweep, tree)
    if sweep.adaptive:
        plan = adaptive = AdaptivePlan(
            sweep, tree, searcher_for(sweep), list(plan), lambda run: value_of(sweep, run), claims
        )
    shared = SharedPlan(plan, sweep, tree, Choices(), claims, lambda: False)
    ended = []

    def over(item: PlannedTrial, news: bool) -> None:
        ended.append(item.trial.index)
        if adaptive is not None and item.run is not None:
            adaptive.ended(item.trial.index, value_of(sweep, item.run))

    shared.ended = over
    barrier.wait(60)
    for item in shared:
        if item is None:
            assert shared.elsewhere
            time.sleep(0.02)
            continue
        trial = item.trial
        run = open_run_of(sweep, trial)
        assert not run.reopened
        run.report(epoch=1, loss=trial.params["x"])
        time.sleep(0.05)
        run.close("finished")
        claims.release(trial.index)
        ended.append(trial.index)
        if adaptive is not None:
            adaptive.ended(trial.index, (trial.params["x"],))
    met.put(sorted(ended))


@pytest.mark.parametrize(
    ("method", "repeats"), [("grid", 2), ("random", 1), ("bayes", 2), ("qmc", 1)]
)
def test_every_trial_has_one_run(tmp_path: Path, method: str, repeats: int) -> None:
    x = {"values": list(range(TRIALS))} if method == "grid" else {"min": 0.0, "max": 1.0}
    sweep_file = {
        "program": "s.py", "method": method, "metric": {"name": "loss"}, "run_cap": TRIALS,
        "repeats": repeats, "storage": str(tmp_path), "parameters": {"x": x},
    }  # fmt: skip
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(sweep_file))
    sweep = load_sweep(file)
    home = Tree(sweep.base_dir).home(sweep.sweep_name)
    home.mkdir(parents=True)
    barrier, met = fork.Barrier(MEMBERS), fork.SimpleQueue()
    processes = [
        fork.Process(target=member, args=(sweep, home, barrier, met)) for _ in range(MEMBERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * MEMBERS
    records = list(Tree(sweep.base_dir).all_runs())
    assert sorted(record.trial for record in records if record.trial is not None) == [
        *range(TRIALS)
    ]
    assert len({(record.experiment, record.replicate) for record in records}) == TRIALS
    assert [met.get() for _ in processes] == [[*range(TRIALS)]] * MEMBERS
