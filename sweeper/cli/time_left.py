"""How long a launch will still take: told from how long its trials have taken so far."""

from __future__ import annotations

import heapq
import statistics
import time
from collections import deque
from collections.abc import Collection, Hashable, Mapping
from typing import Any

LATEST = 1000  # trials that the estimate is made from
ROUNDS = 100  # of trials that are dealt out one by one


class TimeLeft:
    """Follows which trials run, since when, and how long those took that have ended.

    A trial that went on from epochs of an earlier launch says little of a whole one: it counts
    until a whole one has ended. ``wall`` is when the launch ends in any case, in seconds.
    """

    def __init__(self) -> None:
        self.wall: float | None = None
        self._began = time.monotonic()
        self._since: dict[Hashable, float] = {}  # running trial -> when it started
        self._at_once = 1  # as many have run at a time
        self._whole: deque[float] = deque(maxlen=LATEST)
        self._parts: deque[float] = deque(maxlen=LATEST)

    def begin(self) -> None:
        self._began = time.monotonic()

    def passed(self) -> float:
        return time.monotonic() - self._began

    def trial_started(self, trial: Hashable, age: float = 0.0) -> None:
        self._since[trial] = time.monotonic() - age
        self._at_once = max(self._at_once, len(self._since))

    def trial_lost(self, trial: Hashable) -> None:
        self._since.pop(trial, None)

    def trial_ended(self, trial: Hashable, resumed: bool, took: float | None) -> None:
        """``took`` says how many seconds, where its start was not told."""
        since = self._since.pop(trial, None)
        seconds = took if since is None else time.monotonic() - since
        if seconds is not None:
            (self._parts if resumed else self._whole).append(seconds)

    def seconds(self, trials: int, rests: Mapping[Any, float | None]) -> float | None:
        """An estimate for the ``trials`` that have not ended; None while nothing is known.

        Before the first one has ended it rests on ``rests``: how long those that run will still
        take, if their epochs say so. Each that waits goes to whoever is free first. Trials that all
        take equally long so let the estimate run down evenly, however many run at a time.
        """
        now = time.monotonic()
        ages = {trial: now - since for trial, since in list(self._since.items())}
        took: Collection[float] = self._whole or self._parts
        known = {} if took else {t: s for t in ages if (s := rests.get(t)) is not None}
        took = took or [ages[trial] + rest for trial, rest in known.items()]
        if not took:
            return None
        each = statistics.fmean(took)
        busy = [known.get(trial, _rest(took, age)) for trial, age in ages.items()]
        waiting = max(0, trials - len(busy))
        free = busy + [0.0] * (self._at_once - len(busy))
        rounds = max(0, waiting // len(free) - ROUNDS)
        heapq.heapify(free)
        for _ in range(waiting - rounds * len(free)):
            heapq.heapreplace(free, free[0] + each)
        left = max(free) + rounds * each
        return left if self.wall is None else max(0.0, min(left, self._began + self.wall - now))


def _rest(took: Collection[float], elapsed: float) -> float:
    """How much longer those trials took that were not over after ``elapsed`` seconds."""
    longer = [seconds for seconds in took if seconds > elapsed]
    return statistics.fmean(longer) - elapsed if longer else 0.0
