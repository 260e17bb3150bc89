"""Which parameters are best: by the best or the last epoch of the metric, as the sweep says.

Runs of the same parameters with different seeds (``repeats``) count by their mean.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sweeper.sweepfile import Metric, is_number
from sweeper.tree import FAILED, RunRecord

from .entry import Entry
from .index import Index

Row = Mapping[str, Any]
Goal = Literal["minimize", "maximize"]

GOALS: dict[str, Goal] = {"min": "minimize", "max": "maximize"}


@dataclass(frozen=True)
class Score:
    """The metric's value of a run, the epoch (from 1) that had it and that epoch's metrics."""

    value: float
    epoch: int
    metrics: dict[str, float]

    def of(self, name: str) -> float:
        """Any metric of that epoch; NaN if it has no number there."""
        found = _number(self.metrics.get(name))
        return math.nan if found is None else found


@dataclass(frozen=True)
class Ranked:
    """A parameter dict with its place: ``rank`` counts from 1.

    ``entry`` and ``score`` are those of its best run; ``scores`` has that of every run of it
    that counts, one per replicate (a sweep without ``repeats`` has one), in order. One that a race
    has ``dropped`` comes behind the others: its few seeds may have been the easy ones.
    """

    rank: int
    entry: Entry
    score: Score
    scores: tuple[Score, ...]
    dropped: bool = False

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(score.value for score in self.scores)

    def mean(self, name: str) -> float:
        """The mean of any metric over the replicates; NaN where one of them has no number."""
        return statistics.mean(score.of(name) for score in self.scores)

    def excess(self, metric: Metric) -> float:
        """How far it breaks the metric's limits, each measured by itself; 0: it keeps them."""
        found = [one.excess(self.mean(one.name)) / one.size for one in metric.limits]
        return sum(math.inf if math.isnan(excess) else max(excess, 0.0) for excess in found)

    def order(self, metric: Metric) -> tuple[float, bool, float]:
        """The less the better."""
        return self.excess(metric), self.dropped, metric.sign * self.value

    @property
    def value(self) -> float:
        """The mean over the replicates: what is ranked by."""
        if len(self.values) == 1:
            return self.values[0]
        return statistics.mean(self.values)  # exact: of equal numbers it is that number

    @property
    def std(self) -> float | None:
        """The sample standard deviation (n - 1) over the replicates; None of one run."""
        if len(self.values) < 2:
            return None
        middle, n = self.value, len(self.values)
        return math.hypot(*(value - middle for value in self.values)) / math.sqrt(n - 1)

    @property
    def record(self) -> RunRecord:
        assert self.entry.record is not None  # what has no run has no score
        return self.entry.record

    @property
    def checkpoint(self) -> Path | None:
        """The saved model of the epoch that counts, else the best run's best that is kept."""
        return checkpoint_of(self.record, self.score)


def score(record: RunRecord, metric: Metric) -> Score | None:
    """The score of a run; None if it never recorded a number for the metric.

    NaN and the infinities are no numbers."""
    summary = record.performances or {}
    if metric.mode == "last":
        found = _score_of(summary.get("last"), metric.name)
    elif watched_by(summary) == (metric.name, metric.goal):
        found = _score_of(summary.get("best"), metric.name)
    else:
        found = None
    # The summary is missing, torn, or about another metric: the training log has every epoch.
    found = found or _score_of(_choose(record.rows, metric), metric.name)
    missing = set(metric.names) - found.metrics.keys() if found else ()
    if found is None or not missing:
        return found
    once = {n: row[n] for row in record.rows for n in missing & row.keys()}  # in another epoch
    return replace(found, metrics={**found.metrics, **once})


def checkpoint_of(record: RunRecord, score: Score | None) -> Path | None:
    """The saved model of the epoch that counts, else the run's best that is kept."""
    return (record.models.get(score.epoch) if score else None) or record.checkpoint


def run_values(
    record: RunRecord, metric: Metric | None, upto: int | None = None
) -> tuple[float, ...] | None:
    """A run's value of each goal, then its excess of each limit: NaN where there is no number.

    None if the run failed or has no value of the first. ``upto``: after so many reports of it.
    """
    if metric is None or record.status in FAILED:
        return None
    if upto is None:
        found = score(record, metric)
    else:
        rows = [row for row in record.rows if metric.name in row]
        found = _score_of(_choose(rows[:upto], metric), metric.name)
    if found is None:
        return None
    goals = (found.of(goal.name) for goal in metric.others)
    return found.value, *goals, *(limit.excess(found.of(limit.name)) for limit in metric.limits)


def watched_by(summary: Row) -> tuple[object, Goal | None]:
    """The metric and the goal by which a run chose its best epoch."""
    return summary.get("monitor"), GOALS.get(str(summary.get("mode")))


def _number(value: object) -> float | None:
    return float(value) if is_number(value) and math.isfinite(value) else None


