"""Searchers: what Tune asks for the next trial. Tune sees an opaque request, never a parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ray.tune.search import Searcher

from sweeper.errors import SweeperError
from sweeper.tree import PlannedTrial

from .stop_conditions import StopConditions

_END = object()


class TuneSearcher(Searcher):  # type: ignore[misc]
    """Hands out the trials of a plan in their order, until it ends or the launch winds down.

    Where the plan gives None, the next trial depends on those that run. ``request`` turns a planned
    trial into the message for the trainable; ``conditions`` tell that no new trial is to start.
    """

    def __init__(
        self,
        plan: Iterator[PlannedTrial | None],
        request: Callable[[PlannedTrial], dict[str, Any]],
        conditions: StopConditions,
    ) -> None:
        super().__init__()
        self._plan = plan
        self._request = request
        self._conditions = conditions
        self._indices: dict[str, int] = {}
        self._running: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        if self._conditions.winding_down():
            return Searcher.FINISHED
        try:
            item = next(self._plan, _END)
        except SweeperError as error:  # Tune would call every trial failed
            self._conditions.fatal = str(error)
            return Searcher.FINISHED
        if item is None and self._running:
            return None  # Tune asks again
        if not isinstance(item, PlannedTrial):
            return Searcher.FINISHED
        self._running.add(trial_id)
        self._conditions.starting()
        self._indices[trial_id] = item.trial.index
        return {"request": json.dumps(self._request(item))}

    def index(self, trial_id: str) -> int:
        """The sweep's number of the trial that Tune calls ``trial_id``."""
        return self._indices[trial_id]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The trial has ended. What it gave is read from its run, once that is closed."""
        self._running.discard(trial_id)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher for a restore that we never do

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: a launch begins from the tree."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a launch begins from the tree."""
