"""What a worker is told of the sweep, and of each trial: plain values, written as JSON."""

from __future__ import annotations

import os
from typing import Any

from sweeper.sweepfile import Sweep, command_words, told_words
from sweeper.tree import Claims, PlannedTrial, Program
from sweeper.worker import INTERPRETER, JSON_FILE, RUN_DIR

CHILD_TRIALS = 200  # a child is replaced after so many trials


def sweep_request(sweep: Sweep) -> dict[str, Any]:
    """What every trial of the sweep has in common, as the trainable and its child read it."""
    return {
        "base": str(sweep.base_dir),
        "sweep": sweep.sweep_name,
        "monitored": sweep.monitored,
        "checkpoint": _checkpoint_params(sweep),
        "backup_every": "epoch" if sweep.makes_trials else None,  # a child begins at a report
        "metric": sweep.metric.name if sweep.metric else None,
        "pattern": sweep.metric.pattern if sweep.metric else None,
        "links": sweep.links,
        "program": Program.of(sweep).to_json(),
        "hook": sweep.hook,
        "cpus": sweep.resources.cpu,
        "child_trials": 1 if sweep.isolation == "process" else CHILD_TRIALS,
        "retries": {
            "failed": sweep.retry.max,
            "out-of-memory": int(sweep.retry.out_of_memory == "alone"),
        },
        "time_limit": sweep.budget.trial,
        "every_report": sweep.early_terminate is not None,
    }


def trial_request(sweep: Sweep, mode: str, claims: Claims, planned: PlannedTrial) -> dict[str, Any]:
    """What is a trial's own; ``mode`` is the session's, ``function`` or ``script``."""
    trial = planned.trial
    request: dict[str, Any] = {
        "trial": trial.index,
        "params": trial.params,
        "replicate": trial.replicate,
        "seed": trial.seed,
        "passed_over": [run.run for run in planned.passed_over],
        "continues": planned.continues.run if planned.continues is not None else None,
    }
    if (lease := claims.lease(trial.index)) is not None:
        request["lease"] = [str(lease.directory), lease.number]
    if mode == "script":
        stand_in = {"json_path": JSON_FILE, "interpreter": INTERPRETER, "run_dir": RUN_DIR}
        request["argv"] = command_words(sweep, trial.params, environ=os.environ, **stand_in)
        request["first_word"] = told_words(sweep, trial.params, **stand_in)[0]
    return request


def _checkpoint_params(sweep: Sweep) -> dict[str, Any]:
    """``checkpoint_params`` of the experiment manager: the sweep's metric unless it says other."""
    params = {name: value for name, value in sweep.checkpoint.items() if name != "top"}
    metric = sweep.metric
    if metric and params.setdefault("monitor", metric.name) == metric.name:
        params.setdefault("mode", metric.goal[:3])
    return params