def _score_of(row: Row | None, name: str) -> Score | None:
    if row is None or (value := _number(row.get(name))) is None:
        return None
    return Score(value, row["epoch"], {k: v for k, v in row.items() if k != "epoch"})


def _choose(rows: Iterable[Row], metric: Metric) -> Row | None:
    with_metric = [row for row in rows if metric.name in row]
    if metric.mode == "last":
        return with_metric[-1] if with_metric else None
    numbers = [row for row in with_metric if _number(row[metric.name]) is not None]
    return min(numbers, key=lambda row: metric.sign * float(row[metric.name]), default=None)


def rank(
    entries: Iterable[Entry], metric: Metric, top: int | None = None, *, apart: bool = False
) -> list[Ranked]:
    """The parameter dicts with a score, best first, by the mean over their replicates.

    What keeps the metric's limits comes before what breaks them, the least excess first.

    Replicates are runs of one experiment and one sweep with different replicate numbers; those
    that have failed or have no number yet are left out of the mean. With ``apart`` every run is
    ranked for itself. A run that two trials share counts once. Equal values keep the order of the
    trials, a mean that is NaN comes last. ``top`` is how many to return, all by default.
    """
    groups: dict[Hashable, list[tuple[Entry, Score]]] = {}
    seen: set[Path] = set()
    times: Counter[Hashable] = Counter()
    dropped: set[Hashable] = set()
    for entry in entries:
        record = entry.record
        if record is None or record.path in seen or entry.failed:
            continue
        found = score(record, metric)
        if found is None:
            if entry.status == "pruned" and entry.replicate:
                dropped.add(group_of(entry))
            continue
        seen.add(record.path)
        key: Hashable = record.path
        if entry.sweep is not None and not apart:
            # Two runs of one replicate are no replicates: the second opens another group.
            one = (group_of(entry), entry.replicate)
            key = (one[0], times[one])
            times[one] += 1
        groups.setdefault(key, []).append((entry, found))
    sign = metric.sign
    found_groups = []
    for runs in groups.values():
        first, its_score = min(runs, key=lambda run: sign * run[1].value)
        runs.sort(key=lambda run: run[0].replicate)
        is_dropped = not apart and group_of(first) in dropped
        found_groups.append(Ranked(0, first, its_score, tuple(s for _, s in runs), is_dropped))
    found_groups.sort(key=lambda r: r.order(metric))
    return [replace(ranked, rank=place) for place, ranked in enumerate(found_groups[:top], 1)]


def rank_together(indices: Sequence[Index], metric: Metric) -> list[tuple[int, Ranked]]:
    """The parameter dicts of several sweeps with a score, best first, each with its sweep's place.

    Their ``rank`` is that in their own sweep.
    """
    found = [(place, one) for place, i in enumerate(indices) for one in rank(i.entries, metric)]
    return sorted(found, key=lambda pair: pair[1].order(metric))


def wandb_differs(index: Index, metric: Metric) -> str | None:
    """What to say of a sweep of W&B scripts in which the last values choose another trial.

    None where they do not, and where the sweep file says itself which epoch counts.
    """
    said = index.sweep.document.get("metric") if index.sweep is not None else None
    if metric.mode == "last" or (isinstance(said, Mapping) and "mode" in said):
        return None
    ways = (metric, replace(metric, mode="last"))
    best, last = (rank(index.entries, way, top=1) for way in ways)
    if not best or not last or best[0].record.path == last[0].record.path:
        return None
    if not (best[0].record.path / "wandb").is_dir():
        return None
    trial, value = last[0].entry.trial, last[0].value
    return (
        f"a run counts with its best epoch; with its last, as W&B compares, trial {trial} is the "
        f"best ({metric.name}={value:.5g}): write `mode: last` under `metric` to have it so"
    )


def target_reached(entries: Iterable[Entry], metric: Metric | None) -> bool:
    """Whether the metric's target is reached: then a launch starts no further trial.

    By any run, also one that still runs, where nothing is repeated. With ``repeats`` the result of
    a parameter dict is a mean, so one lucky seed is not enough: the mean must reach the target,
    and every replicate of that dict that the sweep lists must have ended, well or not.
    """
    if metric is None or metric.target is None:
        return False
    entries = list(entries)
    repeated = {group_of(entry) for entry in entries if entry.replicate}
    undone = {
        group_of(entry)
        for entry in entries
        if entry.listed and not entry.ended and group_of(entry) in repeated
    }
    for best in rank((entry for entry in entries if group_of(entry) not in undone), metric, top=1):
        return not best.excess(metric) and metric.sign * best.value <= metric.sign * metric.target
    return False


def group_of(entry: Entry) -> Hashable:
    """What the replicates of one parameter dict have in common."""
    return entry.sweep, entry.experiment, entry.params.get("debug") is True
