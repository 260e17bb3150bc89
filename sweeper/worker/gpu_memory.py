"""How much of its GPUs' memory a trial takes, as NVIDIA's NVML counts it, whatever its library is.

That is all that its processes hold: with what an allocator keeps for later and with the CUDA
context. The libraries' own counts leave these out, and no other trial can have them.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import psutil

LOOK_SECONDS = 1.0  # at least, between looks


class GpuMemory:
    """The most that a trial took of one of its ``gpus``, named as in CUDA_VISIBLE_DEVICES.

    In a container NVML may not know our processes. A GPU that is the trial's own, a ``whole`` one,
    says it all the same: by what is used of it.
    """

    def __init__(self, gpus: Sequence[str], whole: bool) -> None:
        self._gpus, self._whole = gpus, whole
        self._look_at = 0.0
        self._most = (0, 0)  # bytes, of how many

    def look(self, *, at_once: bool = False) -> None:
        """To be called often; ``at_once``, before the trial's processes go."""
        if not self._gpus or (time.monotonic() < self._look_at and not at_once):
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            self._most = max(self._most, *(self._taken(_nvml(), gpu) for gpu in self._gpus))
        except Exception:  # pynvml's own share no base that can be named without it
            return

    def _taken(self, nvml: Any, gpu: str) -> tuple[int, int]:
        by = nvml.nvmlDeviceGetHandleByIndex if gpu.isdigit() else nvml.nvmlDeviceGetHandleByUUID
        device = by(int(gpu) if gpu.isdigit() else gpu)
        me = psutil.Process()
        ours = {me.pid, *(child.pid for child in me.children(recursive=True))}
        processes = nvml.nvmlDeviceGetComputeRunningProcesses(device)
        taken = sum(one.usedGpuMemory or 0 for one in processes if one.pid in ours)
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        return taken or (memory.used if self._whole else 0), memory.total

    @property
    def peak(self) -> dict[str, int]:
        """The fields of run.json; none where nothing is known."""
        taken, of = self._most
        return {"peak_gpu_memory": taken, "gpu_memory": of} if taken else {}


@functools.cache
def _nvml() -> Any:
    import pynvml

    pynvml.nvmlInit()
    return pynvml
