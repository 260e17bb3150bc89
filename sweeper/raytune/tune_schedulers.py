"""Tune's schedulers: adapters around a stopping rule or a population."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweeper.experiment import begins_again
from sweeper.search import AdaptivePlan, Population, StoppingRule, stopping_rule
from sweeper.sweepfile import Sweep
from sweeper.tree import RunRecord, Tree


class _MetricScheduler(FIFOScheduler):  # type: ignore[misc]
    """Asks :meth:`should_stop` at each report of the metric, unless the trial is done."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its scheduler for a restore that we never do

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        value, iteration = result.get("metric"), result.get("iteration")
        if value is None or iteration is None or result.get("done"):
            return str(TrialScheduler.CONTINUE)
        stop = self.should_stop(result, iteration, value)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def should_stop(self, result: dict[str, Any], iteration: int, value: float) -> bool:
        """Is the trial that has just reported to be stopped?"""
        raise NotImplementedError


class StopByRule(_MetricScheduler):
    """Stops a trial when the stopping rule says so."""

    def __init__(self, rule: StoppingRule) -> None:
        super().__init__()
        self._rule = rule

    def should_stop(self, result: dict[str, Any], iteration: int, value: float) -> bool:
        run = f"{result['experiment']}/{result['run']}"
        return self._rule.should_stop(run, iteration, value)


class ReplaceByChild(_MetricScheduler):
    """Stops a trial when the population has one to put in its place."""

    def __init__(self, population: Population) -> None:
        super().__init__()
        self._population = population
        self._heard: dict[int, int] = {}  # trial -> its latest iteration

    def should_stop(self, result: dict[str, Any], iteration: int, value: float) -> bool:
        trial = result["trial"]
        if self._heard.get(trial) == iteration:  # a report without the metric
            return False
        self._heard[trial] = iteration
        run = RunRecord.at(Path(result["path"]))
        return self._population.reported(trial, run, result["epoch"], value)


def scheduler_for(sweep: Sweep, tree: Tree, adaptive: AdaptivePlan | None) -> TrialScheduler | None:
    """The scheduler of the sweep's ``early_terminate``, which knows the runs so far; or None."""
    if isinstance(adaptive, Population):
        return ReplaceByChild(adaptive)
    rule = stopping_rule(sweep)
    if rule is None:
        return None
    for run, values in _earlier_values(sweep, tree):
        rule.learn(run, values)
    return StopByRule(rule)


def _earlier_values(sweep: Sweep, tree: Tree) -> Iterator[tuple[str, list[float]]]:
    """The runs that the sweep has already: name, and metric by report.

    An interrupted one too, unless it will begin again from its beginning.
    """
    assert sweep.metric is not None
    name = sweep.metric.name
    for record in tree.runs_of(sweep.sweep_name):
        if record.outcome or not begins_again(record.paths):
            values = [row[name] for row in record.rows if name in row]
            yield f"{record.experiment}/{record.run}", values
