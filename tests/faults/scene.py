"""A launch to which faults are done: when, and to which of its processes."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from sweeper.tree import RunRecord
from tests.faults.machine import Control
from tests.faults.nodes import Nodes
from tests.process.launch.launcher import Launcher

START, TRAIN, END = "start", "train", "end"
GOOD = ("finished", "stopped")


@dataclass
class Scene:
    """``undo`` is called when the launch has ended."""

    launcher: Launcher
    process: subprocess.Popen[str]
    rng: random.Random
    control: Control | None  # of a launch that has the shim
    words: tuple[str, ...]  # that another launch of the sweep needs too
    nodes: Nodes | None  # of a launch on several hosts
    undo: list[Callable[[], object]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # seen while striking
    others: list[Launcher] = field(default_factory=list)
    removed: bool = False  # with all that was done

    def __post_init__(self) -> None:
        self._rows, self._good = self._count()

    def until(self, what: Callable[[], object]) -> bool:
        """Wait for something to be; false if the launch has ended before."""
        while self.process.poll() is None:
            if what():
                return True
            time.sleep(0.15)
        return False

    def moment(self, which: str) -> None:
        if which == START:
            time.sleep(self.rng.uniform(0.3, 10))
        elif which == TRAIN:
            self.until(lambda: self._count()[0] > self._rows)
            time.sleep(self.rng.uniform(0, 1.5))
        else:
            self.until(lambda: self._count()[1] > self._good)
            time.sleep(self.rng.uniform(0, 2))

    def _count(self) -> tuple[int, int]:
        """How much is done: rows, and trials."""
        records = [record for record in self.records() if record.unreadable is None]
        good = sum(record.status in GOOD for record in records)
        return sum(len(record.rows) for record in records), good

    def records(self) -> list[RunRecord]:
        return self.launcher.records() if self.launcher.base.is_dir() else []

    def victims(self, who: str) -> list[psutil.Process]:
        guardian, processes = self.process.pid, self.launcher.processes
        if who == "everyone":
            return [*self.victims("guardian"), *processes()]
        if who == "guardian":
            return [psutil.Process(guardian)]
        if who == "driver":
            return self.launcher.drivers(self.process)
        if who == "actor" and self.nodes is not None:
            return self.nodes.actors()
        if who in ("forkserver", "child"):
            servers = processes("start.py forkserver")
            pids = [process.pid for process in servers]
            return [p for p in servers if (_parent(p) in pids) == (who == "child")]
        return processes(
            {"actor": "ray::Resource", "raylet": "raylet/raylet", "gcs": "gcs_server"}.get(who, who)
        )

    def another(self, before: Callable[[], object] = lambda: None) -> Launcher:
        """The same sweep, to be launched from another place."""
        number = len(list(self.launcher.directory.glob("another-*")))
        other = self.launcher.elsewhere(f"another-{number}")
        other.before = lambda: (self.launcher.before(), before())
        other.env = dict(self.launcher.env)
        self.others.append(other)
        return other

    def code(self, process: subprocess.Popen[str], *right: int) -> None:
        """Wait for another launch to end, and judge how it did."""
        _, err = process.communicate(timeout=240)
        if process.returncode not in right:
            self.wrong.append(f"another launch: {process.returncode}: {err}")


def _parent(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):  # it ends in this moment
        return process.ppid()
    return 0
