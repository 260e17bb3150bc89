"""Our own pages of `sweeper ui`: all sweeps, the trials of one, a run, runs side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from sweeper.results import Entry, LiveSweep, Ranked, flatten, grouped, sort_key, trial_row
from sweeper.tree import RunRecord, files
from sweeper.wording import clock, counted, printable, show_bytes, uncoloured

from .markup import Lines, Markup, chart, html, link, pairs, show, table, tag, together

PER_PAGE = 200
MOST_COLUMNS = 12  # parameters in the table of trials
MOST_RUNS = 20  # side by side
MOST_CHARTS = 30
TAIL = 1 << 16  # bytes of a log that a page begins with

Query = Mapping[str, Sequence[str]]
Page = tuple[str, Markup, Markup]
"""A page: its title, what it shows, which is brought up to date, and what stands below that."""
NOTHING = Markup("")


def sweeps_page(sweeps: Sequence[LiveSweep]) -> Page:
    """Every sweep there is, the one that was active last first."""
    rows = []
    for sweep in sorted(sweeps, key=lambda s: str(s.row.get("modified") or ""), reverse=True):
        row, address = sweep.row, f"/sweep/{sweep.number}"
        best = row.get("best")
        rows.append(
            (
                together(link(address, row["sweep"]), tag("small", row["path"])),
                counts(row["counts"], address) if sweep.read_at else "reading …",
                "" if best is None else together(row["metric"], " ", mean(best, row["std"])),
                show_bytes(row["bytes"]) if row.get("bytes") else "",
                when(row.get("modified")),
                row.get("launcher") or "",
                link(f"/dashboard/studies/{sweep.number}", "figures"),
                tag("em", row["error"]) if row.get("error") else "",
            )
        )
    head = ("sweep", "trials", "best", "disk", "last activity", "launched by", "", "")
    none = tag("p", "No sweep lies here: `sweeper launch` makes one.")
    return "sweeps", together(tag("h1", "Sweeps"), table(head, rows) if rows else none), NOTHING


def sweep_page(sweep: LiveSweep, query: Query) -> Page:
    """The trials of a sweep, repetitions together; asked for by ``status``, ``sort``, ``page``."""
    index, address = sweep.index, f"/sweep/{sweep.number}"
    head = [tag("h1", sweep.row["sweep"]), tag("small", sweep.row["path"])]
    if index is None:
        return sweep.name, together(*head, tag("p", tag("em", sweep.row.get("error")))), NOTHING
    status, order = first(query, "status"), first(query, "sort")
    varying = index.parameters().varying
    names = {f"params.{name}": name for name in varying[:MOST_COLUMNS]}
    groups = list(grouped(index, sweep.metric))
    groups += [([entry], None) for entry in index.entries if entry.record is None]
    rows = [_trial(sweep, entries, ranked, names) for entries, ranked in groups]
    if status:
        rows = [row for row in rows if status in row["statuses"]]
    order = order if order.removeprefix("-") in (*_COLUMNS, *names) else "rank"
    key, falls = order.removeprefix("-"), order.startswith("-")
    there = [row for row in rows if row[key] is not None]
    rows = sorted(there, key=lambda row: sort_key(row[key]), reverse=falls) + [
        row for row in rows if row[key] is None
    ]
    page = min(whole(first(query, "page")), max(0, len(rows) - 1) // PER_PAGE)

    def again(**new: Any) -> str:
        return f"{address}?{urlencode({'status': status, 'sort': order, 'page': 0, **new})}"

    titles: list[Any] = [""]
    for name in (*_COLUMNS, *names):
        title = names.get(name, name)
        if name == "value" and sweep.metric:
            title = f"{sweep.metric.name} (mean ± std)" if index.repeated else sweep.metric.name
        titles.append(link(again(sort=f"-{name}" if order == name else name), title))
    shown = [row["cells"]() for row in rows[page * PER_PAGE : (page + 1) * PER_PAGE]]
    pages = [
        tag("b", n + 1) if n == page else link(again(page=n), n + 1)
        for n in range(-(-len(rows) // PER_PAGE))
    ]
    more = len(varying) - len(names)
    notes = [*index.notes, *(f"torn: {path}" for path in index.torn()[:20])]
    if index.pending:
        notes.append(f"{counted(index.pending, 'pending trial')} not listed")
    if more > 0:
        notes.append(f"+{counted(more, 'parameter')}: see the trial, or `sweeper status`")
    shows = together(
        *head,
        tag("p", counts(sweep.row["counts"], address), " · ", link(address, "all")),
        tag("p", link(address.replace("sweep", "dashboard/studies"), "figures")),
        tag("p", link(address.replace("sweep", "csv"), "CSV")),
        *(tag("p", tag("em", " ".join(note.split()))) for note in notes),
        tag(
            "form",
            tag("button", "compare the chosen"),
            table([*titles, "error"], shown),
            tag("p", *(together(p, " ") for p in pages)) if len(pages) > 1 else "",
            action="/compare",
        ),
    )
    return sweep.name, shows, NOTHING


_COLUMNS = ("rank", "trial", "status", "value", "epochs", "elapsed")


def _trial(
    sweep: LiveSweep, entries: Sequence[Entry], ranked: Ranked | None, names: Mapping[str, str]
) -> dict[str, Any]:
    """What the rows of the table are chosen and ordered by, and how to make its cells."""
    entry = ranked.entry if ranked else entries[0]
    row, params = trial_row(entry, sweep.metric), flatten(entry.params)
    found = {key: params.get(name) for key, name in names.items()}
    found |= {key: row[key] for key in _COLUMNS if key in row} | {"rank": None}
    if ranked:
        found |= {"rank": ranked.rank, "value": ranked.value}

    def cells() -> list[Any]:
        value = found["value"]
        if ranked and ranked.std is not None:
            value = together(mean(value, ranked.std), f" of {len(ranked.values)}")
        key = key_of(sweep, entry.record) if entry.record else None
        tick = tag("input", type="checkbox", name="run", value=key, aria_label=f"trial {key}")
        states = [
            link(f"/run/{key_of(sweep, e.record)}", e.status, " ") for e in entries if e.record
        ]
        own = [found["rank"], row["trial"], together(*states) if states else entry.status, value]
        own += [row["epochs"], clock(row["elapsed"]) if row["elapsed"] else ""]
        params = [found[name] for name in names]
        return [tick if key else "", *own, *params, row["error"] or ""]

    return {**found, "statuses": {e.status for e in entries}, "cells": cells}


def run_page(sweep: LiveSweep, entry: Entry) -> Page:
    """One run: how it stands, its curves, parameters, where it comes from, its output."""
    record = entry.record
    assert record is not None
    row = trial_row(entry, sweep.metric)
    again = f", replicate {entry.replicate}" if entry.replicate else ""
    name = f"trial {show(entry.trial)}{again}"
    facts = {key: row[key] for key in ("status", "epoch", "epochs", "error", "path")}
    facts |= {sweep.metric.name: row["value"]} if sweep.metric else {}
    facts |= {"time": clock(row["elapsed"]), "seed": record.provenance.get("seed")}
    whence = {k: v for k, v in record.provenance.items() if k != "attempts"}
    attempts = {f"attempt {n}": a for n, a in enumerate(record.attempts[-10:], 1)}
    text, place = tail(record, None)
    shows = together(
        tag("h1", name, " of ", link(f"/sweep/{sweep.number}", sweep.row["sweep"])),
        pairs(facts),
        tag("h2", "Curves"),
        tag("div", *_charts([(name, record)]), class_="charts"),
        tag("h2", "Parameters"),
        pairs(flatten(record.params)),
        tag("h2", "Provenance"),
        pairs(flatten({**whence, **attempts})),
    )
    log = tag(
        "pre", Markup(escape(text)), data_log=f"/log/{key_of(sweep, record)}", data_from=place
    )
    return f"{name} of {sweep.name}", shows, together(tag("h2", "Output"), log)


def compare_page(chosen: Sequence[tuple[LiveSweep, Entry]]) -> Page:
    """Runs side by side: in what they differ, what they reached, their curves."""
    runs = [(sweep, entry, entry.record) for sweep, entry in chosen if entry.record is not None]
    heads = [
        link(f"/run/{key_of(sweep, record)}", f"{sweep.name} trial {show(entry.trial)}")
        for sweep, entry, record in runs
    ]
    rows = [trial_row(entry, sweep.metric) for sweep, entry, _ in runs]
    found = [flatten({"": row["params"], "metrics": row["metrics"]}) for row in rows]
    for flat, row in zip(found, rows, strict=True):
        flat |= {key: row[key] for key in ("status", "epochs", "elapsed", "error")}
    names = list(dict.fromkeys(name for flat in found for name in flat))[:500]
    lines = [[name.removeprefix("."), *(flat.get(name) for flat in found)] for name in names]
    same = [line for line in lines if len({repr(cell) for cell in line[1:]}) == 1]
    other = [line for line in lines if line not in same]
    curves = [(f"{s.name} trial {show(e.trial)}", record) for s, e, record in runs]
    shows = together(
        tag("h1", "Side by side"),
        tag("p", "Choose runs in the table of a sweep.") if not runs else "",
        table(["", *heads], other),
        tag("div", *_charts(curves), class_="charts"),
        tag("details", tag("summary", "the same in all"), table(["", *heads], same)),
    )
    return "compare", shows, NOTHING


def _charts(runs: Sequence[tuple[str, RunRecord]]) -> list[Markup]:
    """A chart for each metric, ``loss`` and ``val_loss`` together where there is one run."""
    found: dict[str, list[tuple[str, list[tuple[float, float]]]]] = {}
    for name, record in runs:
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in record.rows:
            for metric, value in row.items():
                if metric != "epoch" and math.isfinite(value):
                    lines.setdefault(metric, []).append((row["epoch"], value))
        for metric, line in lines.items():
            title = metric.removeprefix("val_") if len(runs) == 1 else metric
            found.setdefault(title, []).append((metric if len(runs) == 1 else name, line))
    charts: list[tuple[str, Lines]] = list(found.items())
    return [chart(title, lines) for title, lines in charts[:MOST_CHARTS]]


def tail(record: RunRecord, start: int | None) -> tuple[str, int]:
    """What a run has printed from ``start`` on, the end of it by default, and where that ends."""
    if not files.is_regular(record.paths.output):
        return "", 0
    end, data = files.read_end(record.paths.output, 4 * TAIL)
    begin = end - len(data)
    if start is None or not begin <= start <= end:
        start = max(begin, end - TAIL)
    data = data[start - begin :]
    whole = data[: data.rfind(b"\n") + 1] or data  # half a character may come later
    lines = uncoloured(whole.decode(errors="replace")).split("\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)  # as it is drawn last
    return printable(text, "\n\t"), start + len(whole)


def key_of(sweep: LiveSweep, record: RunRecord) -> str:
    """How an address names a run: by its sweep's number and its directories, which are ASCII."""
    debug = "debug/" if sweep.index and record.base != sweep.index.base else ""
    return f"{sweep.number}/{debug}{record.experiment}/{record.run}"


def first(query: Query, name: str) -> str:
    return next(iter(query.get(name, ())), "")


def whole(text: str) -> int:
    """The number that a part of an address is, 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def counts(found: Mapping[str, int], address: str) -> Markup:
    """Status -> number, each a link to these trials."""
    said = (link(f"{address}?status={s}", tag("b", n), f" {s}") for s, n in found.items())
    return Markup(" · ".join(said))


def mean(value: float | None, std: float | None) -> Markup:
    return html(show(value) if std is None else f"{show(value)} ± {std:.2g}")


def when(text: str | None) -> Markup:
    return tag("time", text, datetime=text) if text else Markup("")
