"""Who owns a directory: a lease file with a fencing number.

``lease.NNNNNN.json`` names its owner. Its number never comes back: a process that takes a
directory over creates the next number, then removes all lower ones, before it writes anything
else. Whoever finds that its own lease file is gone has been replaced and must stop writing, however
alive it is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import LeaseLost, RunBusy, TreeError

from . import files, shapes

HEARTBEAT_SECONDS = 15.0
"""How often an owner touches its lease."""

SILENCE_SECONDS = 90.0
"""An owner on another host that has been silent for this long is taken for gone."""

HEARTBEAT = "sweeper-heartbeat"
"""The name of the thread that touches a process's leases."""

GONE = "is gone, renamed or removed: put it back and launch again"

_NAME = re.compile(r"lease\.([0-9]{6,15})\.json")


def lease_name(number: int) -> str:
    return f"lease.{number:06d}.json"


def unused_number(now: float) -> int:
    """A number that no lease had before the time ``now``, nor another that is made in the moment.

    Where a directory goes with its lease, whoever has seen that must not find its number again.
    """
    return int(now * 1000) * 100 + secrets.randbelow(100)


def lease_numbers(directory: Path) -> list[int]:
    """The numbers of the leases in ``directory``, ascending."""
    store.look(directory)
    matches = (_NAME.fullmatch(name) for name in files.names(directory))
    return sorted(int(match[1]) for match in matches if match)


