"""Tune's scheduler: an adapter around a stopping rule or a population."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweeper.experiment import begins_again
from sweeper.search import AdaptivePlan, Population, StoppingRule, stopping_rule
from sweeper.sweepfile import Sweep
from sweeper.tree import RunRecord, Tree


class MetricScheduler(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial where ``should_stop`` says so of its latest report of the metric."""

    def __init__(self, should_stop: Callable[[dict[str, Any]], bool]) -> None:
        super().__init__()
        self._should_stop = should_stop
        self._heard: dict[int, tuple[Any, Any]] = {}  # trial -> its latest report

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its scheduler for a restore that we never do

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        report = result.get("iteration"), result.get("metric")
        # The same as before: a report without the metric.
        if None in report or result.get("done") or self._heard.get(result["trial"]) == report:
            return str(TrialScheduler.CONTINUE)
        self._heard[result["trial"]] = report
        return str(TrialScheduler.STOP if self._should_stop(result) else TrialScheduler.CONTINUE)


def stop_by_rule(rule: StoppingRule) -> MetricScheduler:
    """Stops a trial when the stopping rule says so."""

    def is_bad(result: dict[str, Any]) -> bool:
        run = f"{result['experiment']}/{result['run']}"
        return rule.should_stop(run, result["iteration"], result["metric"])

    return MetricScheduler(is_bad)


def replace_by_child(population: Population) -> MetricScheduler:
    """Stops a trial when the population has one to put in its place."""

    def is_replaced(result: dict[str, Any]) -> bool:
        run = RunRecord.at(Path(result["path"]))
        return population.reported(result["trial"], run, result["epoch"], result["metric"])

    return MetricScheduler(is_replaced)


def scheduler_for(sweep: Sweep, tree: Tree, adaptive: AdaptivePlan | None) -> TrialScheduler | None:
    """The scheduler of the sweep's ``early_terminate``, which knows the runs so far; or None."""
    if isinstance(adaptive, Population):
        return replace_by_child(adaptive)
    rule = stopping_rule(sweep)
    if rule is None:
        return None
    for run, values in _earlier_values(sweep, tree):
        rule.learn(run, values)
    return stop_by_rule(rule)


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
