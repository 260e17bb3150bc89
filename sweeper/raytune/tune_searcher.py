"""Searchers: what Tune asks for the next trial. Tune sees an opaque request, never a parameter."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from ray.tune.search import Searcher

from sweeper.errors import StoreError, SweeperError, TreeError
from sweeper.tree import PlannedTrial

from .gpu_share import GpuShare
from .shared_plan import SharedPlan
from .stop_conditions import StopConditions


class TuneSearcher(Searcher):  # type: ignore[misc]
    """Hands out the trials of a plan in their order, until it ends or the launch winds down.

    Where the plan gives None, the next trial depends on those that run. ``request`` turns a planned
    trial into the message for the trainable; ``conditions`` tell that no new trial is to start;
    ``share`` says how much of a GPU each gets.
    """

    def __init__(
        self,
        plan: SharedPlan,
        request: Callable[[PlannedTrial], dict[str, Any]],
        conditions: StopConditions,
        share: GpuShare,
    ) -> None:
        super().__init__()
        self._plan = plan
        self._request = request
        self._conditions = conditions
        self._share = share
        self._handed_out: dict[str, PlannedTrial] = {}
        self._running: set[str] = set()
        self._again: deque[PlannedTrial] = deque()
        self._counted: PlannedTrial | None = None  # one that starts once it has been counted
        self._crowded: set[int] = set()  # trials that want a GPU for themselves
        self._waiting: set[str] = set()  # those of them that Tune has, and no GPU yet
        self.avoid: Collection[str] = ()  # the nodes that are left out
        self.limit: int | None = None  # how many may run at a time, where that was asked for
        self.paused = False
        self.look: Callable[[], None] = lambda: None  # what is asked of the launch

    def suggest(self, trial_id: str) -> Any:
        with contextlib.suppress(TreeError):
            self.look()  # Tune does nothing else while it waits for a trial
        if self._conditions.fatal or self._conditions.over:
            return Searcher.FINISHED
        # Ray packs: with one GPU's trials less, a GPU is soon free for who waits for a whole one.
        slots = self._share.slots - len(self._waiting) * (self._share.together - 1)
        if len(self._running) >= (slots if self.limit is None else min(self.limit, slots)):
            return None
        if self.paused:
            if not self._running and not self._again and (item := self._next()) is not None:
                self._again.append(item)
            waits = self._running or (self._again and not self._conditions.winding_down())
            return None if waits or self._more else Searcher.FINISHED
        item = self._again.popleft() if self._again else self._next()
        if item is None:
            # Tune asks again: what runs may come back, or what is next depends on it.
            return None if self._running or self._more else Searcher.FINISHED
        self._running.add(trial_id)
        self._handed_out[trial_id] = item
        request, gpu = self._request(item), self._share.part
        if item.trial.index in self._crowded:
            self._waiting.add(trial_id)
            request["crowded"], gpu = True, 1
        return {"request": json.dumps(request), "avoid": sorted(self.avoid), "gpu": gpu}

    @property
    def _more(self) -> bool:
        left = self._plan.elsewhere or self._counted is not None
        return left and not self._conditions.winding_down()

    @property
    def idle(self) -> bool:
        """Is all that is left run by other launches?"""
        return not self._running and self._plan.exhausted

    def _next(self) -> PlannedTrial | None:
        if self._conditions.winding_down():
            return None
        try:
            self._counted = item = self._counted or next(self._plan, None)
            starts = item is None or self._conditions.starting()
        except StoreError:  # the launch says it; it is asked again
            return None
        except TreeError as error:  # Tune would call every trial failed
            self._conditions.wind_down(str(error))
            return None
        except SweeperError as error:
            self._conditions.fatal = str(error)
            return None
        self._counted = None
        if item is not None and not starts:
            self._plan.give_back(item)
            return None
        return item

    def index(self, trial_id: str) -> int:
        """The sweep's number of the trial that Tune calls ``trial_id``."""
        return self._handed_out[trial_id].trial.index

    def started(self, trial_id: str) -> tuple[int, dict[str, Any]]:
        """The same, and its parameters, of one that starts."""
        self._waiting.discard(trial_id)
        trial = self._handed_out[trial_id].trial
        return trial.index, trial.params

    def give_again(self, trial_id: str, crowded: bool = False) -> None:
        """The trial, which is over for Tune, has come to nothing: it is handed out once more.

        One that was ``crowded`` gets a GPU for itself.
        """
        self._again.append(item := self._handed_out[trial_id])
        if crowded:
            self._crowded.add(item.trial.index)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The trial has ended. What it gave is read from its run, once that is closed."""
        self._running.discard(trial_id)
        self._waiting.discard(trial_id)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher for a restore that we never do

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: a launch begins from the tree."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a launch begins from the tree."""
