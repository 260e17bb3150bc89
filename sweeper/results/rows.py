"""A planned trial, a trial, a ranked one and a sweep as the row that the commands print of it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import SweeperError
from sweeper.space import flatten
from sweeper.sweepfile import Metric, is_number
from sweeper.tree import PlannedTrial, living_owner
from sweeper.wording import printable

from .entry import Entry
from .index import Index
from .ranked_by import metric_of
from .ranking import Ranked, Score, rank, score
from .target import open_index

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+](?:inf|nan)")
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # what a terminal obeys

OVERVIEW_FIELDS = (
    *("sweep", "trials", "counts", "metric", "goal", "best", "std", "runs"),
    *("bytes", "modified", "launcher", "path", "error"),
)


def plan_row(item: PlannedTrial, with_seed: bool = True) -> dict[str, Any]:
    """What ``plan --json`` says of a trial; without its seed, which takes time, that is None."""
    return {
        "trial": item.trial.index,
        "replicate": item.trial.replicate,
        "seed": item.trial.seed if with_seed else None,
        "params": item.trial.params,
        "experiment": item.experiment,
        "run": item.run.run if item.run else None,
        "state": item.state,
    }


def trial_row(entry: Entry, metric: Metric | None) -> dict[str, Any]:
    """What ``status --json`` says of a trial; the paths are absolute.

    ``value`` and ``epoch``: the metric's and where it was reached, None without a score;
    ``metrics``: all of that epoch.
    ``error`` and ``log``: of a trial that failed, else None; ``error`` of one that cannot be read.
    """
    found = entry_score(entry, metric)
    return {
        "trial": entry.trial,
        "replicate": entry.replicate,
        "params": entry.params,
        "experiment": entry.experiment,
        "run": entry.run,
        "status": entry.status,
        "epochs": entry.epochs,
        "value": found.value if found else None,
        "epoch": found.epoch if found else None,
        "metrics": found.metrics if found else {},
        "elapsed": entry.record.elapsed if entry.record else 0.0,
        "path": str(entry.path) if entry.path else None,
        "error": entry.error if entry.failed or entry.unreadable else None,
        "log": str(entry.log) if entry.failed else None,
    }


def best_row(
    ranked: Ranked, repeated: bool = False, metric: Metric | None = None
) -> dict[str, Any]:
    """What ``best --json`` says of a run; the paths are absolute.

    Of a sweep with ``repeats`` (``repeated``) ``value`` is the mean over the replicates, and the
    row has ``std``, ``runs`` (how many) and ``values`` too; the rest is about the best of them. Of
    several goals, or with limits, it has ``objectives``, the value of each, and ``feasible``.
    """
    entry = ranked.entry
    more: dict[str, Any] = {}
    if repeated:
        more = {"std": ranked.std, "runs": len(ranked.values), "values": list(ranked.values)}
    if metric and (names := metric.names[1:]):
        more["objectives"] = plain_json({name: ranked.mean(name) for name in names})
        more["feasible"] = not ranked.excess(metric)
    return {
        "rank": ranked.rank,
        "trial": entry.trial,
        "replicate": entry.replicate,
        "value": ranked.value,
        **more,
        "epoch": ranked.score.epoch,
        "params": entry.params,
        "experiment": entry.experiment,
        "run": entry.run,
        "status": entry.status,
        "metrics": ranked.score.metrics,
        "elapsed": ranked.record.elapsed,
        "path": str(entry.path),
        "checkpoint": store.shown(ranked.checkpoint) if ranked.checkpoint else None,
    }


def overview_row(place: Path, index: Index | None = None) -> dict[str, Any]:
    """What ``ls --json`` says of a sweep; where it cannot be read only ``error`` says why."""
    row: dict[str, Any] = dict.fromkeys(OVERVIEW_FIELDS)
    row |= {"sweep": place.name, "counts": {}, "path": str(place.absolute())}
    try:
        index = index or open_index(place)
        row |= _of_sweep(index)
        if owner := living_owner(index.base / "sweeps" / index.name):
            row["launcher"] = f"process {owner.get('pid')} on {owner.get('host')}"
    except (SweeperError, OSError) as error:
        row["error"] = str(error)
    return row


def _of_sweep(index: Index) -> dict[str, Any]:
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


def entry_score(entry: Entry, metric: Metric | None) -> Score | None:
    """The score of a trial; None without a run, a metric or a value."""
    if entry.record is None or metric is None:
        return None
    return score(entry.record, metric)


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what stands in its groups, too: ``params.<name>``, ``metrics.<name>``."""
    return {**row, **flatten({name: row.get(name) or {} for name in ("params", "metrics")})}


def csv_lines(titles: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a CSV file: the titles, then what each row says under them."""
    yield _csv_line(titles)
    for row in rows:
        yield _csv_line(row.get(title) for title in titles)


def _csv_line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(map(_csv_cell, cells))  # both are quoted
    return text.getvalue()[:-2] + "\n"


def _csv_cell(value: Any) -> str:
    """A value as CSV text: numbers exact, None empty, booleans and structures as in JSON.

    Text that a spreadsheet would take for a formula gets a ' before it, which it does not show.
    """
    if isinstance(value, str):
        formula = value.startswith(("=", "+", "-", "@", "\t", "\r"))
        value = f"'{value}" if formula and not _NUMBER.fullmatch(value) else value
        return _CONTROL.sub(lambda found: printable(found[0]), value)
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bool, list, tuple, Mapping)):
        return json.dumps(value)
    return str(value)


def plain_json(value: Any) -> Any:
    """``value`` with None for numbers that are not finite, which JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(item) for item in value]
    return value


def sort_key(value: Any) -> tuple[bool, Any]:
    """Numbers by size before everything else by its text."""
    number = is_number(value)
    return (not number, value if number else str(value))
