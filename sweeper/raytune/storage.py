"""Where a launch writes: that it can, and that nobody else launches the same sweep."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import RunBusy, UsageError
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import (
    Control,
    Lease,
    elapsed,
    files,
    forget_spent,
    living_owners,
    remove_left,
    silent_until,
)


def check_storage(sweep: Sweep, address: str | None) -> None:
    """Raise ``UsageError`` if the sweep's tree cannot be written; writes nothing."""
    base = sweep.base_dir
    if (there := store.address_of(base)) is not None:
        if address is not None:
            raise UsageError(
                f"--address: expected a storage that all nodes see, found {there}, of which each "
                "has a mirror of its own: run `sweeper launch --join` on each machine instead"
            )
        if sweep.makes_trials:
            raise UsageError(
                f"{there}: expected a directory for a population, whose runs begin from each "
                "other: give --storage DIRECTORY, and copy it there with `sweeper push`"
            )
    if any(part.startswith("_ray_pkg_") for part in base.absolute().parts):
        raise UsageError(
            f"{base}: expected a storage that stays, found Ray's own copy of a job's directory, "
            "which goes with the job: give --storage DIRECTORY, one that every node sees"
        )
    place = base
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"{place}: expected a directory to store the tree in, found a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(place)


def refuse_if_launching(home: Path, before: float = math.inf) -> None:
    """Raise ``RunBusy`` if a living process launches the sweep of this directory.

    One with a lease ``before`` that number: of two that start at once one goes on.
    """
    for owner in living_owners(home):
        if owner["number"] < before:
            raise RunBusy(
                f"{home}: this sweep is being launched already, by process {owner.get('pid')} on "
                f"{owner.get('host')}: share it with --join, or wait for it, or stop it and launch "
                f"again{_silent(owner)}"
            )


def check_join(sweep: Sweep, home: Path) -> None:
    """Raise ``UsageError`` where launches cannot share the sweep, or share another one already."""
    early = sweep.early_terminate
    if sweep.makes_trials and early is not None:
        raise UsageError(
            f"--join: early_terminate: {{type: {early.type}}}: expected trials that do not begin "
            "from each other, as a population lives in one launch: launch without --join"
        )
    stored = home / "sweep.yaml"
    there = living_owners(home) and files.exists(stored)
    if there and not _is_same(sweep, Control.read(home).on(load_sweep(stored))):
        raise UsageError(
            f"--join: expected the sweep that is being launched ({stored}), found another: join "
            "with that file, or wait for its launches to end"
        )


def _is_same(sweep: Sweep, other: Sweep) -> bool:
    """Are they equal but for what each launch may have as it likes?"""
    own = {key: getattr(other, key) for key in ("parallel", "resources", "budget", "storage")}
    return replace(sweep, **own) == other


def _silent(owner: dict[str, Any]) -> str:
    until = silent_until(owner)
    if until is None:
        return ""
    when = time.strftime("%H:%M:%S", time.localtime(until))
    return f"; if it died without a word, a launch is accepted from {when} on"


@contextmanager
def acquire_sweep(sweep: Sweep, home: Path, join: bool, slots: int = 0) -> Iterator[Lease]:
    """Hold a lease of the sweep of this directory, which is made if it is not there.

    The first of those that launch it stores the sweep, and of what those left that are gone nothing
    stays. Raises ``UsageError`` if it cannot be written, and unless we ``join``, ``RunBusy`` if
    another process launches it.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(home) from error
    # Whoever comes back from a long sleep must not find its number in use: it is the time.
    lease = Lease.acquire(home, beside=True, at_least=int(files.now(home)), slots=slots)
    try:
        if not join:
            refuse_if_launching(home, before=lease.number)
        remove_left(home)
        if all(owner["number"] >= lease.number for owner in living_owners(home)):
            files.write_bytes(home / "sweep.yaml", sweep.to_yaml().encode())
            forget_spent(home)
        elapsed(home)
        yield lease
    finally:
        lease.release()


def _unwritable(place: Path) -> UsageError:
    return UsageError(
        f"{place}: expected a directory that can be written, found that it cannot; "
        "choose another with --storage or `storage:`"
    )
