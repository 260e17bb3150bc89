"""Tune's callback hooks, told on to the launch's listener."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune

from sweeper.errors import LeaseLost, TreeError
from sweeper.experiment import close_run
from sweeper.search import AdaptivePlan, Race, ScoreFunction
from sweeper.tree import Claims, Lease, PlannedTrial, RunRecord, Tree

from .asked import Asked
from .disk import DiskUsage
from .faults import Faults, in_words
from .gpu_share import GpuShare
from .guardian import GuardianListener
from .stop_conditions import StopConditions
from .tune_searcher import TuneSearcher

logger = logging.getLogger("sweeper.raytune")


def _exceptions_logged(hook: Callable[..., None]) -> Callable[..., None]:
    """An exception in any hook would end the whole sweep: log it instead.

    One alone is to end it: that another launch has taken the sweep over. Of what cannot be read or
    written the trial's end tells.
    """

    @functools.wraps(hook)
    def guarded(self: LaunchCallback, *args: Any, **kwargs: Any) -> None:
        try:
            self.lease.check()
        except LeaseLost:
            raise
        except TreeError:  # not to be seen in this moment; each run's own lease guards that
            pass
        try:
            hook(self, *args, **kwargs)
        except TreeError as error:
            logger.warning("%s", error)
        except Exception:
            logger.exception("the listener of the launch failed")

    return guarded


@dataclass(eq=False)
class LaunchCallback(tune.Callback):  # type: ignore[misc]
    """Tells the stop conditions, the searcher and the listener what becomes of each trial.

    ``score`` is what a run counts with; ``adaptive`` is the plan of a sweep
    whose searcher learns from it. ``ray_log`` says where to read what Ray says. ``lease`` is the
    launch's, of the sweep: once that is gone it touches no run any more, and raises. ``claims`` are
    the trials that it has taken: each is given back when it has ended. ``asked`` looks what is
    asked of the launch; ``share`` learns how much of a GPU a trial takes.
    """

    searcher: TuneSearcher
    conditions: StopConditions
    faults: Faults
    disk: DiskUsage
    listener: GuardianListener
    tree: Tree
    score: ScoreFunction
    adaptive: AdaptivePlan | Race | None
    ray_log: str
    lease: Lease
    claims: Claims
    asked: Asked
    share: GpuShare
    # Ended without the metric, which no run has yet.
    silent: list[dict[str, Any]] = field(default_factory=list, init=False)
    warned: bool = field(default=False, init=False)  # that the metric is missing: once is enough

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that we never do

    @_exceptions_logged
    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        """Several times a second, whatever the trials do."""
        self.asked.look()

    @_exceptions_logged
    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self.listener.trial_started(*self.searcher.started(trial.trial_id))

    @_exceptions_logged
    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "missing" in result and not result.get("done") and not self.warned:
            self.warned = True
            if not self._known_metric():
                self.listener.warn(self.conditions.metric_missing(result))
        if "epoch" in result:
            value = result.get("metric")
            if value is not None:
                self._fail_silent()
            self.conditions.reported(value)
            self.listener.trial_reported(
                self._index(trial), result["epoch"], value, result.get("path", "")
            )

    @_exceptions_logged
    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        result = trial.last_result or {}
        end = result.get("end", "stopped")
        if end == "unfit":
            self._again(trial, self.faults.unfit(result))
            return
        if end == "paused":
            self.asked.look(at_once=True)  # else it would begin again at once
            self._again(trial, None)
            return
        if end == "crowded":
            why = "ran out of the memory of a GPU that it shared: it goes again with one for itself"
            self._again(trial, f"trial {self._index(trial)} {why}", crowded=True)
            return
        record = None
        if "path" in result:
            run = Path(result["path"])
            if end == "no-metric":
                end = "failed"
                self.silent.append(result)
                known = self._fail_silent()
                message = self.conditions.no_metric([result], known)
                result["error"] = f"NoMetric: {message}"
                if not known and self.conditions.is_slip(result):
                    self.conditions.slip = message
            if end == "stopped":
                self._close_stopped(run)
            record = RunRecord.at(run)
            if end == "stopped" and record.outcome is not None:  # maybe its own, from before
                end = record.status
        self.faults.ended(end, result)
        self._ended(self._index(trial), end, record, result)

    def ended_before(self, item: PlannedTrial, news: bool) -> None:
        """A trial is over before its turn here; if that is ``news``, by another launch."""
        assert item.run is not None
        trial, metric = item.trial.index, self.conditions.metric
        if not news:
            if metric is not None and metric.target is not None:
                self.conditions.scored(item.trial.first, self.score(item.run))
            return
        run = item.run
        self._ended(trial, run.status, run, {"path": str(run.path)}, told_as=item.state)

    @_exceptions_logged
    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        index = self._index(trial)
        reason = in_words(Path(trial.error_file).read_text(errors="replace"), self.ray_log)
        error = self.faults.lost(index, reason)
        if error is None:
            self._again(trial, f"trial {index} goes again: {reason}")
            return
        self._ended(index, "lost", None, {"error": error})

    def _close_stopped(self, run: Path) -> None:
        """Our lease takes the run from the child, should it still train."""
        why = f"stopped early by {self.conditions.stopped_by}"
        try:
            close_run(run, "stopped", by="driver", why=why)
        except TreeError as error:  # its entry in the tree tells, and it goes on at the next launch
            self.listener.warn(str(error))

    def _again(self, trial: Any, why: str | None, crowded: bool = False) -> None:
        self.searcher.give_again(trial.trial_id, crowded)
        self.listener.trial_lost(self._index(trial))
        if why is not None:
            self.listener.warn(why)

    @_exceptions_logged
    def all_ended(self) -> None:
        """Where no trial had the metric the request is wrong, unless some have not had their turn.

        The runs are then left as they are, for a launch that asks for what they have reported.
        """
        conditions = self.conditions
        early = conditions.reason is not None and conditions.slip is None
        if not self._fail_silent(even_if_unknown=early):
            message = conditions.slip or conditions.no_metric(self.silent, known=False)
            conditions.fatal = conditions.fatal or message

    def _fail_silent(self, *, even_if_unknown: bool = False) -> bool:
        """Once a run has the metric those trials have failed that ended without it."""
        known = bool(self.silent) and self._known_metric()
        if known or even_if_unknown:
            self.conditions.slip = None
            for result in self.silent:
                message = self.conditions.no_metric([result], known)
                error = {"type": "NoMetric", "message": message}
                close_run(Path(result["path"]), "failed", error, by="driver")
            self.silent.clear()
        return not self.silent

    def _ended(
        self,
        trial: int,
        end: str,
        run: RunRecord | None,
        result: dict[str, Any],
        told_as: str | None = None,
    ) -> None:
        """The trial is over, here or in another launch: all who go by that hear of it."""
        if run is not None:
            self.disk.ended(run.path)
            self.conditions.wind_down(self.disk.spent)
            self.share.learn(run)
        values = None if run is None or run.unreadable else self.score(run)
        if values and self.conditions.metric:
            result |= self.conditions.metric.breaks(values)
        if run is not None:
            self.conditions.scored(trial - run.replicate, values)
        if self.adaptive is not None:
            self.adaptive.ended(trial, values, run)
        self.conditions.ended(end)
        self.claims.release(trial, None if run is None else run.path)
        self.listener.trial_ended(trial, told_as or end, result, values[0] if values else None)

    def _known_metric(self) -> bool:
        metric = self.conditions.metric
        return metric is not None and any(
            metric.name in row
            for tree in (self.tree, self.tree.debug)
            for record in tree.all_runs()
            if record.unreadable is None
            for row in record.rows
        )

    def _index(self, trial: Any) -> int:
        return self.searcher.index(trial.trial_id)
