"""The faults: what is done to a launch, when, and what it may end with."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psutil

from sweeper.tree import launches
from tests.faults.machine import STORAGE_ERRORS, Control, on_another_host
from tests.faults.nodes import HEAD, STRUCK
from tests.faults.scene import END, START, TRAIN, Scene

Strike = Callable[[Scene], bool]
CLOCKS = (-86400, -3600, -150, -40, 40, 150, 3600, 86400)


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


def _suspended(processes: list[psutil.Process], do: Callable[[], object]) -> bool:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        do()
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    return bool(processes)


def pause(scene: Scene) -> bool:
    """What runs, or one process of it, stands still for some seconds."""
    who = scene.rng.choice(["everyone", "guardian", "driver", "forkserver", "child", "actor"])
    if not scene.until(lambda: scene.victims(who)):
        return False
    return _suspended(scene.victims(who), lambda: time.sleep(scene.rng.uniform(1, 8)))


def sleep(scene: Scene) -> bool:
    """The machine sleeps for long; a launch on another takes over, and then it wakes."""
    second: list[subprocess.Popen[str]] = []

    def take_over() -> None:
        for path in scene.launcher.base.rglob("lease.*.json"):
            os.utime(path, (time.time() - 1000,) * 2)
        second.append(scene.another(on_another_host).start(*scene.words))
        home = scene.launcher.base / "sweeps" / "case"
        while second[0].poll() is None and "another" not in {o["host"] for o in launches(home)}:
            time.sleep(0.2)  # if the first had woken it would be refused
        with contextlib.suppress(subprocess.TimeoutExpired):
            second[0].wait(scene.rng.uniform(1, 30))

    slept = _suspended(scene.victims("everyone"), take_over)
    scene.code(second[0], 0)
    return slept


def join(scene: Scene) -> bool:
    """Another launch shares the sweep, and one of the two is struck."""
    there = scene.another(scene.rng.choice([on_another_host, lambda: None]))
    second = there.start(*scene.words)
    with contextlib.suppress(subprocess.TimeoutExpired):
        second.wait(scene.rng.uniform(1, 20))
    struck = scene.rng.choice([scene.process, second])
    signum = scene.rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    if struck.poll() is None:
        struck.send_signal(signum)
        scene.code(second, 0, *((-signum, 128 + signum) if struck is second else ()))
        return True
    scene.code(second, 0)
    return False


def skew(scene: Scene) -> bool:
    """From a host or container whose clock is off somebody launches it again, and is refused."""
    there = scene.another(on_another_host)
    if os.getuid() == 0 and scene.rng.random() < 0.5:  # this host's name, and other process ids
        there = scene.another()
        there.prefix = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    clock = Control(there.directory / "control", scene.launcher.base)
    clock.clock(scene.rng.choice(CLOCKS))
    there.env |= clock.env
    if scene.process.poll() is not None:
        return False
    done = there.run(*scene.words)
    idle = done.returncode == 0 and "[1/" not in done.stderr  # all is done, and reused
    refused = "is being launched already" in done.stderr
    if scene.process.poll() is None and not refused and not idle:
        scene.wrong.append(f"launched beside a living launch: {done.returncode}: {done.stderr}")
    return True


def jump(scene: Scene) -> bool:
    """The clock is set."""
    assert scene.control is not None
    scene.control.clock(scene.rng.choice(CLOCKS))
    return scene.process.poll() is None


def storage_error(scene: Scene) -> bool:
    """Some of what is read or written fails, for a while."""
    control, rng = scene.control, scene.rng
    assert control is not None
    reads, writes = rng.choice([(True, True), (True, False), (False, True)])
    percent = rng.choice([3, 30, 100])
    control.storage(rng.choice(STORAGE_ERRORS), percent, reads=reads, writes=writes)
    scene.undo.append(partial(control.storage, 0))
    with contextlib.suppress(subprocess.TimeoutExpired):
        scene.process.wait(rng.choice([0.3, 1, 3, 10]))
    control.storage(0)
    return True


def cut(scene: Scene) -> bool:
    """A host has no network for a while: its trials train on, and are given to others."""
    assert scene.nodes is not None
    host = scene.rng.choice(STRUCK)
    scene.nodes.cut(host)
    with contextlib.suppress(subprocess.TimeoutExpired):
        scene.process.wait(scene.rng.choice([3, 20, 60]))
    scene.nodes.join(host)
    return True


def kill_host(scene: Scene) -> bool:
    assert scene.nodes is not None
    scene.nodes.kill(scene.rng.choice(STRUCK))
    return True


def kill_head(scene: Scene) -> bool:
    """The cluster is over, and the launch with it if it was started there."""
    assert scene.nodes is not None
    scene.nodes.kill(HEAD)
    return True


def remove(scene: Scene) -> bool:
    base = scene.launcher.base
    what = scene.rng.choice([base, base / "sweeps"])
    gone = base.parent / "gone"
    with contextlib.suppress(FileNotFoundError):
        what.rename(gone)  # at once
        scene.removed = what == base
        shutil.rmtree(gone)
        return True
    return False


def rename(scene: Scene) -> bool:
    base = scene.launcher.base
    moved = base.with_name("moved")

    def undo() -> None:
        if base.exists():
            left = [str(path) for path in base.rglob("*") if path.is_file()]
            scene.wrong.append(f"written where the tree was: {left[:9]}")
            shutil.rmtree(base)
        moved.rename(base)

    with contextlib.suppress(FileNotFoundError):
        base.rename(moved)
        scene.undo.append(undo)
        return True
    return False


def forbid(scene: Scene) -> bool:
    """What cannot be read nor written, or not be written, for a while."""
    places = sorted(scene.launcher.base.glob("exp-*/run-*"))
    if not places:
        return False
    run = scene.rng.choice(places)
    place = scene.rng.choice([run, run, run.parent, scene.launcher.base])
    mode = place.stat().st_mode

    def undo() -> None:
        with contextlib.suppress(FileNotFoundError):  # removed since
            place.chmod(mode)

    place.chmod(scene.rng.choice([0, 0o500]))
    scene.undo.append(undo)
    if scene.rng.random() < 0.5:
        with contextlib.suppress(subprocess.TimeoutExpired):
            scene.process.wait(scene.rng.uniform(0.3, 5))
        undo()
    return True


def fill(scene: Scene) -> bool:
    ballast = scene.launcher.base.parent / "ballast"
    assert shutil.disk_usage(ballast.parent).total < 1 << 24, "that is not the small disk"
    scene.undo.append(partial(ballast.unlink, missing_ok=True))
    with open(ballast, "wb") as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), b"x" * size)
    return True


@dataclass(frozen=True)
class Fault:
    """What is done, and the exit codes that say so, beside 0 where all trials are done.

    ``ends``: the launch is to end of it; else another fault may strike the same launch.
    ``spoils``: trials that it strikes may fail, and are to be run again by the user's word.
    ``last``: nothing is left to be done after it. ``words`` are the launch's; ``shim``: it must
    have that. ``hosts``: on several hosts only, or never (else either); ``anywhere``: started on
    any of them, not on the head alone.
    """

    strike: Strike
    codes: tuple[int, ...]
    moments: tuple[str, ...] = (START, TRAIN, TRAIN, END)
    ends: bool = True
    retries: int = 0
    spoils: bool = False
    last: bool = False
    words: tuple[str, ...] = ()
    shim: bool = False
    hosts: bool | None = None
    anywhere: bool = False


def _signal(signum: int) -> Fault:
    # Before its handlers are set the signal itself ends it: the shell says 128 + signum of it.
    moments = (START, START, START, TRAIN, END)
    return Fault(partial(send, signum), (128 + signum, -signum), moments)


LATER = (TRAIN, TRAIN, END)
FAULTS = {
    "kill-guardian": Fault(kill("guardian"), (-signal.SIGKILL,)),
    "kill-driver": Fault(kill("driver"), (3,)),
    "kill-forkserver": Fault(kill("forkserver"), (1,), hosts=False),
    "kill-child": Fault(kill("child"), (), ends=False, retries=2),
    "kill-actor": Fault(kill("actor"), (), ends=False),
    "kill-raylet": Fault(kill("raylet"), (1, 3), hosts=False),
    "stop-raylet": Fault(kill("raylet", signal.SIGTERM), (1, 3), hosts=False),
    "kill-gcs": Fault(kill("gcs"), (1, 3), hosts=False),
    "kill-agent": Fault(kill("RuntimeEnvAgent"), (1, 3), hosts=False),
    "SIGINT": _signal(signal.SIGINT),
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGHUP": _signal(signal.SIGHUP),
    "SIGQUIT": _signal(signal.SIGQUIT),
    "stop-job": Fault(stop_job, (143, -15), hosts=False),
    "pause": Fault(pause, (), ends=False),
    "sleep": Fault(sleep, (1, 3), LATER, last=True, hosts=False),
    "join": Fault(join, (-9, 143, 130), last=True, words=("--join",), hosts=False),
    "skew": Fault(skew, (), LATER, ends=False, shim=True, hosts=False),
    "jump": Fault(jump, (), ends=False, shim=True, hosts=False),
    "storage-error": Fault(
        storage_error,
        (1, 3, 4),
        (START, TRAIN, END),
        ends=False,
        spoils=True,
        shim=True,
        hosts=False,
    ),
    "cut": Fault(cut, (), ends=False, hosts=True),
    "kill-host": Fault(kill_host, (), ends=False, hosts=True),
    "kill-head": Fault(kill_head, (3, -signal.SIGKILL), hosts=True, anywhere=True),
    "remove": Fault(remove, (1,), LATER),
    "rename": Fault(rename, (1,), LATER),
    "forbid": Fault(forbid, (1, 3, 4), LATER, ends=False, spoils=True),
    "full": Fault(fill, (1, 3, 4), LATER, spoils=True),
}
