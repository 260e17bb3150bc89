"""Trials that a race has decided against: each gets a run that says so."""

from __future__ import annotations

from sweeper.experiment import ExperimentManager, close_run
from sweeper.sweepfile import Sweep
from sweeper.tree import PlannedTrial, Program

from .listener import GuardianListener


def drop_trial(
    sweep: Sweep,
    listener: GuardianListener,
    item: PlannedTrial,
    why: str,
) -> None:
    """Close the trial's run as pruned, for ``why``: no launch begins it again."""
    trial = item.trial
    manager = ExperimentManager(
        sweep.base_dir, monitored_param_keys=sweep.monitored, program=Program.of(sweep)
    )
    run = manager.open(
        trial.params, sweep=sweep.sweep_name, trial=trial.index, replicate=trial.replicate,
        seed=trial.seed, passed_over=[one.run for one in item.passed_over], take_over=True,
    )  # fmt: skip
    close_run(run.path, "pruned", by="driver", why=f"pruned: {why}")
    listener.trial_ended(trial.index, "pruned", {"error": why}, None)
