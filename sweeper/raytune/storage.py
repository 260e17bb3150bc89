"""Where a launch writes: that it can, and that nobody else launches the same sweep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeper.errors import RunBusy, UsageError
from sweeper.tree import Lease, living_owner, silent_until


def check_storage(base: Path) -> None:
    """Raise ``UsageError`` if the tree cannot be written below ``base``; writes nothing."""
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


def refuse_if_launching(home: Path) -> None:
    """Raise ``RunBusy`` if a living process launches the sweep of this directory."""
    owner = living_owner(home)
    if owner is not None:
        raise RunBusy(
            f"{home}: this sweep is being launched already, by process {owner.get('pid')} on "
            f"{owner.get('host')}: wait for it, or stop it and launch again{_silent(home, owner)}"
        )


def _silent(home: Path, owner: dict[str, Any]) -> str:
    until = silent_until(home, owner)
    if until is None:
        return ""
    when = time.strftime("%H:%M:%S", time.localtime(until))
    return f"; if it died without a word, a launch is accepted from {when} on"


@contextmanager
def acquire_sweep(home: Path) -> Iterator[Lease]:
    """Hold the lease of the sweep of this directory, which is made if it is not there.

    Raises ``UsageError`` if it cannot be written, ``RunBusy`` if another process has the lease.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lease = Lease.acquire(home)
    except OSError as error:
        raise _unwritable(home) from error
    except RunBusy:
        refuse_if_launching(home)
        raise
    try:
        yield lease
    finally:
        lease.release()


def _unwritable(place: Path) -> UsageError:
    return UsageError(
        f"{place}: expected a directory that can be written, found that it cannot; "
        "choose another with --storage or `storage:`"
    )
