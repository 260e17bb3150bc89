"""Processes of a launch on this machine: finding and ending them, whoever their parent is now."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

import psutil

MARK = "SWEEPER_LAUNCH"  # an environment variable that all processes of a launch inherit

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OMP_PAUSE_HARD = 2


def die_with_parent(signum: int) -> None:
    """Linux: be sent ``signum`` should the parent die."""
    _prctl(_PR_SET_PDEATHSIG, signum)


def adopt_orphans() -> None:
    """Linux: be the parent of every process below this one whose own parent is gone."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


def rest_openmp() -> None:
    """Linux: end the thread pools of GNU OpenMP (PyTorch, scikit-learn), which start again on use.

    A child that is forked while they are alive waits for threads that it does not have.
    """
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/maps").read_text().splitlines()
        # address, rights, offset, device, inode, path
        paths = {line.split(None, 5)[-1] for line in lines if "libgomp" in line}
        for path in paths:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(path).omp_pause_resource_all(_OMP_PAUSE_HARD)


def marked(token: str) -> list[psutil.Process]:
    """The processes of this user, this one apart, that were started with the launch's mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == token:
                found.append(process)
    return found


def end_marked(token: str) -> None:
    """Kill the launch's processes on this machine.

    Looks again until there are none: a process may start another just before it dies.
    """
    for _ in range(5):
        left = marked(token)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=2)
