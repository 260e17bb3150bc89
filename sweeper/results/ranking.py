"""Which run is best: by the best or the last epoch of the metric, as the sweep says."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import UsageError
from sweeper.experiment import RunRecord
from sweeper.experiment.performances import mode_of
from sweeper.results.index import BAD, Entry
from sweeper.spec import Metric

Row = Mapping[str, Any]
Goal = Literal["minimize", "maximize"]

_GOALS: dict[str, Goal] = {"min": "minimize", "max": "maximize"}


@dataclass(frozen=True)
class Score:
    """The metric's value of a run, the epoch (from 1) that had it and that epoch's metrics."""

    value: float
    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Ranked:
    """An entry with its place: ``rank`` counts from 1."""

    rank: int
    entry: Entry
    score: Score

    @property
    def checkpoint(self) -> Path | None:
        """The saved model of the epoch that counts, else the run's best that is kept."""
        record = self.entry.record
        if record is None:
            return None
        return record.models.get(self.score.epoch) or record.checkpoint


def score(record: RunRecord, metric: Metric) -> Score | None:
    """The score of a run; None if it never recorded a number for the metric. NaN is no number."""
    summary = record.performances or {}
    if metric.mode == "last":
        found = _score_of(summary.get("last"), metric.name)
    elif _watched(summary) == (metric.name, metric.goal):
        found = _score_of(summary.get("best"), metric.name)
    else:
        found = None
    # The summary is missing, torn, or about another metric: the training log has every epoch.
    return found or _score_of(_choose(record.rows, metric), metric.name)


def _watched(summary: Row) -> tuple[object, Goal | None]:
    """The metric and the goal by which a run chose its best epoch."""
    return summary.get("monitor"), _GOALS.get(str(summary.get("mode")))


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value):
        return float(value)
    return None


def _score_of(row: Row | None, name: str) -> Score | None:
    if not isinstance(row, Mapping):
        return None
    value, epoch = _number(row.get(name)), row.get("epoch")
    if value is None or not isinstance(epoch, int):
        return None
    return Score(value, epoch, {k: v for k, v in row.items() if k != "epoch"})


def _choose(rows: Iterable[Row], metric: Metric) -> Row | None:
    with_metric = [row for row in rows if metric.name in row]
    if metric.mode == "last":
        return with_metric[-1] if with_metric else None
    numbers = [row for row in with_metric if _number(row[metric.name]) is not None]
    if not numbers:
        return None
    pick = max if metric.goal == "maximize" else min
    return pick(numbers, key=lambda row: float(row[metric.name]))


def rank(entries: Iterable[Entry], metric: Metric, top: int | None = None) -> list[Ranked]:
    """The runs with a score, best first; failed runs are left out, a shared run counts once.

    Equal values keep the order of the trials. ``top`` is how many to return, all by default.
    """
    scored: dict[Path, tuple[Entry, Score]] = {}
    for entry in entries:
        record = entry.record
        if record is None or record.path in scored or entry.status in BAD:
            continue
        found = score(record, metric)
        if found is not None:
            scored[record.path] = (entry, found)
    sign = -1.0 if metric.goal == "maximize" else 1.0
    ordered = sorted(scored.values(), key=lambda pair: sign * pair[1].value)[:top]
    return [Ranked(place, entry, found) for place, (entry, found) in enumerate(ordered, 1)]


def metric_names(records: Iterable[RunRecord]) -> list[str]:
    """The names of the metrics that these runs have recorded, sorted."""
    names: set[str] = set()
    for record in records:
        last = (record.performances or {}).get("last")
        names.update(last if isinstance(last, dict) else ())
        if not isinstance(last, dict) and record.rows:
            names.update(record.rows[-1])
    return sorted(names - {"epoch"})


def check_metric(metric: Metric, records: Iterable[RunRecord]) -> None:
    """Raise UsageError if the runs have recorded metrics, but not this one."""
    names = metric_names(records)
    if not names or metric.name in names:
        return
    near = difflib.get_close_matches(metric.name, names, 1)
    mend = f"did you mean {near[0]!r}?" if near else "name one of them, here or with --metric"
    raise UsageError(
        f"metric.name: expected a metric that the runs have recorded ({', '.join(names)}), "
        f"found {metric.name!r}; {mend}"
    )


def named_metric(name: str, goal: Goal | None, known: Metric | None) -> Metric:
    """The metric that a user names; without a ``goal`` the sweep's, or what the name suggests."""
    if goal is None and known is not None and known.name == name:
        return known
    mode = known.mode if known is not None else "best"
    return Metric(name=name, goal=goal or _GOALS[mode_of(name)], mode=mode)


def monitored_metric(records: Iterable[RunRecord]) -> Metric | None:
    """The metric that these runs watched, if it is one and the same; else None."""
    watched = {_watched(record.performances) for record in records if record.performances}
    if len(watched) != 1:
        return None
    name, goal = watched.pop()
    if not isinstance(name, str) or goal is None:
        return None
    return Metric(name, goal)


def target_reached(entries: Iterable[Entry], metric: Metric | None) -> bool:
    """Whether a run has reached the metric's target: then a launch starts no further trial."""
    if metric is None or metric.target is None:
        return False
    for best in rank(entries, metric, top=1):
        if metric.goal == "maximize":
            return best.score.value >= metric.target
        return best.score.value <= metric.target
    return False
