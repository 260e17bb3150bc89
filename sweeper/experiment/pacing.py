"""When a backup is due: backing up shall take little of the time, and a kill cost little too."""

from __future__ import annotations

import time
from collections import deque

SHARE = 0.05
"""How much of the time backing up may take …"""

MOST_SECONDS, LEAST_SECONDS = 60.0, 0.5
"""… unless a kill would cost more training than this; below the other, each epoch is backed up."""

BYTES_PER_SECOND = 200e6
"""What a first backup is taken to cost."""


class Pace:
    """Of the backups of one fit, whose state has ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self._estimate = size / BYTES_PER_SECOND
        self._costs: deque[float] = deque(maxlen=3)  # of the last ones, in seconds
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Has so much been trained since the last backup that another one costs little of it?"""
        cost = min(self._costs, default=self._estimate)  # a slow one may have been the disk's
        wait = min(cost / SHARE, MOST_SECONDS)
        return wait < LEAST_SECONDS or time.monotonic() - self._last >= wait

    def note(self, began: float) -> None:
        """A backup has been made, since ``began`` (``time.monotonic``)."""
        self._last = time.monotonic()
        self._costs.append(self._last - began)