@lru_cache(maxsize=1)
def pid_scope() -> dict[str, str]:
    """Where a process number means something: this process's host, boot and pid namespace."""
    found = {"host": socket.gethostname()}
    with contextlib.suppress(OSError):
        found["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        found["pidns"] = os.readlink("/proc/self/ns/pid")
    return found


def process_start(pid: int) -> float | None:
    """When the process ``pid`` of this host started, in seconds since boot; None if it is gone.

    Counted from boot, not from 1970, so that a clock that jumps changes nothing.
    """
    try:
        # Our own by another name: /proc may be mounted for other pids than ours.
        with open(f"/proc/{'self' if pid == os.getpid() else pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):  # dead, waiting to be collected
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def is_self(owner: dict[str, Any]) -> bool:
    """Is the owner that a lease names this very process?"""
    return owner.get("pid") == os.getpid() and _is_here(owner) and _runs(owner)


def _is_here(owner: dict[str, Any]) -> bool:
    return all(owner.get(key) == value for key, value in pid_scope().items())


def _runs(owner: dict[str, Any]) -> bool:
    try:
        started = process_start(owner["pid"])
        return started is not None and abs(started - owner["started"]) < 0.02
    except (KeyError, TypeError):
        return False


def _sees_processes() -> bool:
    """Does ``/proc`` count as this process does? Not where only the pid namespace was changed."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self") == str(os.getpid())
    return False


def is_alive(owner: dict[str, Any], mtime: float, now: Callable[[], float] = time.time) -> bool:
    """Does the owner that a lease names still live?

    On the same host its process is looked for; elsewhere its lease must have been touched within
    the last ``SILENCE_SECONDS``. ``now`` tells the time by the clock that ``mtime`` is of.
    """
    if is_self(owner):
        return True
    if _is_here(owner) and _sees_processes():
        return _runs(owner)
    # A touch from the future is no sign of life either: the clock has jumped since.
    return abs(now() - mtime) < SILENCE_SECONDS


def living_owner(directory: Path) -> dict[str, Any] | None:
    """The living owner of ``directory``, as its newest lease says; None if there is none.

    Raises TreeError where that cannot be read.
    """
    newest = next(_owners(directory, reversed(lease_numbers(directory))), None)
    return newest[0] if newest is not None and newest[1] else None


def living_owners(directory: Path) -> list[dict[str, Any]]:
    """All that live of those who own ``directory`` side by side, as their leases say, in order."""
    return [owner for owner, alive in _owners(directory, lease_numbers(directory)) if alive]


def remove_dead(directory: Path) -> None:
    """Remove the leases of owners that are gone: should one come back, it stops writing."""
    for owner, alive in _owners(directory, lease_numbers(directory)):
        if not alive:
            _remove(directory / lease_name(owner["number"]))


def _owners(directory: Path, numbers: Iterable[int]) -> Iterator[tuple[dict[str, Any], bool]]:
    """What those leases say, with ``number`` and ``seen``, when each was touched; who lives?"""
    for number in numbers:
        path = directory / lease_name(number)
        try:
            owner = files.read_json(path, shapes.LEASE)
            if owner is not None:
                seen = files.modified(path)
                # Nobody's own clock is trusted: the storage's own dates the leases.
                alive = is_alive(owner, seen, partial(files.now, directory))
                yield {**owner, "number": number, "seen": seen}, alive
        except files.TornFile:
            continue  # no sign of life
        except TreeError:
            if files.exists(path):
                raise  # else it was removed in this moment


def silent_until(owner: dict[str, Any]) -> float | None:
    """When an owner, should it give no other sign, would be taken for gone; None if it is seen."""
    return None if _is_here(owner) else float(owner["seen"]) + SILENCE_SECONDS


class Lease:
    """The right to write into a directory, while this lease's file exists.

    ``on_exit`` is called before the lease is released because the process ends.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.number = number
        self.pid = os.getpid()
        self.on_exit: Callable[[], None] | None = None

    @property
    def path(self) -> Path:
        return self.directory / lease_name(self.number)

    @classmethod
    def acquire(
        cls,
        directory: Path,
        *,
        take_over: bool = False,
        beside: bool = False,
        at_least: int = 1,
        **told: int,
    ) -> Lease:
        """Own ``directory``. Raises RunBusy if a living process does and not ``take_over``.

        A directory that this very process owns is always taken over: the older holder in it loses.
        ``beside``: others may own it too, and keep their leases. ``at_least`` is the lowest number
        that was never used here (numbers must not come back). ``told`` is written into the lease.
        """
        files.refuse_link(directory.parent)
        while True:
            numbers = lease_numbers(directory)
            owner = living_owner(directory) if numbers and not beside else None
            if owner is not None and not take_over and not is_self(owner):
                raise RunBusy(
                    f"{directory}: owned by process {owner.get('pid')} on {owner.get('host')}, "
                    f"which is alive: wait for it to end, or stop it"
                )
            number = max([at_least, *(n + 1 for n in numbers)])
            if _create(directory, number, told):
                break
        others = [] if beside else [n for n in lease_numbers(directory) if n != number]
        if not take_over and _others_stay(directory, number, {*others} - {*numbers}):
            _remove(directory / lease_name(number))
            raise RunBusy(f"{directory}: another process has just taken it: wait for it to end")
        for one in [n for n in others if n < number]:
            _remove(directory / lease_name(one))
        store.mark(directory)
        lease = cls(directory, number)
        lease.check()  # someone may have taken the next number meanwhile
        _keeper.add(lease)
        return lease

    @classmethod
    def create(cls, directory: Path) -> Lease:
        """Own a directory that nobody else can see yet."""
        if not _create(directory, 1, durable=False):
            raise TreeError(f"{directory}: expected a new directory, found one that has an owner")
        store.mark(directory)
        lease = cls(directory, 1)
        _keeper.add(lease)
        return lease

    def check(self) -> None:
        """Raise LeaseLost unless the directory is still ours. Called before every write."""
        if not self.held:
            raise LeaseLost(
                f"{self.directory}: this process (lease {self.number}) does not own it any more: "
                f"{_new_owner(self.directory)}"
            )

    @property
    def held(self) -> bool:
        """Is the directory still ours?"""
        return files.exists(self.path)

    def touch(self) -> None:
        """Show that the owner lives."""
        with contextlib.suppress(OSError):
            os.utime(self.path)
        if not store.touch(self.path):
            files.remove(self.path)

    def release(self) -> None:
        """Give the directory back; no harm if it was lost."""
        _keeper.discard(self)
        if self.pid == os.getpid():  # a forked child must not give back its parent's
            _remove(self.path)


def _others_stay(directory: Path, number: int, new: set[int]) -> bool:
    """Have others, who may not have seen lease ``number``, taken ``directory`` with ``new`` ones?

    Of those that come at once, whoever sees a lower lease leaves. A higher one may have looked
    around before ours was there, and stays; or it leaves, for which we wait a moment.
    """
    for pause in (0.05, 0.2, 0.5):
        if not new or min(new) < number:
            break
        time.sleep(pause)
        new = new & {*lease_numbers(directory)}
    return bool(new)


def _remove(path: Path) -> None:
    store.remove(path)
    files.remove(path)


def _new_owner(directory: Path) -> str:
    gone = [path for path in (directory, *directory.parents) if not files.exists(path)]
    if gone:
        return f"{gone[-1]} {GONE}"
    owner = None
    with contextlib.suppress(TreeError):
        ended = files.read_json(directory / "outcome.json")
        if ended is not None:
            return f"its trial has been ended ({ended.get('outcome')}); stop writing"
        owner = living_owner(directory)
    who = f"process {owner.get('pid')} on {owner.get('host')}" if owner else "another process"
    return f"{who} has taken it over, to end it or to continue the work; stop writing"


def _create(
    directory: Path, number: int, told: Mapping[str, int] | None = None, durable: bool = True
) -> bool:
    owner: dict[str, Any] = {
        "number": number,
        **pid_scope(),
        "pid": os.getpid(),
        "started": process_start(os.getpid()),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **(told or {}),
    }
    data = files.dump_json(owner).encode()
    if not files.exists(directory):
        raise TreeError(f"{directory}: expected a directory, found none; was it removed?")
    path = directory / lease_name(number)
    created = store.create(path, data)
    if created:  # and this is its twin, which another launch may have brought already
        files.write_bytes(path, data, durable=durable)
    return files.create_once(path, data, durable=durable) if created is None else created


class _Keeper:
    """Touches the leases of this process from one daemon thread, and releases them at exit."""

    def __init__(self) -> None:
        self._leases: set[Lease] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._leases.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name=HEARTBEAT, daemon=True)
                self._thread.start()

    def discard(self, lease: Lease) -> None:
        with self._lock:
            self._leases.discard(lease)

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            with self._lock:
                leases = list(self._leases)
            for lease in leases:
                lease.touch()

    def forked(self) -> None:
        # The thread and the right to write stay with the parent; the pid may count elsewhere.
        store.forget()
        pid_scope.cache_clear()
        self._leases = set()
        self._lock = threading.Lock()
        self._thread = None

    def release_all(self) -> None:
        with self._lock:
            leases = list(self._leases)
        for lease in leases:
            with contextlib.suppress(Exception):
                if lease.on_exit is not None:
                    lease.on_exit()
            lease.release()


_keeper = _Keeper()
atexit.register(_keeper.release_all)
os.register_at_fork(after_in_child=_keeper.forked)
