"""What is said of runs that another program has made, or an older text of the sweep's own."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sweeper.errors import UsageError
from sweeper.tree import (
    PlannedTrial,
    Program,
    RunRecord,
    Texts,
    program_of,
    texts_now,
    texts_of,
)
from sweeper.wording import counted

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep


def older_text_note(sweep: Sweep, runs: Sequence[tuple[int | None, RunRecord]]) -> str | None:
    """What to say of these trials' runs, which ran an older text of the program; None of none."""
    if not runs:
        return None
    trial, record = runs[0]
    names = ", ".join(_changed(record, Program.of(sweep))) or "it"
    place = "" if sweep.path is None else f"{os.path.relpath(sweep.path)}:"
    return (
        f"{counted(len(runs), 'run')} ran an older text of the program (changed since: {names}); "
        f"`sweeper diff {place}{trial}` shows the change, `launch --rerun` runs them again"
    )


def other_program_note(sweep: Sweep, runs: Iterable[RunRecord]) -> str | None:
    """What a command that shows results says of runs that it leaves out; None of none."""
    found = _makers(runs)
    if not found:
        return None
    return (
        f"left out: {_runs_of(found)} with these parameters, not of {Program.of(sweep)} "
        "(`launch --reuse` takes them as this sweep's)"
    )


def refuse_other_programs(sweep: Sweep, planned: Iterable[PlannedTrial]) -> None:
    """Raise UsageError if a launch would have to take another program's runs for the sweep's."""
    found = _makers(item.run for item in planned if item.state == "other" and item.run is not None)
    if found:
        raise UsageError(
            f"{sweep.base_dir}: expected runs of {Program.of(sweep)}, found "
            f"{_runs_of(found)} with these parameters; choose one:\n"
            "  --name NAME  a tree of its own for this program\n"
            "  --rerun      run these trials with this program too, beside those runs\n"
            "  --reuse      take those runs as this program's, for it was only moved or renamed"
        )


def _makers(runs: Iterable[RunRecord]) -> Counter[str]:
    return Counter(str(program_of(run)) for run in runs)


def _runs_of(found: Counter[str]) -> str:
    return ", ".join(f"{counted(number, 'run')} of {name}" for name, number in found.items())


def text_of(record: RunRecord) -> Texts:
    """The text that the run ran, as far as it is kept; of several attempts the last one's."""
    return next((text for text in texts_of(record) if text is not None), {})


def text_now(record: RunRecord, today: Program | None = None) -> Texts:
    """The files that the run ran, as they are now; of the program ``today``, if it has moved."""
    then = program_of(record)
    if then is None:
        return {}
    now = texts_now(then, text_of(record))
    if today is not None and today.file is not None and today.path != then.path:
        moved = text_of(record).keys() - {then.file}
        now = {**texts_now(today, moved), **texts_now(today, [today.file])}
        now[then.file or today.file] = now.pop(today.file, b"")
    return now


def text_difference(left: Texts, right: Texts) -> Iterator[str]:
    """The lines of a unified diff."""
    for name in sorted(left | right):
        before, after = left.get(name, b""), right.get(name, b"")
        if before != after:
            old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
            yield from difflib.unified_diff(old, new, name, name, lineterm="")


def _changed(record: RunRecord, today: Program) -> list[str]:
    then, now = text_of(record), text_now(record, today)
    return [name for name in then if then[name] != now.get(name)]
