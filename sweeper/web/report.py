"""A sweep as one page that opens anywhere, offline: nothing in it is fetched, all is escaped."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import os
from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from sweeper.errors import SweeperError, UsageError
from sweeper.results import (
    Figures,
    Index,
    attempts_of,
    best_row,
    check_metric,
    flatten,
    gpu_seconds,
    missing_plotly,
    nothing_to_rank,
    of_several,
    plain_json,
    rank,
)
from sweeper.sweepfile import Metric, is_number
from sweeper.tree import files
from sweeper.wording import clock, counted, printable, shortened

from .markup import html, table
from .report_tables import failures, trial_table, value_tables

FIGURES = {
    "history": "History",
    "curves": "Learning curves",
    "parallel_coordinates": "Parallel coordinates",
    "importance": "Importance of parameters",
    "slice": "Slices",
    "contour": "Contour",
    "timeline": "Timeline of workers",
}
_NOTES = {
    "importance": "How much of the metric's variance over the whole space each parameter alone "
    "explains (fANOVA). Trials that failed do not count, the worst tenth count as the best of "
    "them.",
    "values": "By the median, the best first, of the trials that ended with a number. Ranges hold "
    "about as many trials each.",
}


def write_report(index: Index, metric: Metric, path: Path) -> None:
    """Write the page of a sweep to ``path``, whole or not at all.

    Raises UsageError if nothing can be said of the sweep yet, TreeError if it cannot be written.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path}: expected a file *.html to write the report to")
    if not any(entry.record for entry in index.entries):
        raise UsageError(f"{index.title}: expected runs to report on, found none: launch it first")
    check_metric(metric, index.records())
    files.write_bytes(path, report(index, metric).encode(errors="replace"), durable=False)


