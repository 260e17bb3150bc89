"""Schedulers: which running trials go on."""

from __future__ import annotations

import bisect
import logging
import math
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweeper.errors import UsageError
from sweeper.spec import EarlyTerminate, Metric

logger = logging.getLogger("sweeper.raytune")


class Hyperband(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial that does badly at a band, as W&B's hyperband does.

    A trial that reaches a band (a number of reports of the metric) leaves there its best value so
    far. A band's threshold is the value at index ``floor(n / eta)`` of its n values, best first. A
    running trial is stopped when, at the latest band it has reached, it is worse than the
    threshold; unless ``strict``, its best value so far is what is judged.

    Source: W&B, "Define sweep configuration", ``early_terminate``; Li et al., "Hyperband", JMLR
    18 (2018).
    """

    def __init__(self, early: EarlyTerminate, metric: Metric) -> None:
        super().__init__()
        self._early = early
        self._sign = -1.0 if metric.goal == "maximize" else 1.0
        self._values: dict[int, list[float]] = {}  # band -> its values, ascending
        self._trials: dict[str, tuple[int, float]] = {}  # trial -> latest band, value there
        self._best: dict[str, float] = {}

    def learn(self, values: list[float]) -> None:
        """Let a run that has ended count for the thresholds; ``values``: one per report."""
        for iteration, value in enumerate(values, 1):
            self._reach("", iteration, value)
        self._best.pop("", None)
        self._trials.pop("", None)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        value, iteration = result.get("metric"), result.get("iteration")
        if value is None or iteration is None or result.get("done"):
            return str(TrialScheduler.CONTINUE)
        name = trial.trial_id
        self._reach(name, iteration, value)
        if name not in self._trials:
            return str(TrialScheduler.CONTINUE)
        band, there = self._trials[name]
        values = self._values[band]
        threshold = values[min(int(len(values) / self._early.eta), len(values) - 1)]
        judged = there if self._early.strict else self._best[name]
        return str(TrialScheduler.STOP if judged > threshold else TrialScheduler.CONTINUE)

    def _reach(self, name: str, iteration: int, value: float) -> None:
        signed = self._sign * value
        best = self._best.get(name, math.inf)
        if not math.isnan(signed):
            best = min(best, signed)
        self._best[name] = best
        if iteration in self._early.bands(iteration)[-1:] and math.isfinite(best):
            bisect.insort(self._values.setdefault(iteration, []), best)
            self._trials[name] = (iteration, best)


def scheduler_for(early: EarlyTerminate | None, metric: Metric | None) -> Any:
    """The scheduler that a sweep asks for; None runs every trial to its end.

    Raises ``UsageError`` for a type that is not built yet.
    """
    if early is None:
        return None
    if early.type != "hyperband" or metric is None:
        raise UsageError(
            f"early_terminate.type: expected hyperband, found {early.type}: "
            "this version stops trials early by hyperband only"
        )
    return Hyperband(early, metric)
