"""From what a user calls a run (a trial's number, an experiment, a path) to that run."""

from __future__ import annotations

from pathlib import Path

from sweeper import store
from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep
from sweeper.tree import RunRecord, Tree

from .entry import Entry
from .index import Index
from .target import DEFAULT_STORAGE, open_index


def find_entry(index: Index, text: str) -> Entry:
    """The entry called ``text``: a trial's number, ``exp-…``, ``exp-…/run--…``, or a beginning.

    Of several runs of one experiment it is the last; a number means the sweep file's own trial, if
    it has one. Raises UsageError if there is none, or if several experiments begin so.
    """
    if text.isdecimal():
        number = text.lstrip("0") or "0"  # not int(text): it may have any length
        found = [entry for entry in index.entries if str(entry.trial) == number]
        found = [entry for entry in found if entry.listed] or found
    else:
        found = [e for e in index.entries if f"{e.experiment}/{e.run or ''}".startswith(text)]
        exact = [e for e in found if text in (e.experiment, f"{e.experiment}/{e.run}")]
        found = exact or found
    if not found:
        numbers = [entry.trial for entry in index.entries if entry.trial is not None]
        some = f"0 to {max(numbers)}" if numbers else "no numbered trial"
        raise UsageError(
            f"{text}: expected a trial of {index.name} ({some}), or an experiment (exp-…); "
            "`sweeper status` lists them"
        )
    if len({entry.experiment for entry in found}) > 1:
        names = ", ".join(f"{entry.experiment}/{entry.run}" for entry in found[:8])
        raise UsageError(f"{text}: expected the name of one run, found {len(found)}: {names}")
    return found[-1]


def find_run(
    text: str, storage: Path | None = None, name: str | None = None
) -> tuple[RunRecord, Sweep | None]:
    """The run called ``text``: a run's or an experiment's directory, or ``SPEC|DIR:TRIAL``.

    And the sweep in which it was found, if it was in one. A directory is looked for as it stands,
    then below ``storage/name``. Raises UsageError.
    """
    base = store.local(storage or DEFAULT_STORAGE) / (name or "")
    for path in (store.local(text), base / text):
        store.refresh(path)
        if path.is_dir():
            record = _record(path.resolve())
            if record is not None:
                return _readable(record), None
    target, colon, trial = text.rpartition(":")
    if colon and target:
        base_name = None if Path(target).is_dir() else name
        index = open_index(Path(target), storage=storage, name=base_name)
        entry = find_entry(index, trial)
        if entry.unreadable is not None:
            raise entry.unreadable
        if entry.record is None:
            found = "; ".join(["found one that is pending", *index.notes])
            raise UsageError(f"{text}: expected a trial with a run, {found}")
        return _readable(entry.record), index.sweep
    raise UsageError(
        f"{text}: expected a run (…/exp-…/run--…), an experiment, or SPEC:TRIAL such as "
        f"sweeps/digits.yaml:3; found none there, nor in {base}"
    )


def _readable(record: RunRecord) -> RunRecord:
    if record.unreadable is not None:
        raise record.unreadable
    return record


def _record(path: Path) -> RunRecord | None:
    """The run in the directory ``path``, or the last run of the experiment in it."""
    runs = Tree(path.parent.parent).runs(path.parent.name)
    for record in runs:
        if record.run == path.name:
            return record
    runs = Tree(path.parent).runs(path.name)
    return runs[-1] if runs else None
