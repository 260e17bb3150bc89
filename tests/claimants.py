"""Launches of a sweep as processes that take its trials, for the tests of claims.

Each is begun anew (spawn): a process that has asked a store must not be forked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.sweepfile import load_sweep
from sweeper.tree import Claims, Lease, count_start

TRIALS = 30


def at_store(address: str) -> Path:
    home = store.local(address)
    home.mkdir(parents=True, exist_ok=True)
    return home


def fail(*arguments: Any, **named: Any) -> None:
    raise OSError(errno.EOPNOTSUPP, "not here")


def on_its_own_machine(home: Path) -> Path:
    if (address := store.address_of(home)) is not None:
        os.environ["SWEEPER_MIRRORS"] += f"-{os.getpid()}"
        home = at_store(address)
        store.connect(home.parent.parent)
    return home


def count(home: Path, met: Any) -> None:
    home, known = on_its_own_machine(home), 0
    for _ in range(10):
        known = count_start(home, known)
        met.put(known)


def member(file: Path, home: Path, done: Path, barrier: Any, storage: str) -> None:
    if storage != "plain":
        fcntl.flock = fcntl.lockf = os.link = fail  # type: ignore[assignment]
    home, sweep = on_its_own_machine(home), load_sweep(file)
    claims = Claims(sweep, home)
    barrier.wait(60)
    while len(os.listdir(done)) < TRIALS:
        for trial in sweep.trials():
            mark = done / str(trial.index)
            if not mark.exists() and claims.take(trial) is not None:
                if not mark.exists():
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                claims.release(trial.index)


def hold(file: Path, home: Path, ready: Any) -> None:
    store.connect(home.parent.parent)
    sweep = load_sweep(file)
    claims = Claims(sweep, home)
    assert claims.take(next(sweep.trials())) is not None
    Lease.acquire(home, beside=True, slots=3)
    with claims.choosing() as our_turn:
        assert our_turn
        ready.set()
        signal.pause()
