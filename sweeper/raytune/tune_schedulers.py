"""Tune's scheduler: an adapter around a stopping rule or a population."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweeper.experiment import begins_again
from sweeper.search import AdaptivePlan, Population, StoppingRule, stopping_rule
from sweeper.sweepfile import Sweep
from sweeper.tree import RunRecord, Tree, living_owners

LOOK_SECONDS = 5.0  # between looks at what other launches' runs report


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


class OtherRuns:
    """Asks the ``rule``, and lets it know what runs of other launches report, earlier ones too."""

    def __init__(self, rule: StoppingRule, sweep: Sweep, tree: Tree) -> None:
        assert sweep.metric is not None
        self._rule, self._sweep, self._tree = rule, sweep, tree
        self._metric = sweep.metric.name
        self._known: set[str] = set()  # runs that are ours, or over
        self._look_at = 0.0
        self._alone = False

    def should_stop(self, result: dict[str, Any]) -> bool:
        """A run of ours has reported; what it had before, under another launch, counts too."""
        run = "/".join(Path(result["path"]).parts[-2:])
        if run not in self._known:
            self._known.add(run)
            values = self._values(RunRecord.at(Path(result["path"])))
            self._rule.learn(run, values[: result["iteration"] - 1])
        if time.monotonic() >= self._look_at:
            self.look()
        return self._rule.should_stop(run, result["iteration"], result["metric"])

    def look(self) -> None:
        """Read them again, if others run some or did at the last look.

        An interrupted one counts, unless it will begin again from its beginning.
        """
        was_alone, home = self._alone, self._tree.home(self._sweep.sweep_name)
        self._alone = len(living_owners(home)) < 2
        for record in () if was_alone and self._alone else self._tree.runs_of(home.name):
            run = f"{record.experiment}/{record.run}"
            if run in self._known:
                continue
            if record.outcome:
                self._known.add(run)
            if record.status != "interrupted" or not begins_again(record.paths):
                self._rule.learn(run, self._values(record))
        self._look_at = time.monotonic() + LOOK_SECONDS

    def _values(self, record: RunRecord) -> list[float]:
        return [row[self._metric] for row in record.rows if self._metric in row]


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
    others = OtherRuns(rule, sweep, tree)
    others.look()
    return MetricScheduler(others.should_stop)
