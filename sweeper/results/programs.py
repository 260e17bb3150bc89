"""In what runs differ, and what is said of those of another program, or of an older text of it."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sweeper.errors import UsageError
from sweeper.space import flatten
from sweeper.sweepfile import Sweep
from sweeper.tree import (
    PlannedTrial,
    Program,
    RunRecord,
    Texts,
    may_be_shown,
    program_of,
    texts_now,
    texts_of,
)
from sweeper.wording import counted, printable

PROVENANCE = ("seed", "replicate", "versions", "git", "program")


def older_text_note(sweep: Sweep, runs: Sequence[tuple[int | None, RunRecord]]) -> str | None:
    """What to say of these trials' runs, which ran an older text of the program; None of none."""
    if not runs:
        return None
    today, each = Program.of(sweep), {_text_key(record): record for _, record in runs}
    changed: dict[str, None] = {}
    for record in each.values():
        changed.update(dict.fromkeys(_changed(record, today)))
    example = next(iter(each.values())).path
    return (
        f"{counted(len(runs), 'run')} ran an older text of the program "
        f"(changed since: {_some(list(changed))}); `sweeper diff {os.path.relpath(example)}` shows "
        "the change, `launch --rerun` runs them again"
    )


def _some(names: list[str]) -> str:
    more = [f"{len(names) - 8} more"] if len(names) > 8 else []
    return ", ".join([*map(printable, names[:8]), *more])


def _text_key(record: RunRecord) -> str:
    return str([record.provenance.get("program"), *(a.get("source") for a in record.attempts)])


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


def changes_since(record: RunRecord, today: Program | None = None) -> list[str]:
    """A unified diff of what the run ran and that program now; ``today`` is it if it has moved."""
    lines: dict[str, None] = {}
    then = program_of(record)
    if then is None:
        return []
    if today is not None and then.command != today.command:
        both = (("-", then.command), ("+", today.command))
        lines |= {f"{sign}command: {' '.join(words)}": None for sign, words in both if words}
    for text in texts_of(record):
        if text is not None:
            now = texts_now(then, text, today)
            for name in [n for n in now if now[n] != text[n]]:
                if not may_be_shown(then, name, now[name], today):
                    lines[f"{name}: has changed; only .py, .sh and #! files are shown"] = None
                    del text[name], now[name]
            lines.update(dict.fromkeys(text_difference(text, now)))
    return list(lines)


def text_of(record: RunRecord) -> Texts:
    """The text that the run ran, as far as it is kept; of several attempts the last one's."""
    return next((text for text in texts_of(record) if text is not None), {})


def text_difference(left: Texts, right: Texts) -> Iterator[str]:
    for name in sorted(left | right):
        before, after = left.get(name, b""), right.get(name, b"")
        if before != after:
            old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
            shown = printable(name)
            yield from difflib.unified_diff(old, new, shown, shown, lineterm="")


def _changed(record: RunRecord, today: Program) -> list[str]:
    """The files that the run ran and that are others now, and what else is."""
    found: dict[str, None] = {}
    then = program_of(record)
    if then is None:
        return ["its file"]
    for text in texts_of(record):
        if text is None:
            found["a file that was edited while it ran"] = None
            continue
        now = texts_now(then, text, today)
        found.update(dict.fromkeys(name for name in text if text[name] != now.get(name)))
    if then.command != today.command:
        found["the command"] = None
    return list(found) or ["its file"]


def facts(record: RunRecord) -> dict[str, Any]:
    """What can be compared of a run beside its parameters: ``best.…``, ``versions.…`` and so on."""
    provenance = {key: record.provenance.get(key) for key in PROVENANCE}
    summary = record.performances or {}
    epochs = {key: summary[key] for key in ("best", "last") if summary.get(key)}
    return {
        "status": record.status,
        **flatten(epochs),
        "elapsed": record.elapsed,
        **flatten({key: value for key, value in provenance.items() if value is not None}),
    }


def differing_facts(records: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """What is not the same in all runs, by its name: the value in each, None where it has none.

    Parameters come first, as ``params.<dotted name>``, those of the monitored groups before others.
    """
    found: dict[str, list[Any]] = {}
    groups = [g for record in records for g in record.monitored]
    monitored = {key for g in groups for key in ([g] if isinstance(g, str) else g)}
    flat = [flatten(record.params) for record in records]
    names = {name for params in flat for name in params}
    for name in sorted(names, key=lambda name: (name.split(".")[0] not in monitored, name)):
        if len({_text(params.get(name)) for params in flat}) > 1:
            found[f"params.{name}"] = [params.get(name) for params in flat]
    each = [facts(record) for record in records]
    for name in dict.fromkeys(name for one in each for name in one):
        if len({_text(one.get(name)) for one in each}) > 1:
            found[name] = [one.get(name) for one in each]
    return found


def _text(value: Any) -> str:
    return f"{type(value).__name__}:{value!r}"  # 1 and 1.0 are not the same; NaN is NaN
