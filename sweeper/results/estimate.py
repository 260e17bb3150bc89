"""What the trials that are left will cost, judged by those that have finished."""

from __future__ import annotations

import contextlib
import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import TreeError
from sweeper.sweepfile import MOST_LAUNCHED_TRIALS, Sweep
from sweeper.tree import PlannedTrial, files, fit_on_gpu, gpu_part, gpus_here

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
        self._seconds = self._gpu_part = 0.0
        self._sizes: list[int] = []

    def add(self, item: PlannedTrial) -> None:
        """Take note of a planned trial, and of its run if that has finished."""
        self._states[item.state] += 1
        run = item.run
        if run is None or item.state != "reused" or run.status != "finished":
            return
        if run.path not in self._seen:
            with contextlib.suppress(TreeError):  # of one that nobody may read
                self._seconds += run.elapsed
                self._seen.add(run.path)
                self._gpu_part = max(self._gpu_part, gpu_part(run))
            if len(self._sizes) < MEASURED:
                self._sizes.append(files.size(run.path))

    def estimate(self) -> Estimate | None:
        """The cost of the trials that are new or resumed, or that a searcher is yet to choose.

        None before any run has finished, and of a sweep that no launch would run to its end.
        """
        size, runs = self._sweep.size(), len(self._seen)
        if not runs or size is None or size > MOST_LAUNCHED_TRIALS:
            return None
        left = self._states["new"] + self._states["resumed"]
        if self._sweep.adaptive:
            left += max(0, size - self._states.total())
        parallel = slots(self._sweep, self._gpu_part)
        mean = self._seconds / runs
        seconds = 0.0 if not left else mean * max(1.0, left / parallel)
        size = round(left * sum(self._sizes) / len(self._sizes))
        return Estimate(seconds, size, parallel, runs)


def slots(sweep: Sweep, gpu_part: float = 0.0) -> int:
    """How many trials run at a time, as far as can be told without Ray.

    With ``gpu: auto`` as many share a GPU as one fits of which a trial took ``gpu_part``. Without a
    GPU here another machine, with one at least, trains what wants one.
    """
    wanted, gpus = sweep.resources, len(gpus_here())
    elsewhere = wanted.gpu and not wanted.gpu_auto and not gpus
    if sweep.parallel and (elsewhere or not wanted.gpu):
        return sweep.parallel  # -j 4 on two cores means four at once
    limits = [float(sweep.parallel or math.inf)]
    if wanted.cpu:
        limits.append(len(os.sched_getaffinity(0)) / wanted.cpu)
    if wanted.gpu_auto and gpus:
        limits.append(gpus * fit_on_gpu(gpu_part))
    elif wanted.gpu and not wanted.gpu_auto:
        limits.append(max(1, gpus) / wanted.gpu)
    fewest = min(limits)
    return max(1, int(fewest)) if math.isfinite(fewest) else 1
