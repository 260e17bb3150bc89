"""Leases as objects: created by one alone, touched while they are there, gone for good.

A lease in a store has its twin in the mirror, which all that is asked of leases reads.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from sweeper.errors import StoreError

from .mirror import is_own, write
from .objects import Bucket, bucket_at
from .state import state

_LEASE = re.compile(r"lease\.[0-9]{6,15}\.json")
_mine: dict[Path, tuple[str, bytes]] = {}  # what this process has created: its tag and content


def forget() -> None:
    """In a child: what its parent has is the parent's to touch."""
    _mine.clear()


def _at(path: Path) -> tuple[Bucket, str] | None:
    """Where a lease of a sweep, or of a trial, is kept; a run's goes with its files."""
    if not state.connected or is_own(path.parent.name):
        return None
    return bucket_at(path)


def create(path: Path, data: bytes) -> bool | None:
    """Create the lease; False if it is there already, None where no store has it."""
    if (at := _at(path)) is None:
        return None
    bucket, key = at
    for pause in (0.2, 1.0, 3.0, None):  # what is put only if it is new nobody tries again for us
        failure = tag = None
        try:
            tag = bucket.put(key, data, e_tag="")
        except StoreError as error:
            failure = error
        # It may have been put although the answer was lost.
        tag = tag or still_there(bucket, key, data)
        if failure is None or tag is not None:
            break
        if pause is None:
            raise failure
        time.sleep(pause)
    if tag is not None:
        _mine[path] = tag, data
    return tag is not None


def still_there(bucket: Bucket, key: str, data: bytes) -> str | None:
    """The tag of the object with this content; None if it is gone, or another's."""
    with contextlib.suppress(FileNotFoundError):
        if bucket.get(key) == data:
            return str(bucket.head(key)["e_tag"])
    return None


def touch(path: Path) -> bool:
    """Show that the owner lives; False once the lease is gone. What is not known is not lost."""
    if path not in _mine or (at := _at(path)) is None:
        return True
    (tag, data), (bucket, key) = _mine[path], at
    with contextlib.suppress(StoreError):
        new = bucket.put(key, data, e_tag=tag) or still_there(bucket, key, data)
        if new is None:
            _mine.pop(path, None)
            return False
        _mine[path] = new, data
    return True


def age(path: Path) -> float | None:
    """For how many seconds the object has been there, and from now on it is; None: in no store."""
    if (at := _at(path)) is None:
        return None
    bucket, key = at
    bucket.put(key, b"", e_tag="")
    dated: float = bucket.head(key)["last_modified"].timestamp() + state.shift
    return max(0.0, time.time() - dated)


def clear(directory: Path) -> None:
    """Remove from the store what is in a directory."""
    if (at := _at(directory / "all")) is not None:
        with contextlib.suppress(StoreError):
            for meta in at[0].list(at[1].removesuffix("all")):
                at[0].delete(meta["path"])


def remove(path: Path) -> None:
    """Remove it from the store; where that does not answer it is taken for dead in time."""
    _mine.pop(path, None)
    if (at := _at(path)) is not None:
        with contextlib.suppress(StoreError):
            at[0].delete(at[1])


def look(directory: Path) -> None:
    """Bring the leases in a directory, and below it, into the mirror as the store has them."""
    if _at(directory / "lease") is None or (at := bucket_at(directory)) is None:
        return
    (bucket, key), started = at, time.time()
    there = set()
    for meta in bucket.list(key):
        path = directory / meta["path"][len(key) + 1 :]
        if not _LEASE.fullmatch(path.name):
            continue
        there.add(path)
        dated = int((meta["last_modified"].timestamp() + state.shift) * 1e9)
        with contextlib.suppress(FileNotFoundError):
            if path not in _mine and path.exists():
                os.utime(path, ns=(dated, dated))
            elif not path.exists():
                write(path, [bucket.get(meta["path"])], dated)
    for path in directory.glob("**/lease.*.json"):
        with contextlib.suppress(FileNotFoundError):
            if path not in there and path.stat().st_ctime < started:  # else it is younger
                path.unlink()
