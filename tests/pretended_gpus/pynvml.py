"""NVML of pretended GPUs of 8 GB: who takes how much of one is in a file `GPU/PID` of $TAKEN."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import psutil

GB = 1 << 30
TOTAL = 8 * GB


class ResourceExhaustedError(Exception):
    """As TensorFlow calls it."""


def take(gpu: str, amount: int) -> None:
    """This process holds so much of the GPU from now on, or more if it did: none is given back."""
    place = Path(os.environ["TAKEN"], gpu)
    place.mkdir(parents=True, exist_ok=True)
    mine = place / str(os.getpid())
    before = int(mine.read_text()) if mine.exists() else 0
    if _used(gpu) - before + max(before, amount) > TOTAL:
        raise ResourceExhaustedError(f"OOM when allocating {amount} bytes on GPU:{gpu}")
    mine.write_text(str(max(before, amount)))


def _processes(gpu: str) -> list[SimpleNamespace]:
    files = Path(os.environ["TAKEN"], gpu).glob("*")
    return [
        SimpleNamespace(pid=int(file.name), usedGpuMemory=int(file.read_text() or 0))
        for file in files
        if psutil.pid_exists(int(file.name))
    ]


def _used(gpu: str) -> int:
    return sum(process.usedGpuMemory for process in _processes(gpu))


def nvmlInit() -> None:
    pass


def nvmlDeviceGetHandleByIndex(index: int) -> str:
    return str(index)


def nvmlDeviceGetHandleByUUID(uuid: str) -> str:
    return uuid.removeprefix("GPU-")


def nvmlDeviceGetMemoryInfo(gpu: str) -> SimpleNamespace:
    return SimpleNamespace(total=TOTAL, used=_used(gpu))


def nvmlDeviceGetComputeRunningProcesses(gpu: str) -> list[SimpleNamespace]:
    """As in a container, those of others too: there is none of ours among them, by its number."""
    return [] if "CONTAINED" in os.environ else _processes(gpu)
