"""Finding and ending every process of a launch on this machine, whoever its parent is now."""

from __future__ import annotations

import contextlib
import os

import psutil

MARK = "SWEEPER_LAUNCH"  # an environment variable that all processes of a launch inherit


def marked(token: str) -> list[psutil.Process]:
    """The processes of this user, this one apart, that were started with the launch's mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == token:
                found.append(process)
    return found


def end_marked(token: str, grace: float = 0.0) -> None:
    """Kill the launch's processes that do not end by themselves within ``grace`` seconds.

    Looks again until there are none: a process may start another just before it dies.
    """
    if grace:
        psutil.wait_procs(marked(token), timeout=grace)
    for _ in range(5):
        left = marked(token)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=2)
