"""The report's tables: all trials, a parameter value by value, why trials failed."""

from __future__ import annotations

import contextlib
import itertools
import re
import statistics
from collections.abc import Sequence
from html import escape
from typing import Any

from sweeper.errors import TreeError
from sweeper.results import Entry, Index, flatten, grouped, short_names, trial_row
from sweeper.sweepfile import Metric, is_number
from sweeper.tree import files
from sweeper.wording import counted, printable, shortened, uncoloured

from .markup import show

FEW, BINS = 10, 5
"""So many values have a row each; numbers of more stand in so many groups of equal size."""

REASONS, LINES, TAIL = 20, 12, 4000
"""At most: reasons, lines of each, bytes of a log that are read."""


def trial_table(index: Index, metric: Metric) -> dict[str, Any]:
    names, repeated = index.parameters().varying, index.repeated
    short = short_names(names)
    titles = ["trial", *(["replicate"] if repeated else []), "status", metric.name]
    titles += ["epoch", "epochs", "seconds", *(short[name] for name in names), "error"]
    rows = []
    for entry in index.entries:
        row, params = trial_row(entry, metric), flatten(entry.params)
        cells = [row["trial"], *([row["replicate"]] if repeated else []), row["status"]]
        cells += [row["value"], row["epoch"], row["epochs"], round(row["elapsed"], 1)]
        cells += [_cell(params.get(name)) for name in names]
        rows.append([*cells, _cell(row["error"])])
    lines: dict[Any, int] = {}  # the line of each run in the parallel coordinates
    for place, (entries, ranked) in enumerate(grouped(index, metric)):
        trial = (ranked.entry if ranked else entries[0]).trial
        lines.update((entry.path, place if trial is None else trial) for entry in entries)
    found = [lines.get(entry.path) for entry in index.entries]
    return {"columns": [printable(title) for title in titles], "rows": rows, "lines": found}


def _cell(value: Any) -> Any:
    """Numbers as they are, anything else as text that is safe to show."""
    if value is None or is_number(value):
        return value
    return printable(shortened(str(value), 200))


def value_tables(index: Index, metric: Metric, order: Sequence[str]) -> list[dict[str, Any]]:
    """For each parameter that varies its values: trials, failures, median, mean, best.

    By the median, the best first: one trial that has diverged spoils a mean.

    They are over the parameter dicts that have ended with a number, those with replicates by
    their own mean.
    """
    dicts = []
    for entries, ranked in grouped(index, metric):
        bad = any(entry.failed for entry in entries)
        dicts.append((flatten(entries[0].params), ranked.value if ranked else None, bad))
    names = [n for n in index.parameters().varying if n not in order]
    short = short_names([*order, *names])
    found = []
    for name in [*order, *names]:
        there = [(params[name], value, bad) for params, value, bad in dicts if name in params]
        groups = _by_value(there)
        if groups is None or len(groups) < 2:
            continue
        rows: list[list[Any]] = []
        for label, members in groups:
            values = [value for _, value, _ in members if value is not None]
            mean = statistics.mean(values) if values else None
            median = statistics.median(values) if values else None
            best = min(values, key=lambda value: metric.sign * value, default=None)
            failed = sum(bad for _, _, bad in members)
            rows.append([printable(shortened(label, 80)), len(members), failed, median, mean, best])
        rows.sort(key=lambda row: (row[3] is None, metric.sign * (row[3] or 0.0)))
        found.append({"name": printable(short[name]), "rows": rows})
    return found[:40]


def _by_value(there: list[tuple[Any, Any, bool]]) -> list[tuple[str, list[Any]]] | None:
    """By their values, or ranges of them; None for many values that are no numbers."""
    groups: dict[str, list[Any]] = {}
    for one in there:
        groups.setdefault(str(one[0]), []).append(one)
    if len(groups) <= FEW:
        return [(show(group[0][0]), group) for group in groups.values()]
    if not all(is_number(value) for value, _, _ in there):
        return None
    ordered = sorted(there, key=lambda one: float(one[0]))
    cuts = [len(ordered) * part // BINS for part in range(BINS + 1)]
    parts = [ordered[low:high] for low, high in itertools.pairwise(cuts)]
    return [(f"{part[0][0]:.4g} to {part[-1][0]:.4g}", part) for part in parts if part]


def failures(index: Index) -> list[str]:
    """Why trials failed, as HTML: the reasons, the most frequent first, and their last lines.

    Errors that differ in numbers alone are one reason.
    """
    reasons: dict[str, list[Entry]] = {}
    for entry in index.entries:
        if entry.failed or entry.unreadable:
            reasons.setdefault(re.sub("[0-9]+", "#", _reason(entry)), []).append(entry)
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    lines = []
    for _, entries in ordered[:REASONS]:
        numbers = ", ".join(str(entry.trial) for entry in entries[:30])
        more = ", …" if len(entries) > 30 else ""
        head = f"{counted(len(entries), 'trial')}: {escape(printable(_reason(entries[0])))}"
        last = escape(printable("\n".join(_last_lines(entries[0])), "\n"))
        lines.append(
            f"<details><summary>{head}</summary>{_what_they_share(index, entries)}"
            f"<p>Trials {numbers}{more}. The last lines of "
            f"trial {entries[0].trial}:</p><pre>{last or 'it has written none'}</pre></details>"
        )
    if len(ordered) > REASONS:
        lines.append(f"<p>And {counted(len(ordered) - REASONS, 'reason')} more.</p>")
    return lines


def _what_they_share(index: Index, failed: Sequence[Entry]) -> str:
    """The values that all of them have, and no trial that ended well has together; as HTML."""
    names = index.parameters().varying
    of_failed = [flatten(entry.params) for entry in failed]
    of_good = [flatten(entry.params) for entry in index.entries if entry.succeeded]
    first = of_failed[0]
    shared = [n for n in names if n in first and all(p.get(n) == first[n] for p in of_failed)]

    def sets_apart(chosen: Sequence[str]) -> bool:
        return not any(all(params.get(n) == first[n] for n in chosen) for params in of_good)

    if len(failed) < 2 or not shared or not sets_apart(shared):
        return ""
    for name in reversed(shared):  # what does without it is not it
        less = [one for one in shared if one != name]
        shared = less if less and sets_apart(less) else shared
    what = ", ".join(f"{n} = {show(first[n])}" for n in shared)
    return f"<p>All have {escape(printable(what))}, and no trial that ended well has.</p>"


def _reason(entry: Entry) -> str:
    return shortened(entry.error or f"{entry.status}, no error recorded", 300)


def _last_lines(entry: Entry) -> list[str]:
    """What the run wrote last; where it wrote nothing, the end of its traceback."""
    data = b""
    if entry.log is not None:
        with contextlib.suppress(TreeError):
            _, data = files.read_end(entry.log, TAIL)
    lines = uncoloured(data.decode(errors="replace")).rstrip().splitlines()
    if not lines and entry.record is not None:
        error = (entry.record.outcome or {}).get("error")
        traceback = error.get("traceback") if isinstance(error, dict) else None
        lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
    return [shortened(line, 300) for line in lines[-LINES:]]
