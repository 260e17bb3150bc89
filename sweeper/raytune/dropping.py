"""Trials that a race has decided against: each gets a run that says so."""

from __future__ import annotations

from sweeper.experiment import end_trial
from sweeper.sweepfile import Sweep
from sweeper.tree import PlannedTrial

from .listener import GuardianListener


def drop_trial(sweep: Sweep, listener: GuardianListener, item: PlannedTrial, why: str) -> None:
    """Close the trial's run as pruned, for ``why``: no launch begins it again."""
    end_trial(item, sweep, "pruned", by="driver", why=f"pruned: {why}")
    listener.trial_ended(item.trial.index, "pruned", {"error": why}, None)
