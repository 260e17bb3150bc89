"""Faults one after another to the launches of one sweep: is everything there, and once?

Each launch goes on with what the one before has left, until a fault ends it too.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.faults.faults import CLOCKS, FAULTS, Fault
from tests.faults.judge import Done, done_in, judge_tree, statuses_in
from tests.faults.machine import Control, as_no_superuser, shim
from tests.faults.nodes import HEAD, RECONNECT, STRUCK, Nodes
from tests.faults.scene import GOOD, START, Scene
from tests.process.launch.launcher import Launcher

KINDS = ("lost", "repeated", "left", "code")
EPOCHS = 4
HANGS = 400.0
BUSY = "Ray does not start on this machine: The current node timed out during startup"
X = {"x": {"min": 1.0, "max": 9.0}}
METHODS: dict[str, dict[str, Any]] = {
    "grid": {},
    "random": {"method": "random", "parameters": X},
    "bayes": {"method": "bayes", "parameters": X},
    "asha": {"early_terminate": {"type": "asha", "min_iter": 2, "eta": 2}},
    "pbt": {
        "method": "random",
        "parameters": X,
        "early_terminate": {"type": "pbt", "interval": 2, "quantile": 0.4},
    },
}
PROGRAMS = ("saves", "saves", "forgets", "script")


@dataclass
class Found:
    """What is wrong after a fault: pairs of a kind and a text; ``struck``: there was one.

    ``seconds``: how long the launch lived on, if it was to end of it.
    """

    fault: str
    name: str
    struck: bool = False
    seconds: float = 0.0
    wrong: list[tuple[str, str]] = field(default_factory=list)


class Chain:
    """The faults ``names``, to launches below ``directory``; ``seed`` chooses how and when.

    ``nodes`` gives several hosts, which are used if a fault asks for them; the tree lies on
    ``disk`` if one is to fill that.
    """

    def __init__(
        self,
        names: list[str],
        seed: str,
        directory: Path,
        tmp: Path,
        nodes: Callable[[], Nodes],
        disk: Path | None,
    ) -> None:
        self.rng = random.Random(f"{names} {seed}")
        self.todo = sorted(names, key=lambda name: FAULTS[name].last)
        self.found: list[Found] = []
        self._seed = seed
        self._launcher = Launcher(directory, tmp)
        self._env = self._launcher.env
        self._tmp = tmp
        self._disk = disk if "full" in names else None
        if self._disk is not None:
            self._launcher.base = self._disk / "case"
        self._storage = self._launcher.base.parent
        self._others: list[Launcher] = []
        self._nodes = nodes() if any(FAULTS[name].hosts for name in names) else None
        self._fresh()

    def run(self) -> list[Found]:
        try:
            while self.todo:
                self._launch()
                if self._all_done() and self.todo:
                    self._finish()
                    self._fresh()
            self._finish()
        finally:
            _kill(self._launcher)
            for path in self._disk.iterdir() if self._disk is not None else ():
                shutil.move(path, self._launcher.directory)
        return self.found

    def _fresh(self) -> None:
        """A sweep of which nothing is done."""
        joins = any("--join" in FAULTS[name].words for name in self.todo)  # no population does
        self._method = self.rng.choice([name for name in METHODS if not (joins and name == "pbt")])
        self._program = "saves" if self._method == "pbt" else self.rng.choice(PROGRAMS)
        self._trials = 4 + len(self.todo)
        self._parallel = self.rng.choice((1, 2))
        self._spoiled = False
        self._bad: set[tuple[str, str]] = set()  # runs that were spoilt
        self._done: Done = {}
        if self._launcher.base.exists():
            done = self._launcher.directory / f"done-{len(self.found)}"
            shutil.move(self._launcher.base, done)

    def _write(self, retries: int) -> None:
        do = {"epochs": EPOCHS, "delay": 0.3, "saves": self._program == "saves"}
        keys = {"retry": {"max": retries}, "parallel": self._parallel, **METHODS[self._method]}
        if "parameters" in keys:
            keys["parameters"] = {**keys["parameters"], "do": {"value": do}}
            keys["run_cap"] = self._trials
        if self._program == "script":
            keys["program"] = str(Path(__file__).with_name("script.py"))
        self._launcher.write(do, trials=self._trials, storage=str(self._storage), **keys)

    def _launch(self) -> None:
        """A launch, struck until it ends."""
        first = FAULTS[self.todo[0]]
        words = (*first.words, *["--retry-failed"] * self._spoiled)
        control = None
        nodes = self._nodes if first.hosts is not False else None
        host = self.rng.choice((HEAD, *STRUCK)) if first.anywhere else HEAD
        self._enter(nodes, host)
        if nodes is not None:
            words += ("--address", nodes.address)
        elif first.shim or (shim() and self.rng.random() < 0.3):
            control = Control(self._launcher.directory / "control", self._launcher.base)
            control.clock(self.rng.choice((0, *CLOCKS)))
            self._launcher.env = {**self._env, **control.env}
        self._write(first.retries)
        process = self._launcher.start(*words)
        scene = Scene(self._launcher, process, self.rng, control, words, nodes)
        struck: list[Found] = []
        while name := next((n for n in self.todo if self._fits(n, first, scene, struck)), None):
            self.todo.remove(name)
            fault = FAULTS[name]
            moment = self.rng.choice(fault.moments) if not struck else "then"
            place = f" host-{host}" * (nodes is not None) + " shim" * (control is not None)
            about = f"{moment} {self._method} {self._program}{place}"
            found = Found(name, f"{name} {about} ({self._seed})")
            self.found.append(found)
            if struck:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    scene.process.wait(self.rng.uniform(0.3, 3))
            else:
                scene.moment(moment)
            if scene.process.poll() is None:
                found.struck = fault.strike(scene)
                struck += [found] * found.struck
            if fault.ends or fault.last or scene.process.poll() is not None:
                break
        self._judge(scene, struck)

    def _enter(self, nodes: Nodes | None, host: int = HEAD) -> None:
        """The next launch is on a host of ``nodes``, or here: where the last one is not seen."""
        for lease in self._launcher.base.rglob("lease.*.json"):
            os.utime(lease, (time.time() - 1000,) * 2)
        self._launcher.env, enter = self._env, lambda: None
        if nodes is not None:
            self._launcher.env = {"TMPDIR": str(nodes.tmp(host)), **RECONNECT}
            enter = nodes.entrance(host)

        def before() -> None:
            enter()
            as_no_superuser()

        self._launcher.before = before

    def _fits(self, name: str, first: Fault, scene: Scene, struck: list[Found]) -> bool:
        """May this fault strike this launch as well?"""
        fault, before = FAULTS[name], [found.fault for found in struck]
        if not struck:
            return fault is first
        return (
            (not fault.shim or scene.control is not None)
            and fault.hosts in (None, scene.nodes is not None)
            and fault.words == first.words
            and not fault.last
            and (fault.retries == 0 or before.count(name) < first.retries)
            and (fault.moments[0] == START or self._launcher.base.is_dir())
        )

    def _judge(self, scene: Scene, struck: list[Found]) -> None:
        """Wait for the launch to end, and judge how it did."""
        process, launcher, began = scene.process, scene.launcher, time.monotonic()
        try:
            _, err = process.communicate(timeout=HANGS)
        except subprocess.TimeoutExpired:
            _kill(launcher)
            _, err = process.communicate()
            self._add(struck, "code", f"hangs\n{err}")
        if struck and FAULTS[struck[-1].fault].ends:
            struck[-1].seconds = time.monotonic() - began
        self._others += scene.others
        if scene.nodes is not None:
            scene.nodes.mend()
        left = self._left()
        for one in (launcher, *self._others):
            _kill(one)
        for undo in reversed(scene.undo):
            undo()
        if scene.removed:
            self._done = {}
        faults = [FAULTS[found.fault] for found in struck]
        allowed = {code for fault in faults for code in fault.codes}
        spoiled = any(fault.spoils for fault in faults)
        code = process.returncode
        if code not in allowed and not (code == 0 and self._all_done()) and not _too_busy(err):
            self._add(struck, "code", f"{code}\n{err}")
        elif code == 3 and "to go on: sweeper launch" not in err:
            self._add(struck, "code", f"3, and no word how to go on\n{err}")
        elif "Traceback" in err and code >= 0:
            self._add(struck, "code", f"a traceback\n{err}")
        for text in scene.wrong:
            self._add(struck, "code", text)
        for kept in left:
            # Who was killed leaves what is in /tmp to the next launch.
            if not Path(self._tmp, kept).exists():
                self._add(struck, "left", kept)
        # Of another host it is not seen at once that it has stopped.
        right = {*GOOD, "interrupted", *["running"] * (scene.nodes is not None)}
        bad = {(run, status) for run, status in statuses_in(launcher) if status not in right}
        if bad - self._bad and not spoiled:
            self._add(struck, "lost", f"there are runs that are {bad - self._bad}\n{err}")
        self._bad = bad
        self._spoiled |= spoiled
        self._compare(struck)

    def _compare(self, struck: list[Found]) -> None:
        """What was done before is as it was."""
        done = done_in(self._launcher)
        for path, how in self._done.items():
            if done.get(path) != how:
                self._add(struck, "repeated", f"{path} had ended before")
        self._done = done

    def _all_done(self) -> bool:
        return len(done_in(self._launcher)) >= self._trials

    def _finish(self) -> None:
        """Launch until nothing is left to do, and judge the tree."""
        launcher, struck = self._launcher, self.found[-1:]
        self._enter(None)
        self._write(0)
        for _ in range(4):
            again = launcher.run(*["--retry-failed"] * self._spoiled, timeout=HANGS)
            if again.returncode == 0:
                break
            if not _too_busy(again.stderr):
                self._add(struck, "code", f"launched again: {again.returncode}\n{again.stderr}")
        self._compare(struck)
        for kind, text in judge_tree(launcher, self._trials, EPOCHS, self._program, self._spoiled):
            self._add(struck, kind, text)
        for kept in self._left():
            self._add(struck, "left", kept)

    def _left(self) -> list[str]:
        kept = [kept for one in (self._launcher, *self._others) for kept in one.left()]
        deadline = time.monotonic() + 10
        while self._nodes is not None and (actors := self._nodes.actors()):
            if time.monotonic() > deadline:
                return [*kept, *map(str, actors)]
            time.sleep(0.25)
        return kept

    def _add(self, struck: list[Found], kind: str, text: object) -> None:
        if not struck:
            struck = self.found[-1:]
        names = " + ".join(found.fault for found in struck)
        struck[-1].wrong.append((kind, str(text)))
        print(f"{struck[-1].name} [{names}]: {kind}: {text}", flush=True)


def _too_busy(err: str) -> bool:
    """Where many more processes run than there are CPUs Ray does not start; it has said so."""
    busy = BUSY in err and os.getloadavg()[0] > 5 * (os.cpu_count() or 1)
    if busy:
        print(f"Ray does not start: load {os.getloadavg()[0]:.0f}", flush=True)
    return busy


def _kill(launcher: Launcher) -> None:
    for process in launcher.processes():
        with contextlib.suppress(psutil.Error):
            process.kill()
