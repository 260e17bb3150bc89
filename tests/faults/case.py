"""One launch with a fault: launched again until all is done, is everything there, and once?"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sweeper.tree import RunRecord
from tests.faults.faults import FAULTS, GOOD, TRAIN, Fault, Scene, as_no_superuser, mount
from tests.process.launch.launcher import Launcher, own_tmp

KINDS = ("lost", "repeated", "left", "code")
TRIALS, EPOCHS = 4, 4
HANGS = 240.0
DRAWN = {"x": {"min": 1.0, "max": 9.0}}
METHODS: dict[str, dict[str, Any]] = {
    "grid": {},
    "random": {"method": "random", "parameters": DRAWN, "run_cap": TRIALS},
    "bayes": {"method": "bayes", "parameters": DRAWN, "run_cap": TRIALS},
    "asha": {"early_terminate": {"type": "asha", "min_iter": 2, "eta": 2}},
}
PROGRAMS = ("saves", "saves", "forgets", "script")


@dataclass
class Found:
    """What is wrong after a case: pairs of a kind and a text; ``struck``: there was a fault."""

    name: str
    struck: bool = False
    wrong: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, text: object) -> None:
        self.wrong.append((kind, str(text)))


def run_case(name: str, seed: str, directory: Path) -> Found:
    """Do the fault ``name`` to a launch below ``directory``; ``seed`` chooses how and when."""
    rng = random.Random(f"{name} {seed}")
    fault = FAULTS[name]
    moment, program = rng.choice(fault.moments), rng.choice(PROGRAMS)
    method = rng.choice(sorted(METHODS))
    found = Found(f"{name} {moment} {method} {program} (seed {seed})")
    with own_tmp() as tmp, _storage(name, directory):
        launcher = Launcher(directory, tmp)
        if name == "forbid":
            launcher.before = as_no_superuser
        _write(launcher, method, program, fault.retries)
        shared = _shared_memory()
        scene = Scene(launcher, launcher.start(), rng)
        scene.moment(moment)
        found.struck = fault.strike(scene)
        if moment == TRAIN and not found.struck:
            found.add("code", "nothing there that could be struck")
        err = _end(scene, fault, found)
        for kept in launcher.left():
            if Path(tmp, kept).exists():
                continue  # who was killed leaves them to the next launch
            found.add("left", kept)
        _kill(launcher)
        scene.undo()
        for code, text in scene.others:
            if code:
                found.add("code", f"another launch: {code}: {text}")
        _go_on(launcher, fault, program, found, err)
        for left in sorted(_shared_memory() - shared):
            found.add("left", left)
    return found


@contextmanager
def _storage(name: str, directory: Path) -> Iterator[None]:
    mounted = name == "full" and mount(directory / "experiments")
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(directory / "experiments")], check=True)


def _shared_memory() -> set[str]:
    """Ray's; semaphores are other programs'."""
    return {str(p) for p in Path("/dev/shm").rglob("*") if not p.name.startswith("sem.")}


def _write(launcher: Launcher, method: str, program: str, retries: int) -> None:
    do = {"epochs": EPOCHS, "delay": 0.3, "saves": program == "saves"}
    keys = {"retry": {"max": retries}, **METHODS[method]}
    if "parameters" in keys:
        keys["parameters"] = {**keys["parameters"], "do": {"value": do}}
    if program == "script":
        keys["program"] = str(Path(__file__).with_name("script.py"))
    launcher.write(do, trials=TRIALS, storage=str(launcher.base.parent), **keys)


def _end(scene: Scene, fault: Fault, found: Found) -> str:
    """Wait for the launch to end, and judge how it did."""
    process, launcher = scene.process, scene.launcher
    try:
        _, err = process.communicate(timeout=HANGS)
    except subprocess.TimeoutExpired:
        _kill(launcher)
        _, err = process.communicate()
        found.add("code", f"hangs\n{err}")
        return err
    code = process.returncode
    all_done = len(_done(launcher)) == TRIALS
    if not (code in fault.codes and found.struck) and not (code == 0 and all_done):
        found.add("code", f"{code}\n{err}")
    elif "Traceback" in err and code >= 0:
        found.add("code", f"a traceback\n{err}")
    return err


def _kill(launcher: Launcher) -> None:
    for process in launcher.processes():
        with contextlib.suppress(psutil.Error):
            process.kill()


def _done(launcher: Launcher) -> dict[str, tuple[int, int]]:
    """The runs that have ended well: when, and in how many attempts."""
    done = {}
    for record in launcher.records() if launcher.base.is_dir() else ():
        with contextlib.suppress(OSError):
            if record.unreadable is None and record.status in GOOD:
                ended = os.stat(record.paths.outcome).st_mtime_ns
                done[str(record.path)] = ended, len(record.provenance["attempts"])
    return done


def _go_on(launcher: Launcher, fault: Fault, program: str, found: Found, err: str) -> None:
    """Launch until nothing is left to do, and judge the tree."""
    before = _done(launcher)
    statuses = Counter(record.status for record in launcher.records() if launcher.base.is_dir())
    bad = set(statuses) - {*GOOD, "interrupted"}
    if bad and not fault.spoils:
        found.add("lost", f"after the fault there are runs that are {', '.join(bad)}\n{err}")
    for _ in range(3):
        again = launcher.run(*["--retry-failed"] * fault.spoils, timeout=HANGS)
        if again.returncode == 0:
            break
        found.add("code", f"launched again: {again.returncode}\n{again.stderr}")
    for path, ended in before.items():
        if _done(launcher).get(path) != ended:
            found.add("repeated", f"{path} had ended before")
    by_trial: dict[int | None, list[RunRecord]] = {}
    for record in launcher.records():
        by_trial.setdefault(record.trial, []).append(record)
    if len(by_trial) != TRIALS:  # a searcher's trial that had not begun leaves a gap in the numbers
        found.add("lost", f"trials {sorted(map(str, by_trial))}")
    for trial, records in by_trial.items():
        good = [record for record in records if record.status in GOOD]
        if len(good) > 1:
            found.add("repeated", f"trial {trial} has {len(good)} runs")
        others = {record.status for record in records if record not in good}
        if not good or others - ({"failed"} if fault.spoils else set()):
            found.add("lost", f"trial {trial}: {', '.join(r.status for r in records)}")
        for record in good:
            _check_rows(record, program, found)
    home = launcher.base / "sweeps" / "case"
    for path in (*launcher.base.glob(".new-*"), *launcher.base.rglob("lease.*.json"), home / "ray"):
        if path.exists():
            found.add("left", path)
    for kept in launcher.left():
        found.add("left", kept)


def _check_rows(record: RunRecord, program: str, found: Found) -> None:
    x = record.params["x"]
    rows = [(row["epoch"], row.get("loss")) for row in record.rows]
    length = EPOCHS if record.status == "finished" else len(rows)
    if rows != [(epoch, x / epoch) for epoch in range(1, length + 1)] or record.torn:
        found.add("lost", f"{record.path}: {record.status} with {rows}, torn {record.torn}")
    trained = record.paths.output.read_text().count(" epoch ")
    again = len(record.provenance["attempts"]) - 1
    if program == "saves" and trained > EPOCHS + again:
        found.add("repeated", f"{record.path}: {trained} epochs in {again + 1} attempts")
