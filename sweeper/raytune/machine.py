"""What launches hold of this machine, so that two never share a GPU unasked, and one may wait.

Each GPU has a directory of its own; the lease in it is its launch's. How many CPUs a launch takes
its lease in ``cpus/`` says. Those that wait have one in ``queue/``: who came first goes first.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sweeper.errors import LeaseLost, RunBusy, TreeError
from sweeper.sweepfile import Sweep
from sweeper.tree import (
    PRETENDED_GPUS,
    VISIBLE_GPUS,
    Lease,
    files,
    gpus_here,
    living_owners,
    remove_dead,
    unused_number,
)

_MEMORY = "/dev/shm"  # of this machine alone
_IS_THERE = os.path.isdir(_MEMORY) and PRETENDED_GPUS not in os.environ
# SLURM has dealt the machine out already, and may call the first GPU of each of its jobs 0.
_JOB = os.environ.get("SLURM_JOB_ID")
_NAME = f"sweeper-{os.getuid()}" + (f"-slurm-{_JOB}" if _JOB else "")
PLACE = Path(_MEMORY if _IS_THERE else tempfile.gettempdir(), _NAME)
LOOK_SECONDS = 2.0


@contextlib.contextmanager
def room_for(
    sweep: Sweep,
    total: int | None,
    wait: bool,
    say: Callable[[str], None],
    look: Callable[[], None],
) -> Iterator[int | None]:
    """Hold what the launch takes of this machine; how many GPUs are its own, None if it wants none.

    With ``wait`` first until it is our turn, a GPU is free and the CPUs suffice, with a ``look``
    now and then; without, it takes which GPUs are free. Raises RunBusy where none is.
    """
    resources, gpus, cores = sweep.resources, gpus_here(), len(os.sched_getaffinity(0))
    at_once = min((n for n in (sweep.parallel, total) if n is not None), default=1 << 20)
    cpus = min(cores, math.ceil(at_once * resources.cpu))
    most = min(len(gpus), math.ceil(at_once * resources.gpu))
    mine: list[str] = []
    with contextlib.ExitStack() as held, contextlib.ExitStack() as waiting:
        if _JOB:
            held.callback(_leave)
        turn = waiting.enter_context(_lease("queue", beside=True)) if wait else None
        said = False
        while True:
            if turn is None or _first("queue") == turn.number:
                for gpu in gpus:
                    if len(mine) < most and gpu not in mine and _take(gpu, held):
                        mine.append(gpu)
                taken = sum(owner.get("slots", 0) for owner in living_owners(PLACE / "cpus"))
                few = turn is not None and taken and taken + cpus > cores
                if not few and (not most or len(mine) >= math.ceil(resources.gpu)):
                    break
            if turn is None:
                others = _holders([f"gpu-{gpu}" for gpu in gpus])
                raise RunBusy(
                    f"resources: expected a free GPU of {', '.join(gpus)}, found them held by "
                    f"{others}: --wait starts when one is free, {VISIBLE_GPUS} names those to use"
                )
            if not said:
                say(f"--wait: this machine is taken by {_holders(['cpus'])}")
                said = True
            look()
            time.sleep(LOOK_SECONDS)
        with contextlib.suppress(TreeError, OSError):  # a launch need not be known to others
            held.enter_context(_lease("cpus", beside=True, slots=cpus))
        waiting.close()
        if not most:
            yield None
            return
        before = os.environ.get(VISIBLE_GPUS)
        os.environ[VISIBLE_GPUS] = ",".join(mine)
        try:
            yield len(mine)
        finally:
            del os.environ[VISIBLE_GPUS]
            if before is not None:
                os.environ[VISIBLE_GPUS] = before


@contextlib.contextmanager
def _lease(name: str, **how: Any) -> Iterator[Lease]:
    place = PLACE / name
    with contextlib.suppress(FileExistsError):
        PLACE.mkdir(mode=0o700)
    files.make_directory(place)
    remove_dead(place)
    lease = Lease.acquire(place, at_least=unused_number(time.time()), **how)
    try:
        yield lease
    finally:
        lease.release()


def _leave() -> None:
    """Leave nothing of a job: there may be thousands."""
    for name in files.names(PLACE):
        files.remove_empty(PLACE / name)
    files.remove_empty(PLACE)


def _take(gpu: str, held: contextlib.ExitStack) -> bool:
    try:
        held.enter_context(_lease(f"gpu-{gpu}"))
    except (RunBusy, LeaseLost):
        return False
    return True


def _first(name: str) -> int:
    return min(int(owner["number"]) for owner in living_owners(PLACE / name))


def _holders(names: list[str]) -> str:
    owners = [owner for name in names for owner in living_owners(PLACE / name)]
    return ", ".join(dict.fromkeys(f"process {owner.get('pid')}" for owner in owners)) or "nobody"
