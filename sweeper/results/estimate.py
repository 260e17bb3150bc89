"""What the trials that are left will cost, judged by those that have finished."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sweeper.sweepfile import Sweep
from sweeper.tree import PlannedTrial, RunRecord, files

MEASURED = 100  # run directories whose size is measured; more would tell little and take long


@dataclass(frozen=True)
class Estimate:
    """``seconds`` on the clock and ``bytes`` on the disk, with ``parallel`` trials at a time.

    It rests on ``runs`` finished runs.
    """

    seconds: float
    bytes: int
    parallel: int
    runs: int


class Estimator:
    """Sees the trials of a plan go by, then says what is left to do."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._states: Counter[str] = Counter()
        self._seen: set[Path] = set()
        self._seconds = 0.0
        self._sizes: list[int] = []

    def add(self, item: PlannedTrial) -> None:
        """Take note of a planned trial, and of its run if that has finished."""
        self._states[item.state] += 1
        if item.run is not None and item.state == "reused":
            self._learn(item.run)

    @property
    def trials(self) -> int:
        """How many trials went by."""
        return self._states.total()

    def _learn(self, run: RunRecord) -> None:
        """Take note of a run, if it has finished and was not seen before."""
        if run.path in self._seen or run.status != "finished":
            return
        self._seen.add(run.path)
        self._seconds += run.elapsed
        if len(self._sizes) < MEASURED:
            self._sizes.append(files.size(run.path))

    def estimate(self, unseen: int = 0) -> Estimate | None:
        """The cost of the trials seen that are new or resumed, and of ``unseen`` more.

        None before any run has finished.
        """
        left = self._states["new"] + self._states["resumed"] + unseen
        runs = len(self._seen)
        if not runs:
            return None
        parallel = slots(self._sweep)
        mean = self._seconds / runs
        seconds = 0.0 if not left else mean * max(1.0, left / parallel)
        size = round(left * sum(self._sizes) / len(self._sizes))
        return Estimate(seconds, size, parallel, runs)


def slots(sweep: Sweep) -> int:
    """How many trials run at a time on this machine, as far as can be told without Ray."""
    if sweep.parallel:
        return sweep.parallel
    limits = [math.inf]
    if sweep.resources.cpu:
        limits.append(len(os.sched_getaffinity(0)) / sweep.resources.cpu)
    if sweep.resources.gpu:
        limits.append(_gpus() / sweep.resources.gpu)
    fewest = min(limits)
    return max(1, int(fewest)) if math.isfinite(fewest) else 1


def _gpus() -> int:
    """The NVIDIA GPUs of this machine, one at least: without one, another machine will train."""
    try:
        return max(1, len(os.listdir("/proc/driver/nvidia/gpus")))
    except OSError:
        return 1
