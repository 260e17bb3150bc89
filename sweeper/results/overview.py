"""Every sweep below a storage, in a line each: how far it is, its best, who launches it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import SweeperError, TreeError, UsageError
from sweeper.tree import files, living_owner

from .index import Index
from .ranked_by import metric_of
from .ranking import rank
from .target import DEFAULT_STORAGE, _is_base, _is_home, _stored_in, open_index

MOST_DIRECTORIES = 10_000  # where a storage has more, the rest is not looked at
_DEEPEST = 4  # a base directory may be `storage/team/project/name`


def sweeps_below(target: Path) -> list[Path]:
    """The sweeps that ``target`` names: itself, or all that lie below the storage that it is.

    Each is a ``sweeps/<name>`` directory, or a base directory that stores none. No link below
    ``target`` is followed. Raises UsageError if there is no such directory.
    """
    target = store.local(target)
    store.refresh(target)
    if target.is_file():
        return [target]
    if not target.is_dir():
        default = target == Path(DEFAULT_STORAGE)
        mend = "launch a sweep here, or name the storage" if default else "look at the spelling"
        raise UsageError(f"{target}: expected a storage or a sweep, found nothing there: {mend}")
    if _is_home(target):
        return [target]
    return [place for base in _bases(target) for place in _stored_in(base) or [base]]


def is_storage(target: Path) -> bool:
    """Is this a directory that holds sweeps' base directories, and is none itself?"""
    target = store.local(target)
    store.refresh(target)
    if not target.is_dir() or _is_home(target) or _is_base(target):
        return False
    return any(_bases(target))


def _bases(storage: Path) -> Iterator[Path]:
    waiting = deque([(storage.resolve(), 0)])
    for _ in range(MOST_DIRECTORIES):
        if not waiting:
            return
        path, depth = waiting.popleft()
        with contextlib.suppress(OSError, TreeError):
            if _is_base(path):
                yield path
            elif depth < _DEEPEST:
                inside = files.entries(path, below=False)
                found = (e.name for e in inside if e.is_dir(follow_symlinks=False))
                waiting += ((path / n, depth + 1) for n in sorted(found) if n[0] != ".")


def overview_row(place: Path, index: Index | None = None) -> dict[str, Any]:
    """What ``ls --json`` says of a sweep; where it cannot be read only ``error`` says why."""
    row: dict[str, Any] = dict.fromkeys(OVERVIEW_FIELDS)
    row |= {"sweep": place.name, "counts": {}, "path": str(place.absolute())}
    try:
        index = index or open_index(place)
        row |= _row(index)
        if owner := living_owner(index.base / "sweeps" / index.name):
            row["launcher"] = f"process {owner.get('pid')} on {owner.get('host')}"
    except (SweeperError, OSError) as error:
        row["error"] = str(error)
    return row


OVERVIEW_FIELDS = (
    *("sweep", "trials", "counts", "metric", "goal", "best", "std", "runs"),
    *("bytes", "modified", "launcher", "path", "error"),
)


def _row(index: Index) -> dict[str, Any]:
    records, counts, metric = list(index.records()), index.counts(), metric_of(index)
    ranked = rank(index.entries, metric, top=1) if metric else []
    last = max((record.modified for record in records), default=0.0)
    return {
        "sweep": index.title,
        "trials": index.size if index.size is not None else sum(counts.values()),
        "counts": {status: number for status, number in counts.items() if number},
        "metric": metric.name if metric else None,
        "goal": metric.goal if metric else None,
        "best": ranked[0].value if ranked else None,
        "std": ranked[0].std if ranked else None,
        "runs": len(ranked[0].values) if ranked else None,
        "bytes": sum(record.size for record in records),
        "modified": datetime.fromtimestamp(last, timezone.utc).isoformat(timespec="seconds")
        if last
        else None,
        "error": None if index.sweep else " ".join("; ".join(index.notes).split()) or None,
    }
