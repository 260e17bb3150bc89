"""The faults: what is done to a launch, when, and what it may end with."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from tests.process.launch.launcher import Launcher

START, TRAIN, END = "start", "train", "end"
GOOD = ("finished", "stopped")
CLONE_NEWUTS = 0x04000000
PR_CAPBSET_DROP = 24


@dataclass
class Scene:
    """A launch to which a fault is done; ``undo`` is called when it has ended."""

    launcher: Launcher
    process: subprocess.Popen[str]
    rng: random.Random
    undo: Callable[[], object] = lambda: None
    others: list[tuple[int, str]] = field(default_factory=list)  # exit codes that must be 0, stderr

    def until(self, what: Callable[[], object]) -> bool:
        """Wait for something to be; false if the launch has ended before."""
        while self.process.poll() is None:
            if what():
                return True
            time.sleep(0.15)
        return False

    def moment(self, which: str) -> None:
        records = self.launcher.records
        if which == START:
            time.sleep(self.rng.uniform(0.3, 10))
        elif which == TRAIN:
            self.until(lambda: any(record.rows for record in records()))
            time.sleep(self.rng.uniform(0, 1.5))
        else:
            self.until(lambda: sum(record.status in GOOD for record in records()) > 1)
            time.sleep(self.rng.uniform(0, 2))

    def victims(self, who: str) -> list[psutil.Process]:
        guardian, processes = self.process.pid, self.launcher.processes
        if who == "guardian":
            return [psutil.Process(guardian)]
        if who == "driver":
            return [p for p in processes("sweeper launch") if p.ppid() == guardian]
        if who in ("forkserver", "child"):
            servers = processes("start.py forkserver")
            pids = [process.pid for process in servers]
            return [p for p in servers if (p.ppid() in pids) == (who == "child")]
        return processes(
            {"actor": "ray::Resource", "raylet": "raylet/raylet", "gcs": "gcs_server"}.get(who, who)
        )


Strike = Callable[[Scene], bool]


def kill(who: str, signum: int = signal.SIGKILL) -> Strike:
    def strike(scene: Scene) -> bool:
        while scene.until(lambda: scene.victims(who)):
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                scene.rng.choice(scene.victims(who)).send_signal(signum)
                return True
        return False

    return strike


def send(signum: int, scene: Scene) -> bool:
    if scene.process.poll() is None:
        scene.process.send_signal(signum)
        return True
    return False


def stop_job(scene: Scene) -> bool:
    """As who stops a job: every process at once, and in the worst order, what trains first."""
    everyone = [*scene.victims("child"), *scene.victims("ray::"), *scene.launcher.processes()]
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    return bool(everyone)


def sleep(scene: Scene) -> bool:
    """The machine sleeps for long; a launch on another takes over, and then it wakes."""
    asleep = [*scene.victims("guardian"), *scene.launcher.processes()]
    for process in asleep:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    for path in scene.launcher.base.rglob("lease.*.json"):
        os.utime(path, (time.time() - 1000,) * 2)
    there = scene.launcher.elsewhere("there")
    there.before = _on_another_host
    second = there.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        second.wait(scene.rng.uniform(5, 40))
    for process in asleep:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    _, err = second.communicate(timeout=240)
    scene.others.append((second.returncode, err))
    scene.others += [(1, f"left: {name}") for name in there.left()]
    return bool(asleep)


def _on_another_host() -> None:
    if ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0:
        socket.sethostname("another")


def remove(scene: Scene) -> bool:
    base = scene.launcher.base
    what = scene.rng.choice([base, base / "sweeps"])
    gone = base.parent / "gone"
    with contextlib.suppress(FileNotFoundError):
        what.rename(gone)  # at once
        shutil.rmtree(gone)
        return True
    return False


def rename(scene: Scene) -> bool:
    base = scene.launcher.base
    moved = base.with_name("moved")

    def undo() -> None:
        if base.exists():
            left = [str(path) for path in base.rglob("*") if path.is_file()]
            scene.others.append((1, f"written where the tree was: {left}"))
            shutil.rmtree(base)
        moved.rename(base)

    with contextlib.suppress(FileNotFoundError):
        base.rename(moved)
        scene.undo = undo
        return True
    return False


def forbid(scene: Scene) -> bool:
    """A run that cannot be read nor written."""
    runs = sorted(scene.launcher.base.glob("exp-*/run-*"))
    if not runs:
        return False
    run = scene.rng.choice(runs)
    run.chmod(0)
    scene.undo = partial(run.chmod, 0o755)
    return True


def as_no_superuser() -> None:
    """Root may read and write whatever the permissions say."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


def fill(scene: Scene) -> bool:
    ballast = scene.launcher.base.parent / "ballast"
    scene.undo = partial(ballast.unlink, missing_ok=True)
    with open(ballast, "wb") as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), b"x" * size)
    return True


def mount(place: Path) -> bool:
    """A small file system of its own; false where that is not allowed."""
    place.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Fault:
    """What is done, and the exit codes that say so, beside 0 where all trials are done.

    ``spoils``: trials that it strikes may fail, and are to be run again by the user's word.
    """

    strike: Strike
    codes: tuple[int, ...]
    moments: tuple[str, ...] = (START, TRAIN, TRAIN, END)
    retries: int = 0
    spoils: bool = False


def _signal(signum: int) -> Fault:
    # Before its handlers are set the signal itself ends it: the shell says 128 + signum of it.
    moments = (START, START, START, TRAIN, END)
    return Fault(partial(send, signum), (128 + signum, -signum), moments)


LATER = (TRAIN, TRAIN, END)
FAULTS = {
    "kill-guardian": Fault(kill("guardian"), (-signal.SIGKILL,)),
    "kill-driver": Fault(kill("driver"), (3,)),
    "kill-forkserver": Fault(kill("forkserver"), (1,)),
    "kill-child": Fault(kill("child"), (), retries=1),
    "kill-actor": Fault(kill("actor"), ()),
    "kill-raylet": Fault(kill("raylet"), (1, 3)),
    "stop-raylet": Fault(kill("raylet", signal.SIGTERM), (1, 3)),
    "kill-gcs": Fault(kill("gcs"), (1, 3)),
    "kill-agent": Fault(kill("RuntimeEnvAgent"), (1, 3)),
    "SIGINT": _signal(signal.SIGINT),
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGHUP": _signal(signal.SIGHUP),
    "SIGQUIT": _signal(signal.SIGQUIT),
    "stop-job": Fault(stop_job, (143, -15)),
    "sleep": Fault(sleep, (1, 3), LATER),
    "remove": Fault(remove, (1,), LATER),
    "rename": Fault(rename, (1,), LATER),
    "forbid": Fault(forbid, (1, 3), LATER, spoils=True),
    "full": Fault(fill, (1, 3, 4), LATER, spoils=True),
}
