"""How long a launch will still take: told from how long its trials have taken so far."""

from __future__ import annotations

import heapq
import statistics
import time
from collections import deque
from collections.abc import Collection, Sequence

LATEST = 1000  # trials that the estimate is made from
ROUNDS = 100  # of trials that are dealt out one by one


class TimeLeft:
    """Follows how long the trials took that have ended, and how many run at a time.

    A trial that went on from epochs of an earlier launch says little of a whole one: it counts
    until a whole one has ended. ``end`` is when the launch ends in any case, by the monotonic
    clock.
    """

    def __init__(self) -> None:
        self.end: float | None = None
        self._at_once = 1  # as many have run at a time
        self._whole: deque[float] = deque(maxlen=LATEST)
        self._parts: deque[float] = deque(maxlen=LATEST)

    def trial_started(self, running: int) -> None:
        self._at_once = max(self._at_once, running)

    def trial_ended(self, resumed: bool, seconds: float | None) -> None:
        if seconds is not None:
            (self._parts if resumed else self._whole).append(seconds)

    def seconds(self, trials: int, running: Sequence[tuple[float, float | None]]) -> float | None:
        """An estimate for the ``trials`` that have not ended; None while nothing is known.

        ``running``: how long each has run, and how long it will still take, if its epochs say so;
        on that it rests before the first one has ended. Each that waits goes to whoever is free
        first. Trials that all take equally long so let the estimate run down evenly, however many
        run at a time.
        """
        ended: Collection[float] = self._whole or self._parts
        took = ended or [age + rest for age, rest in running if rest is not None]
        if not took:
            return None
        each = statistics.fmean(took)
        busy = [_rest(took, age) if ended or rest is None else rest for age, rest in running]
        waiting = max(0, trials - len(busy))
        free = busy + [0.0] * (self._at_once - len(busy))
        rounds = max(0, waiting // len(free) - ROUNDS)
        heapq.heapify(free)
        for _ in range(waiting - rounds * len(free)):
            heapq.heapreplace(free, free[0] + each)
        left = max(free) + rounds * each
        return left if self.end is None else max(0.0, min(left, self.end - time.monotonic()))


def _rest(took: Collection[float], elapsed: float) -> float:
    """How much longer those trials took that were not over after ``elapsed`` seconds."""
    longer = [seconds for seconds in took if seconds > elapsed]
    return statistics.fmean(longer) - elapsed if longer else 0.0
