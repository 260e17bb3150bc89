"""What is asked of a launch while it runs: `sweeper stop`, `pause`, `continue`, `set`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeper import store
from sweeper.search import AdaptivePlan
from sweeper.sweepfile import Sweep
from sweeper.tree import SETTABLE, Control, Lease, elapsed, value_of

from .disk import DiskUsage
from .guardian import GuardianListener
from .shared_plan import SharedPlan
from .stop_conditions import StopConditions

if TYPE_CHECKING:
    from .tune_searcher import TuneSearcher

LOOK_SECONDS = 2.0  # between looks


@dataclass(eq=False)
class Asked:
    """Looks what is asked of the launch that holds ``lease``, and has the others do it."""

    sweep: Sweep
    lease: Lease
    todo: SharedPlan
    searcher: TuneSearcher
    conditions: StopConditions
    disk: DiskUsage
    adaptive: AdaptivePlan | None
    listener: GuardianListener

    def __post_init__(self) -> None:
        self._before = Control.read(self.lease.directory)
        self._now = self.sweep
        self._look_at = 0.0
        self._trouble: str | None = None  # with the store
        self._said_idle = False
        self._begun = time.monotonic() - elapsed(self.lease.directory)
        self._tell_deadline()

    def look(self, at_once: bool = False) -> None:
        """Called several times a second."""
        if not at_once and time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        if (trouble := store.trouble(self.lease.directory)) != self._trouble:
            self._trouble = trouble
            self.listener.warn(trouble or "the store answers again")
        if self.searcher.idle and not self._said_idle:
            self._said_idle = True
            self.listener.warn("other launches run what is left: waiting for them to end it")
        control = Control.read(self.lease.directory)
        how, why = control.stop(self.lease.number), "`sweeper stop` was asked for"
        self.conditions.wind_down(why if how else None)
        if how == "now":
            self.listener.ended(why, True, why)  # and our guardian ends us
        if control.paused != self.searcher.paused:
            self.searcher.paused = control.paused
            what = "paused: trials end their epoch and wait for `sweeper continue`"
            self.listener.warn(what if control.paused else "`sweeper continue`: trials go on")
        self._heed(control.on(self.sweep, self._before))

    def _heed(self, sweep: Sweep) -> None:
        before, self._now = self._now, sweep
        changed = [key for key in SETTABLE if value_of(sweep, key) != value_of(before, key)]
        if not changed:
            return
        words = (f"{key}={value_of(sweep, key)}" for key in changed)
        self.listener.warn(f"`sweeper set`: {', '.join(words)}")
        self.searcher.limit = sweep.parallel
        self.disk.most = sweep.budget.disk
        self.conditions.set_budget(sweep.budget, self.disk.spent)
        if "budget.wall" in changed:
            self._tell_deadline()
        if "run_cap" in changed:
            if self.adaptive is not None:
                self.adaptive.run_cap = sweep.run_cap
            else:
                self.todo.plan_anew(sweep)
            self.listener.more(_more(before.size(), sweep.size()))

    def _tell_deadline(self) -> None:
        wall = self._now.budget.wall
        left = None if wall is None else wall - time.monotonic() + self._begun
        self.listener.deadline(left, wall)


def _more(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before
