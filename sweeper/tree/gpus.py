"""The GPUs of this machine, and how many trials share one by what earlier ones took of it."""

from __future__ import annotations

import contextlib
import os

from .records import RunRecord

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
PRETENDED_GPUS = "SWEEPER_PRETENDED_GPUS"  # how many, to try it where there are none
USABLE = 0.9  # of a GPU's memory: the next trial may take more than the ones before
MOST_ON_GPU = 8  # trials on a GPU: they take turns on it, and more gain little


def gpus_here() -> list[str]:
    """The NVIDIA GPUs that we may use, as CUDA_VISIBLE_DEVICES names them."""
    if VISIBLE_GPUS in os.environ:
        names = (name.strip() for name in os.environ[VISIBLE_GPUS].split(","))
        return [name for name in names if name not in ("", "-1")]
    with contextlib.suppress(OSError):
        return [str(n) for n in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    return [str(n) for n in range(int(os.environ.get(PRETENDED_GPUS, 0)))]


def gpu_part(run: RunRecord) -> float:
    """The largest part of a GPU's memory that a run took; 0 if it does not say."""
    parts = [0.0]
    for attempt in run.attempts:
        taken, of = attempt.get("peak_gpu_memory"), attempt.get("gpu_memory")
        if isinstance(taken, int) and isinstance(of, int) and of > 0:
            parts.append(taken / of)
    return max(parts)


def fit_on_gpu(part: float) -> int:
    """How many trials share a GPU of which the largest takes that part; 0: nothing is known."""
    return max(1, min(MOST_ON_GPU, int(USABLE / part))) if part else 1
