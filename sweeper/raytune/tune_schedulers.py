"""Tune's schedulers: adapters around a stopping rule or a population."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweeper.search import Population, StoppingRule
from sweeper.tree import RunRecord


class StopByRule(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial when the stopping rule says so.

    An iteration is one report of the metric, counted from 1 over all attempts of a run. A run is
    named by its directory, ``exp-…/run--…``, which a resumed trial keeps from launch to launch.
    """

    def __init__(self, rule: StoppingRule) -> None:
        super().__init__()
        self._rule = rule

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        value, iteration = result.get("metric"), result.get("iteration")
        if value is None or iteration is None or result.get("done"):
            return str(TrialScheduler.CONTINUE)
        run = f"{result['experiment']}/{result['run']}"
        stop = self._rule.should_stop(run, iteration, value)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)


class ReplaceByChild(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial when the population has one to put in its place."""

    def __init__(self, population: Population) -> None:
        super().__init__()
        self._population = population
        self._heard: dict[int, int] = {}  # trial -> its latest iteration

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its scheduler for a restore that we never do

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        value, iteration, index = result.get("metric"), result.get("iteration"), result["trial"]
        if value is None or iteration is None or result.get("done"):
            return str(TrialScheduler.CONTINUE)
        if self._heard.get(index) == iteration:  # a report without the metric
            return str(TrialScheduler.CONTINUE)
        self._heard[index] = iteration
        run = RunRecord.at(Path(result["path"]))
        replaced = self._population.reported(index, run, result["epoch"], value)
        return str(TrialScheduler.STOP if replaced else TrialScheduler.CONTINUE)
