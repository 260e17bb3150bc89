"""Tune's callback hooks, told on to the launch's listener."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from sweeper.experiment import close_run
from sweeper.tree import RunRecord, Tree

from .disk import Disk
from .stop_conditions import StopConditions, no_metric
from .tune_searcher import TuneSearcher

if TYPE_CHECKING:
    from .launcher import Listener

logger = logging.getLogger("sweeper.raytune")


def _harmless(hook: Callable[..., None]) -> Callable[..., None]:
    """An exception in any hook would end the whole sweep: log it instead."""

    @functools.wraps(hook)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            hook(*args, **kwargs)
        except Exception:
            logger.exception("the listener of the launch failed")

    return guarded


class LaunchCallback(tune.Callback):  # type: ignore[misc]
    """Tells ``progress`` and ``listener`` of each trial's start, reports and end.

    ``learn`` is given each trial that has ended, and its run if it got one; it returns the value
    of the metric that the run counts with.
    """

    def __init__(
        self,
        searcher: TuneSearcher,
        progress: StopConditions,
        listener: Listener,
        disk: Disk,
        base: Path,
        learn: Callable[[int, RunRecord | None], float | None],
    ) -> None:
        self._learn = learn
        self._disk = disk
        self._base = base
        self._searcher = searcher
        self._progress = progress
        self._listener = listener

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that we never do

    @_harmless
    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._listener.trial_started(self._index(trial))

    @_harmless
    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "epoch" in result:
            value = result.get("metric")
            self._progress.reported(value)
            self._listener.trial_reported(
                self._index(trial), result["epoch"], value, result.get("run", "")
            )

    @_harmless
    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        result = trial.last_result or {}
        end = result.get("end", "stopped")
        if "run" in result:
            run = Path(result["path"])
            if end == "no-metric" and self._known_metric():
                # Other runs have it: this trial failed, the request is right.
                end = "failed"
                result["error"] = (
                    f"NoMetric: {no_metric(self._progress.metric, result, self._progress.script)}"
                )
                kind, _, message = result["error"].partition(": ")
                close_run(run, end, {"type": kind, "message": message}, by="driver")
            if end == "stopped":  # our lease takes the run from the child, should it still train
                close_run(run, "stopped", by="driver")
            self._disk.ended(run)
            self._progress.takes(self._disk.spent)
            value = self._learn(self._index(trial), RunRecord.at(run))
        else:
            value = self._learn(self._index(trial), None)
        self._progress.ended(end, result)
        self._listener.trial_ended(self._index(trial), end, result, value)

    @_harmless
    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        result = {"error": "its worker is gone, again and again; -v shows what Ray says"}
        self._learn(self._index(trial), None)
        self._listener.trial_ended(self._index(trial), "lost", result, None)

    def _known_metric(self) -> bool:
        metric = self._progress.metric
        return metric is not None and any(
            metric.name in row for record in Tree(self._base).all_runs() for row in record.rows
        )

    def _index(self, trial: Any) -> int:
        return self._searcher.index(trial.trial_id)
