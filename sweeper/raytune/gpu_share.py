"""``resources: {gpu: auto}``: how much of a GPU the next trial gets, by what earlier ones took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sweeper.sweepfile import Sweep
from sweeper.tree import MOST_ON_GPU, RunRecord, fit_on_gpu, gpu_part

from . import cluster

_PARTS = 10_000  # Ray counts in ten-thousandths of a GPU


class GpuShare:
    """The ``part`` of a GPU that a trial gets, and how many ``slots`` for such trials there are.

    With ``auto`` a trial has a GPU for itself until one of the sweep's runs has told how much it
    took; then as many share one as the largest of them fits in, but so that no GPU goes without
    because another has got more: as CPUs and ``parallel`` allow it on each. Raises ``UsageError``
    when no node can hold a trial.
    """

    def __init__(self, sweep: Sweep, ray: Any, say: Callable[[str], None]) -> None:
        self._ray, self._cpu, self._say = ray, sweep.resources.cpu, say
        self.auto, part = sweep.resources.gpu_auto, sweep.resources.gpu
        self._most, self._largest, self._said = 1, 0.0, False
        if self.auto:
            gpus, self._most = cluster.count_gpus(ray, self._cpu)
            asked = MOST_ON_GPU if sweep.parallel is None else sweep.parallel // max(1, gpus)
            self._most = max(1, min(MOST_ON_GPU, self._most, asked))
            if not gpus:
                self.auto, part = False, 0
                say("resources: gpu: auto: there is no GPU: trials run without")
        self._take(part)
        self.room = cluster.check_resources(ray, self._cpu, part / self._most)

    def learn(self, run: RunRecord) -> None:
        """Take note of a run that has ended; one that found a whole GPU too small tells nothing."""
        if not self.auto or run.unreadable is not None or run.status == "out-of-memory":
            return
        if (part := gpu_part(run)) > self._largest:
            self._largest = part
            self._take(_PARTS // min(self._most, fit_on_gpu(part)) / _PARTS)
            return
        had_gpu = any(attempt.get("end") and attempt.get("gpus") for attempt in run.attempts)
        if had_gpu and not self._largest and not self._said:
            self._said = True
            self._say(
                "resources: gpu: auto: a trial has ended and nvidia-ml-py could not tell how much "
                "memory it took: until one tells, each has a GPU for itself"
            )

    def _take(self, part: float) -> None:
        self.part = part
        self.together = int(1 / part + 1e-9) if 0 < part < 1 else 1  # on a GPU
        self.slots = cluster.check_resources(self._ray, self._cpu, part)
