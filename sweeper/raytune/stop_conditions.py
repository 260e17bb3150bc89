"""What the driver knows while trials run, and why no further one should start."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from sweeper.sweepfile import Budget, Sweep
from sweeper.tree import means_metric, nearest_metric


class StopConditions:
    """``count`` says, given what this launch knows of, which start of a trial the next one is."""

    def __init__(self, sweep: Sweep, count: Callable[[int], int] = lambda known: known + 1) -> None:
        self._count = count
        self.breaker = sweep.retry.breaker
        self.budget = sweep.budget
        self.metric = sweep.metric
        self._name = sweep.metric.name if sweep.metric else ""
        early = sweep.early_terminate
        self.stopped_by = f"early_terminate ({early.type})" if early else "its scheduler"
        self.script = False  # whether the program is a script, once that is known
        self._repeats = sweep.repeats
        self._values: dict[int, list[float | None]] = {}  # parameter dict -> of its replicates
        self.started = 0
        self.failures_in_a_row = 0
        self.reason: str | None = None
        self.early = False
        self.over = False  # not even those trials can run that are to go again
        self.fatal: str | None = None
        self.slip: str | None = None  # that the metric goes by another name, until a run has it

    def winding_down(self) -> bool:
        return any(why is not None for why in (self.reason, self.fatal, self.slip))

    def starting(self) -> bool:
        """May one more trial start? Wind down when as many have been started as may be."""
        most = self.budget.trials
        self.started = self.started + 1 if most is None else self._count(self.started)
        if most is not None and self.started >= most:
            self.wind_down(f"the budget of {most} trials is spent")
        return most is None or self.started <= most

    def set_budget(self, budget: Budget, disk: str | None) -> None:
        """Go by another one; ``disk`` says where that of disk is spent still."""
        self.budget = budget
        if self.reason is not None and self.reason.startswith("the budget of"):
            self.reason, self.early = None, False
        spent = budget.trials is not None and self.started >= budget.trials
        self.wind_down(f"the budget of {budget.trials} trials is spent" if spent else disk)

    def has_room(self, waiting: int) -> bool:
        """May one more trial start, when ``waiting`` others are about to?"""
        most = self.budget.trials
        return not self.winding_down() and (most is None or self.started + waiting < most)

    def reported(self, value: float | None) -> None:
        """Wind down when a report reaches the sweep's target, if the best one is a run's value."""
        metric = self.metric
        if self._repeats == 1 and metric and metric.mode == "best" and not metric.limits:
            self._aim(value)

    def scored(self, first: int, found: Sequence[float] | None) -> None:
        """Wind down when the value of a trial that has ended reaches the target.

        ``first`` is the first trial of its parameter dict: where trials repeat it is their mean
        that must. A dict whose replicates were run by two launches is judged by the next. What
        breaks a limit reaches none.
        """
        kept = found and self.metric and not self.metric.breaks(found)
        value = found[0] if found and kept else None
        if self._repeats == 1:
            self._aim(value)
            return
        values = self._values.setdefault(first, [])
        values.append(value)
        numbers = [value for value in values if value is not None]
        if len(values) == self._repeats and numbers:
            self._aim(statistics.mean(numbers))

    def _aim(self, value: float | None) -> None:
        metric = self.metric
        if metric is None or metric.target is None or self.reason:
            return
        if value is None or not math.isfinite(value):
            return
        if value >= metric.target if metric.goal == "maximize" else value <= metric.target:
            self.reason = f"{metric.name} has reached its target of {metric.target:g}"

    def ended(self, end: str) -> None:
        """Wind down when too many trials in a row fail."""
        if end in ("failed", "out-of-memory", "timed-out"):
            self.failures_in_a_row += 1
            if self.breaker and self.failures_in_a_row >= self.breaker:
                self.wind_down(f"{self.breaker} trials in a row failed (retry.breaker)")
        elif end != "lost":
            self.failures_in_a_row = 0

    def wind_down(self, reason: str | None) -> None:
        """Start no further trial, although some are left, if there is a reason."""
        if self.reason is None and reason is not None:
            self.early = True
            self.reason = reason

    def no_metric(self, results: list[dict[str, Any]], known: bool) -> str:
        """What to say of trials that ended without the metric; ``known``: other runs have it."""
        name = self._name
        reported = sorted({name for result in results for name in result.get("reported") or []})
        near = nearest_metric(name, reported)
        found = f"found {', '.join(reported)}" if reported else "found no number reported"
        printed = next((result["printed"] for result in results if "printed" in result), None)
        if printed is not None and self.metric:
            found += f", and no number in a line that matches {self.metric.pattern!r}"
            mend = f"the last it printed: {', '.join(map(repr, printed))}" * bool(printed)
            mend = mend or "it printed nothing"
        elif known:
            mend = "other runs have it"
        elif near:
            mend = f"did you mean {near}?"
        elif reported and name.startswith("val_") and not any("val" in n for n in reported):
            mend = "nothing was validated: pass validation data to model.fit"
        elif self.script:
            mend = (
                "log it in the script with sweeper.report, sweeper.callbacks() or wandb.log, "
                "or define train(params, callbacks)"
            )
        else:
            mend = (
                "pass `callbacks` to model.fit (with validation data for val_…), or call run.report"
            )
        trials = [str(result.get("trial")) for result in results]
        who = f"trial{'s' * (len(trials) > 1)} {', '.join(trials[:5])}{', …' * (len(trials) > 5)}"
        return f"metric.name: {who} ended without reporting {name!r}: {found}; {mend}"

    def is_slip(self, result: dict[str, Any]) -> bool:
        """Whether a trial that ended without the metric has it under a name that is nearly so."""
        return any(means_metric(reported, self._name) for reported in result.get("reported") or [])

    def metric_missing(self, result: dict[str, Any]) -> str:
        """What to say of a trial that reports without the metric; it may still come."""
        names = result["missing"]
        near = nearest_metric(self._name, names)
        mend = f"did you mean {near}?" if near else "it may come later"
        return (
            f"metric.name: trial {result['trial']} has not reported {self._name!r} so far, "
            f"but {', '.join(names)}; {mend}"
        )
