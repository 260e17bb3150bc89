"""The attempts of runs in time: when, on which host and GPU, by which process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sweeper.errors import TreeError
from sweeper.tree import files

from .entry import Entry
from .study import local_time


@dataclass(frozen=True)
class Attempt:
    """One process's part in a run; ``end`` is when it last showed life if it has not ended."""

    entry: Entry
    start: datetime
    end: datetime
    status: str
    host: str
    pid: int | None
    gpus: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def attempts_of(entries: Iterable[Entry]) -> list[Attempt]:
    """The attempts that say when they began, in order of time."""
    found = []
    for entry in entries:
        if entry.record is None:
            continue
        every = entry.record.attempts
        for attempt in every:
            start = local_time(attempt.get("start"))
            if start is None:
                continue
            status = entry.status if attempt is every[-1] else "interrupted"
            end = local_time(attempt.get("end")) or _last_life(entry, start, status)
            host, pid, gpus = (attempt.get(name) for name in ("host", "pid", "gpus"))
            names = tuple(map(str, gpus)) if isinstance(gpus, list) else ()
            number = pid if type(pid) is int else None
            end = max(start, end)
            found.append(Attempt(entry, start, end, status, str(host)[:80], number, names))
    return sorted(found, key=lambda attempt: attempt.start)


def _last_life(entry: Entry, start: datetime, status: str) -> datetime:
    assert entry.record is not None
    if status == "running":
        return datetime.now()
    with contextlib.suppress(TreeError, OverflowError, OSError):
        return datetime.fromtimestamp(files.modified(entry.record.paths.training_logs))
    with contextlib.suppress(OverflowError):
        return start + timedelta(seconds=entry.record.elapsed)
    return start


def gpu_seconds(attempts: Iterable[Attempt]) -> float:
    """How long the GPUs were had, of all together; one that several share at a time counts once."""
    total = 0.0
    until: dict[tuple[str, int, str], datetime] = {}
    for attempt in attempts:
        for place, gpu in enumerate(attempt.gpus):  # outside a sweep several have the same name
            key = (attempt.host, place, gpu)
            since = max(attempt.start, until.get(key, attempt.start))
            until[key] = max(since, attempt.end)
            total += (until[key] - since).total_seconds()
    return total


def lanes(attempts: Iterable[Attempt]) -> tuple[list[int], list[str]]:
    """Of each attempt the lane that it lies in, and the names of the lanes: ``host 1``, ….

    A lane holds one attempt at a time. A process keeps its lane; one that ends leaves it to others.
    """
    places: list[int] = []
    names: list[str] = []
    ends: list[datetime] = []
    of_host: dict[str, list[int]] = {}
    last: dict[tuple[str, int | None], int] = {}  # of a process
    for attempt in attempts:
        mine = of_host.setdefault(attempt.host, [])
        free = [lane for lane in mine if ends[lane] <= attempt.start]
        lane = last.get((attempt.host, attempt.pid), -1)
        if lane not in free:
            lane = free[0] if free else len(names)
        if lane == len(names):
            mine.append(lane)
            names.append(f"{attempt.host} {len(mine)}")
            ends.append(attempt.end)
        ends[lane] = attempt.end
        last[attempt.host, attempt.pid] = lane
        places.append(lane)
    return places, names