def report(index: Index, metric: Metric) -> str:
    figures = Figures([index], metric, make=lambda figure: figure)
    drawn: dict[str, Any] = {}
    for name in FIGURES:
        try:
            drawn[name] = getattr(figures, name)()
        except SweeperError as error:
            drawn[name] = str(error)
    data = {
        "figures": drawn,
        "table": trial_table(index, metric),
        "values": value_tables(index, metric, list(figures.importances())),
    }
    script, style = _asset("report.js"), _asset("report.css")
    packed, its_hash = _plotly()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' '{its_hash}'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    parts = [
        *("<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">'),
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{html(index.title)}</title><style>{style}</style></head><body>",
        f"<header><h1>{html(index.title)}</h1><p>{html(index.counts_in_words())}</p></header>",
        "<main>",
        *_section("What was asked", _asked(index, metric)),
        *_section("What came of it", _outcome(index, metric)),
        *(_section("Failures", found) if (found := failures(index)) else ()),
    ]
    for name, title in FIGURES.items():
        parts += _section(title, [*_note(name), f'<div class="figure" id="figure-{name}"></div>'])
        if name == "slice":
            parts += _section("By value", [*_note("values"), '<div id="values"></div>'])
    parts += _section("Trials", ['<div id="table"></div>'])
    made = datetime.now().astimezone().isoformat(" ", "minutes")
    parts += [
        "</main>",
        f"<footer>Made by sweeper, {made}, from {html(index.base)}</footer>",
        f'<script type="application/json" id="data">{_json(data)}</script>',
        f'<script type="text/plain" id="plotly">{packed}</script>',
        f"<script>{script}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _note(name: str) -> list[str]:
    return [f'<p class="note">{_NOTES[name]}</p>'] if name in _NOTES else []


def _section(title: str, content: Iterable[str]) -> list[str]:
    return [f"<section><h2>{title}</h2>", *content, "</section>"]


def _asked(index: Index, metric: Metric) -> list[str]:
    sweep = index.sweep
    asked = f"{metric.name}, to {metric.goal} ({metric.mode} epoch)"
    others = [f"{goal.name}, to {goal.goal}" for goal in metric.others]
    facts: dict[str, Any] = {"Metric": "; ".join([asked, *others, *map(str, metric.limits)])}
    if sweep is not None:
        facts["Method"] = sweep.chooser
        facts["Program"] = sweep.program.path if sweep.program else sweep.command
        facts["Seed"] = sweep.seed
        if sweep.repeats > 1:
            facts["Repeats"] = sweep.repeats
        facts |= {"Description": sweep.description} if sweep.description else {}
    names = index.parameters()
    tried: dict[str, dict[Any, Any]] = {name: {} for name in names.varying}
    for entry in index.entries:
        for name, value in flatten(entry.params).items():
            if name in tried:
                tried[name][json.dumps(value, default=str)] = value
    lines = [_facts(facts)]
    if tried:
        rows = [(name, _domain(list(values.values()))) for name, values in tried.items()]
        lines += ["<h3>What varies</h3>", table(("parameter", "tried"), rows)]
    if sweep is not None:
        text = escape(printable(sweep.to_yaml(), "\n"))
        lines.append(f"<details><summary>The sweep file</summary><pre>{text}</pre></details>")
    return lines


def _domain(values: list[Any]) -> str:
    numbers = all(map(is_number, values))
    if numbers and len(values) > 8:
        return f"{min(values):.4g} to {max(values):.4g} ({len(values)} values)"
    shown = sorted(values) if numbers else values[:20]
    more = f", … ({len(values)} values)" if len(values) > len(shown) else ""
    return (
        ", ".join(f"{v:.5g}" if isinstance(v, float) else shortened(str(v), 40) for v in shown)
        + more
    )


def _outcome(index: Index, metric: Metric) -> list[str]:
    attempts = attempts_of(index.entries)
    gpu = gpu_seconds(attempts)
    spent = sum(record.elapsed for record in index.records())
    facts: dict[str, Any] = {"Trials": index.counts_in_words(), "Time of all trials": clock(spent)}
    if attempts:
        wall = max(a.end for a in attempts) - min(a.start for a in attempts)
        facts["From first to last"] = clock(wall.total_seconds())
    facts |= {text.partition(":")[0]: text.partition(":")[2] for text in of_several(index, metric)}
    facts["GPU-hours"] = f"{gpu / 3600:.3g}" if gpu else "none"
    ranked = rank(index.entries, metric, 10)
    if not ranked:
        return [_facts(facts), f"<p>{html(nothing_to_rank(index, metric))}</p>"]
    row = best_row(ranked[0], index.repeated, metric)
    spread = f" ± {row['std']:.2g}" if row.get("std") is not None else ""
    runs = f" (mean of {counted(row['runs'], 'run')})" if "runs" in row else ""
    same = [str(one.entry.trial) for one in ranked[1:] if one.value == ranked[0].value]
    same = [*same[:8], "…"] if len(same) > 8 else same
    best = {
        "Trial": f"{row['trial']}" + (f", as good as {', '.join(same)}" if same else ""),
        metric.name: f"{row['value']:.6g}{spread}{runs}",
        **row.get("objectives", {}),
        "Epoch": row["epoch"],
        "Time it took": clock(row["elapsed"]),
        "Checkpoint": row["checkpoint"] or "none was kept",
        "Run": row["path"],
    }
    varying = set(index.parameters().varying)
    params = flatten(row["params"])
    chosen = [(name, value) for name, value in params.items() if name in varying]
    fixed = [(name, value) for name, value in params.items() if name not in varying]
    lines = [_facts(facts), "<h3>The best</h3>", _facts(best)]
    if chosen:
        lines.append(table(("parameter", "of the best"), chosen))
    if fixed:
        rest = table(("parameter", "of every trial"), fixed)
        lines.append(f"<details><summary>What does not vary</summary>{rest}</details>")
    return lines


def _facts(facts: dict[str, Any]) -> str:
    rows = (f"<dt>{html(name)}</dt><dd>{html(value)}</dd>" for name, value in facts.items())
    return f"<dl>{''.join(rows)}</dl>"


def _json(value: Any) -> str:
    """JSON that ends no script and starts no comment."""
    text = json.dumps(plain_json(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return resources("sweeper.web").joinpath("assets", name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> tuple[str, str]:
    """plotly.min.js, packed for the page, and what the policy calls it."""
    try:
        import plotly
    except ImportError:
        raise missing_plotly() from None
    path = Path(os.path.dirname(plotly.__file__)) / "package_data" / "plotly.min.js"
    data = path.read_bytes()
    packed = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
    return packed, _hash(data.decode())


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
