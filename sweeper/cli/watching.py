"""What becomes of a sweep, told to a display by what lies in its tree: ``status --watch``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError
from sweeper.results import Entry, Index, attempts_of, curve_of, run_values
from sweeper.tree import RunRecord, Tree, files, living_owner

from .progress import LaunchProgress

RESTS = 20  # times as long as reading the tree has taken; a second at least


def watch(index: Index, read: Callable[[], Index], display: LaunchProgress) -> Index:
    """Show what becomes of the trials until all have ended and nobody launches; what they are then.

    ``index`` is what they are now, ``read`` reads it again.
    """
    for entry in index.entries:
        display.names.add(entry.params)
    seen: set[Path] = set()  # runs that have ended
    for entry, record in _ended(index, seen):
        value, found = _value(entry, record, display)
        display.count(
            _name(index, entry),
            entry.status,
            value,
            took=record.elapsed,
            breaks="breaks" in found,
        )
    endless = index.sweep is not None and index.size is None
    display.started(None if endless else sum(index.counts().values()))
    _look_at_running(index, display)
    with display:
        while True:
            launched = _launched(index, display)
            display.note = "" if launched else "nobody is launching it"
            over = all(entry.ended or entry.unreadable for entry in index.entries)
            if index.entries and over and not launched and not index.pending:
                return index
            time.sleep(1.0)
            began = time.monotonic()
            index = read()
            for entry, record in _ended(index, seen):
                value, found = _value(entry, record, display)
                display.trial_ended(_name(index, entry), entry.status, found, value)
            _look_at_running(index, display)
            time.sleep(RESTS * (time.monotonic() - began))


def _value(
    entry: Entry, record: RunRecord, display: LaunchProgress
) -> tuple[float | None, dict[str, Any]]:
    values = run_values(record, display.metric)
    if values is None or display.metric is None:
        return None, {"error": entry.error}
    return values[0], {"error": entry.error, **display.metric.breaks(values)}


def _name(index: Index, entry: Entry) -> int | str:
    """Of several sweeps in one tree the numbers are not one trial's alone."""
    if index.sweep is None or entry.trial is None:
        return entry.experiment
    return entry.trial


def _ended(index: Index, seen: set[Path]) -> Iterator[tuple[Entry, RunRecord]]:
    for entry in index.entries:
        if entry.record is not None and entry.ended and entry.record.path not in seen:
            seen.add(entry.record.path)
            yield entry, entry.record


def _look_at_running(index: Index, display: LaunchProgress) -> None:
    running = {_name(index, e): e for e in index.entries if e.record and e.status == "running"}
    for name in display.running.keys() - running.keys():
        display.trial_lost(name)
    for name, entry in running.items():
        if name not in display.running:
            age = sum(attempt.seconds for attempt in attempts_of([entry])[-1:])
            display.trial_started(name, entry.params, age)
        before = display.running[name].epoch
        if entry.epochs > before:
            curve = curve_of(entry, display.metric)
            for epoch in [e for e in curve if e > before] or [entry.epochs]:
                display.trial_reported(name, epoch, curve.get(epoch), str(entry.path))


def _launched(index: Index, display: LaunchProgress) -> bool:
    """Is it being launched? If so the display is told since when."""
    with contextlib.suppress(TreeError):
        home = index.sweep and Tree(index.base).home(index.sweep.sweep_name)
        if home and living_owner(home) is not None:
            began = files.modified(home / "sweep.yaml")  # written as a launch begins
            display.since = time.monotonic() - max(0.0, time.time() - began)
            return True
    return False
