"""Which processes a benchmark has started, and what each of them uses (Linux: read from /proc).

A process counts if its first environment holds our mark or if its parent counted when it was first
seen. Both are needed: servers leave their parents, and Ray's workers write their title over their
environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

MARK = "BENCHMARK_MARK"
PROC = Path("/proc")
FORGET_EVERY = 10  # looks
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Process:
    """One process, as last seen.

    ``cpu`` is in seconds, ``waited`` too: all that the children it has waited for used. ``rss`` and
    ``pss`` are in bytes; PSS counts a page that n processes share as a n-th of it for each, so that
    a sum over processes counts it once.
    """

    pid: int
    start: int  # ticks since boot: tells two processes of the same pid apart
    parent: int
    command: str
    cpu: float = 0.0
    waited: float = 0.0
    rss: int = 0
    pss: int = 0


class Watched:
    """The processes that carry the mark ``token``, and what they have used so far."""

    def __init__(self, token: str) -> None:
        self._sign = f"{MARK}={token}".encode()
        self._seen: dict[tuple[int, int], Process] = {}
        self._parents: dict[tuple[int, int], tuple[int, int] | None] = {}
        self._foreign: set[int] = set()
        self._looks = 0

    def look(self, memory: bool) -> list[Process]:
        """The living processes that count; ``memory`` is read only if asked: it is slow."""
        if self._looks % FORGET_EVERY == 0:
            self._foreign.clear()  # a number may be given to another process
        self._looks += 1
        living = []
        ours: dict[int, Process] = {}
        # In the order of their start, so that a parent is known before its children.
        for start, pid, parent, cpu, waited in sorted(_processes(self._foreign)):
            key = (pid, start)
            process = self._seen.get(key)
            if process is None:
                if parent not in ours and not self._marked(pid):
                    self._foreign.add(pid)
                    continue
                process = self._seen[key] = Process(pid, start, parent, "")
            ours[pid] = process
            above = ours.get(parent)
            self._parents[key] = (above.pid, above.start) if above else None
            process.parent = parent
            process.cpu = max(process.cpu, cpu)
            process.waited = max(process.waited, waited)
            if memory or not process.command:
                process.command = _command(pid) or process.command
            if memory:
                process.rss, process.pss = _memory(pid)
            living.append(process)
        return living

    def cpu_seconds(self) -> float:
        """CPU seconds of all processes that count, the ended ones as they were last seen.

        Those that came and went between two looks count by what their parent was told of them.
        """
        children: dict[tuple[int, int] | None, list[Process]] = defaultdict(list)
        for process in self._seen.values():
            children[self._parents.get((process.pid, process.start))].append(process)

        def total(process: Process) -> float:
            seen = sum(map(total, children[process.pid, process.start]))
            return process.cpu + max(process.waited, seen)

        return sum(map(total, children[None]))

    def kill(self) -> list[Process]:
        """Kill those that are left; returns them."""
        left = self.look(memory=False)
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
        return left

    def _marked(self, pid: int) -> bool:
        try:
            return self._sign in (PROC / str(pid) / "environ").read_bytes()
        except OSError:
            return False


def _processes(besides: set[int]) -> list[tuple[int, int, int, float, float]]:
    """Start, pid, parent, CPU seconds and those waited for, of every process but ``besides``."""
    found = []
    for name in os.listdir(PROC):
        if not name.isdigit() or int(name) in besides:
            continue
        with contextlib.suppress(OSError):
            fields = (PROC / name / "stat").read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX":
                cpu = (int(fields[11]) + int(fields[12])) / _TICKS
                waited = (int(fields[13]) + int(fields[14])) / _TICKS
                found.append((int(fields[19]), int(name), int(fields[1]), cpu, waited))
    return found


def _command(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _memory(pid: int) -> tuple[int, int]:
    """RSS and PSS in bytes; zeros for a process that has just ended."""
    found = {"Rss": 0, "Pss": 0}
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return found["Rss"], found["Pss"]
