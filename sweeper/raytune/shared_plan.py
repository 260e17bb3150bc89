"""The trials of a plan that no other launch of the sweep does or has done."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sweeper import store
from sweeper.errors import StoreError
from sweeper.sweepfile import Sweep
from sweeper.tree import Choices, Claims, PlannedTrial, RunChooser, Tree, plan_trials

logger = logging.getLogger("sweeper.raytune")

LOOK_SECONDS = 2.0  # between looks at what others had taken


@dataclass(eq=False)
class SharedPlan(Iterator["PlannedTrial | None"]):
    """Hands out the new and resumed trials of ``plan``: takes each, then looks how it stands now.

    What another launch has taken waits until that has ended it, or is gone. ``ended`` hears of
    each that has a run which is over, and whether that is news; ``stop`` says that no more is
    wanted. None: what is next depends on what runs, here or, where ``elsewhere`` is set, in other
    launches.
    """

    plan: Iterator[PlannedTrial | None]
    sweep: Sweep
    tree: Tree
    choices: Choices
    claims: Claims
    stop: Callable[[], bool]

    def __post_init__(self) -> None:
        self._chooser = RunChooser(self.sweep, self.tree, self.choices)
        self._waiting: deque[PlannedTrial] = deque()
        self._look_at = 0.0
        self._met: set[int] = set()
        self.ended: Callable[[PlannedTrial, bool], None] = lambda item, news: None
        self.elsewhere = False
        self.exhausted = False  # what is left others have taken

    def __next__(self) -> PlannedTrial | None:
        try:
            return self._next()
        except StoreError as error:
            logger.debug("%s", error)
            self.elsewhere = True  # asked again, as it is where others have what is next
            return None

    def _next(self) -> PlannedTrial | None:
        self.elsewhere = self.exhausted = False
        if time.monotonic() >= self._look_at:
            for _ in range(len(self._waiting)):
                taken = self._take(self._waiting.popleft())
                if taken is not None or self.stop():
                    return taken
            self._look_at = time.monotonic() + LOOK_SECONDS
        for item in self.plan:
            if item is None:
                self.elsewhere = not self.sweep.makes_trials
                return None
            self._met.add(item.trial.index)
            if item.state == "reused" and item.run is not None:
                self.ended(item, False)
            taken = self._take(item) if item.state in ("new", "resumed") else None
            if taken is not None or self.stop():
                return taken
        if not self._waiting:
            raise StopIteration
        self.elsewhere = self.exhausted = True
        return None

    def plan_anew(self, sweep: Sweep) -> None:
        """Go by ``sweep``, which differs in its ``run_cap``; what was met is not met again."""
        cap = sweep.run_cap
        late = {i.trial.index for i in self._waiting if cap is not None and i.trial.index >= cap}
        self._waiting = deque(i for i in self._waiting if i.trial.index not in late)
        self._met -= late
        planned = plan_trials(sweep, self.tree, self.choices)
        self.plan = (item for item in planned if item.trial.index not in self._met)

    def give_back(self, item: PlannedTrial) -> None:
        """It is not run: another launch may."""
        self.claims.release(item.trial.index)

    def _take(self, item: PlannedTrial) -> PlannedTrial | None:
        """The trial as it stands now, if it is to be run and is ours."""
        if self.sweep.makes_trials:  # a population is one launch's alone
            return item
        if self.claims.take(item.trial) is None:
            self._waiting.append(item)
            return None
        try:
            now = self._as_it_stands(item)
        except StoreError as error:  # the launch says it; what is not taken is asked again
            logger.debug("%s", error)
            self.claims.release(item.trial.index)
            self._waiting.append(item)
            return None
        if now.state in ("new", "resumed"):
            return now
        if now.state == "other":  # as if it were not there
            return item
        self.claims.release(item.trial.index)
        if now.run is not None:
            self.ended(now, True)
        return None

    def _as_it_stands(self, item: PlannedTrial) -> PlannedTrial:
        """The trial by what its runs are now; what it goes on from is here."""
        tree = self.tree.of(item.trial.params)
        experiment, runs = tree.find_runs(item.trial.params, self.sweep.monitored)
        if store.address_of(tree.base):
            store.refresh(tree.base / experiment, now=True)
            runs = tree.runs(experiment)
        now = self._chooser.plan(item.trial, experiment, runs)
        if now.state == "resumed" and now.run is not None:
            store.take(now.run.path)
        if now.state == "new" and now.continues is not None:
            store.bring(now.continues.path)
        return now
