"""Launches that share a sweep: which of them does what.

Each launch has a lease in the sweep's directory, side by side with the others, and one for each
trial that it has taken, in a directory of the trial's own below ``claims/``. A lease is a file that
only one can create, so nothing here needs locks; one whose owner is gone is taken over.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper import store
from sweeper.errors import LeaseLost, RunBusy, StoreError, TreeError

from . import files
from .control import Control, forget_spent, take_back
from .identity import group_canonicals
from .lease import Lease, living_owner, living_owners, remove_dead, unused_number

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep, Trial

logger = logging.getLogger("sweeper.tree")

SENDING_SECONDS = 60.0  # that the last runs have to be sent to the store
_CHOOSING = "choosing"


class Claims:
    """What this launch has taken of the sweep whose directory ``home`` is.

    A trial is known by what identifies its run: two launches may number the same one differently.
    """

    def __init__(self, sweep: Sweep, home: Path) -> None:
        self._sweep = sweep
        self._home = home
        self._held: dict[int, Lease] = {}  # trial -> its lease
        self._leaving: list[tuple[Lease, Path]] = []  # given back once their runs are in the store

    def take(self, trial: Trial) -> Lease | None:
        """Take the trial; None while another launch, or another trial of this one, has it."""
        self._settle()
        name, lease = self._name(trial), self._held.get(trial.index)
        others = (one.directory.name for index, one in self._held.items() if index != trial.index)
        if name in others:
            return None
        if lease is None or not lease.held:
            lease = self._acquire(name, trial.index)
        if lease is not None:
            self._held[trial.index] = lease
        return lease

    def lease(self, trial: int) -> Lease | None:
        """The lease of a trial that this launch has taken."""
        return self._held.get(trial)

    def release(self, trial: int, run: Path | None = None) -> None:
        """Give the trial back: its ``run`` says how it stands, once all see that."""
        lease = self._held.pop(trial, None)
        if lease is not None:
            if run is not None and store.unsent(run):
                self._leaving.append((lease, run))
            else:
                _give_back(lease)

    def _settle(self) -> None:
        for lease, run in [one for one in self._leaving if not store.unsent(one[1])]:
            self._leaving.remove((lease, run))
            _give_back(lease)

    def release_all(self) -> None:
        for trial in list(self._held):
            self.release(trial)
        deadline = time.monotonic() + SENDING_SECONDS
        while self._leaving and time.monotonic() < deadline:  # else they go when we are gone
            time.sleep(0.1)
            self._settle()

    def elsewhere(self) -> set[int]:
        """The trials that others have taken and not ended."""
        mine = set(self._held)
        store.look(self._home / "claims")
        places = map((self._home / "claims").joinpath, files.names(self._home / "claims"))
        owners = (living_owner(place) for place in places if place.name != _CHOOSING)
        return {owner["trial"] for owner in owners if owner and "trial" in owner} - mine

    @contextlib.contextmanager
    def choosing(self) -> Iterator[bool]:
        """Is it this launch's turn to choose what is new? One does at a time."""
        lease = self._acquire(_CHOOSING, 0)
        try:
            if lease is not None:
                store.refresh(self._home, now=True)
            yield lease is not None
        finally:
            if lease is not None:
                _give_back(lease)

    def _acquire(self, name: str, trial: int) -> Lease | None:
        place = self._home / "claims" / name
        tries = 100
        while True:
            try:
                files.make_directory(place.parent)
                files.make_directory(place)
                # The directory goes with each lease: whoever sleeps must not find its number again.
                return Lease.acquire(place, at_least=unused_number(files.now(place)), trial=trial)
            except (RunBusy, LeaseLost):
                return None
            except StoreError as error:
                logger.debug("%s", error)  # the launch says it; what is not taken is asked again
                return None
            except TreeError as error:
                tries -= 1
                moment = (FileNotFoundError, FileExistsError, type(None))
                if not tries or not isinstance(error.__cause__, moment):
                    raise  # else who had it before has removed it in this moment

    def _name(self, trial: Trial) -> str:
        own = trial.params.get("debug") is True, trial.replicate
        text = "\0".join([*group_canonicals(trial.params, self._sweep.monitored), repr(own)])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def launches(home: Path) -> list[dict[str, Any]]:
    """Who launches the sweep now, since when, and when each was last seen."""
    found, control = [], Control.read(home)
    for owner in living_owners(home):
        seen = datetime.fromtimestamp(owner["seen"], timezone.utc).isoformat(timespec="seconds")
        about = {key: owner.get(key) for key in ("number", "host", "pid", "slots")}
        about["asked_to_stop"] = control.stop(owner["number"])
        found.append({**about, "since": owner.get("time"), "seen": seen})
    return found


def remove_left(home: Path) -> None:
    """Remove what launches that are gone have left of themselves in the sweep's directory."""
    remove_dead(home)
    store.look(home / "claims")
    for place in map((home / "claims").joinpath, files.names(home / "claims")):
        remove_dead(place)
        files.remove_empty(place)
    files.remove_empty(home / "claims")
    numbers = [owner["number"] for owner in living_owners(home)]
    if not any(map(Control.read(home).stop, numbers)):
        take_back(home, "stop")
    if not numbers:
        forget_spent(home)
    living = {str(number) for number in numbers}
    for name in files.names(home / "ray"):
        if name not in living:
            files.remove(home / "ray" / name)
    # Ray Tune makes its own anew, with all above it, where the tree was renamed.
    for place in (home / "ray", home, home.parent, home.parent.parent):
        if not files.remove_empty(place):
            break


def _give_back(lease: Lease) -> None:
    lease.release()
    files.remove_empty(lease.directory)
