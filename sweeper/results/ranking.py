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

from sweeper.errors import UsageError
from sweeper.sweepfile import Metric, is_number
from sweeper.tree import FAILED, RunRecord, mode_of, nearest_metric
from sweeper.wording import counted

from .entry import Entry
from .index import Index

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
    """A parameter dict with its place: ``rank`` counts from 1.

    ``entry`` and ``score`` are those of its best run; ``values`` has the metric of every run of it
    that counts, one per replicate (a sweep without ``repeats`` has one), in order. One that a race
    has ``dropped`` comes behind the others: its few seeds may have been the easy ones.
    """

    rank: int
    entry: Entry
    score: Score
    values: tuple[float, ...]
    dropped: bool = False

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
        """Its best run."""
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
    elif _watched(summary) == (metric.name, metric.goal):
        found = _score_of(summary.get("best"), metric.name)
    else:
        found = None
    # The summary is missing, torn, or about another metric: the training log has every epoch.
    return found or _score_of(_choose(record.rows, metric), metric.name)


def checkpoint_of(record: RunRecord, score: Score | None) -> Path | None:
    """The saved model of the epoch that counts, else the run's best that is kept."""
    return (record.models.get(score.epoch) if score else None) or record.checkpoint


def run_value(record: RunRecord, metric: Metric | None) -> float | None:
    """A run's value of the metric; None if the run failed or has none."""
    if metric is None or record.status in FAILED:
        return None
    found = score(record, metric)
    return found.value if found else None


def _watched(summary: Row) -> tuple[object, Goal | None]:
    """The metric and the goal by which a run chose its best epoch."""
    return summary.get("monitor"), _GOALS.get(str(summary.get("mode")))


def _number(value: object) -> float | None:
    return float(value) if is_number(value) and math.isfinite(value) else None


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


def rank(
    entries: Iterable[Entry], metric: Metric, top: int | None = None, *, apart: bool = False
) -> list[Ranked]:
    """The parameter dicts with a score, best first, by the mean over their replicates.

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
    sign = -1.0 if metric.goal == "maximize" else 1.0
    found_groups = []
    for runs in groups.values():
        first, its_score = min(runs, key=lambda run: sign * run[1].value)
        runs.sort(key=lambda run: run[0].replicate)
        values = tuple(s.value for _, s in runs)
        is_dropped = not apart and group_of(first) in dropped
        found_groups.append(Ranked(0, first, its_score, values, is_dropped))
    found_groups.sort(key=lambda r: (r.dropped, sign * r.value))
    return [replace(ranked, rank=place) for place, ranked in enumerate(found_groups[:top], 1)]


def rank_together(indices: Sequence[Index], metric: Metric) -> list[tuple[int, Ranked]]:
    """The parameter dicts of several sweeps with a score, best first, each with its sweep's place.

    Their ``rank`` is that in their own sweep.
    """
    found = [(place, one) for place, i in enumerate(indices) for one in rank(i.entries, metric)]
    sign = -1.0 if metric.goal == "maximize" else 1.0
    return sorted(found, key=lambda pair: (pair[1].dropped, sign * pair[1].value))


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
    near = nearest_metric(metric.name, names)
    mend = f"did you mean {near!r}?" if near else "name one of them, here or with --metric"
    raise UsageError(
        f"metric.name: expected a metric that the runs have recorded ({', '.join(names)}), "
        f"found {metric.name!r}; {mend}"
    )


def named_metric(
    name: str, goal: Goal | None, known: Metric | None, records: Sequence[RunRecord] = ()
) -> Metric:
    """The metric that a user names; without a ``goal`` the sweep's, the runs', or by its name.

    Raises UsageError where nothing says whether more or less of it is better.
    """
    if goal is None and known is not None and known.name == name:
        return known
    mode = known.mode if known is not None else "best"
    watched = {_watched(record.performances or {}) for record in records}
    goals = [its_goal for monitor, its_goal in watched if monitor == name and its_goal]
    goal = goal or (goals[0] if len(goals) == 1 else _GOALS.get(str(mode_of(name))))
    if goal is None:
        check_metric(Metric(name), records)
        raise UsageError(
            f"--metric {name}: nothing says whether more or less of it is better: "
            "add --goal maximize, or --goal minimize"
        )
    return Metric(name, goal, mode=mode)


def monitored_metric(records: Iterable[RunRecord]) -> Metric | None:
    """The metric that these runs watched, if it is one and the same; else None."""
    watched = {_watched(record.performances) for record in records if record.performances}
    if len(watched) != 1:
        return None
    name, goal = watched.pop()
    if not isinstance(name, str) or goal is None:
        return None
    return Metric(name, goal)


def metric_of(index: Index) -> Metric | None:
    """The sweep's metric, else the one that all its runs watched."""
    return index.metric or monitored_metric(index.records())


def metric_to_rank_by(index: Index, name: str | None, goal: Goal | None) -> Metric:
    """The metric that a user names, else that of the sweep, else that of all its runs.

    Raises UsageError if there is none.
    """
    if name is not None:
        return named_metric(name, goal, index.metric, list(index.records()))
    metric = metric_of(index)
    if metric is None:
        found = ", ".join(metric_names(index.records())) or "nothing yet"
        raise UsageError(
            f"{index.title}: expected one metric to rank by, found none that the sweep or all runs "
            f"name; pass --metric NAME (the runs have recorded {found})"
        )
    return metric


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
        if metric.goal == "maximize":
            return best.value >= metric.target
        return best.value <= metric.target
    return False


def group_of(entry: Entry) -> Hashable:
    """What the replicates of one parameter dict have in common."""
    return entry.sweep, entry.experiment, entry.params.get("debug") is True


def without_number(index: Index, metric: Metric) -> list[Entry]:
    """The entries whose runs recorded the metric, but no number: NaN or infinity alone."""
    return [
        entry
        for entry in index.entries
        if entry.record is not None
        and score(entry.record, metric) is None
        and any(metric.name in row for row in entry.record.rows)
    ]


def nothing_to_rank(index: Index, metric: Metric) -> str:
    """Why no run is ranked, in words: whoever has a number and has not failed is.

    Raises UsageError if the runs have recorded metrics, but not this one.
    """
    check_metric(metric, index.records())
    name = metric.name
    empty = without_number(index, metric)
    failed = [entry for entry in index.entries if entry.failed]
    numbers = sum(e.record is not None and score(e.record, metric) is not None for e in failed)
    silent = len(failed) - numbers - sum(entry.failed for entry in empty)
    found = {
        f"recorded a number for {name}, but failed": numbers,
        f"recorded {name}, but NaN or infinity only": len(empty),
        f"failed before recording {name}": silent,
    }
    why = "; ".join(f"{counted(number, 'run')} {what}" for what, number in found.items() if number)
    if not why:
        return f"no run has recorded {name} yet"
    return f"nothing to rank: {why}{': see `sweeper status`' if failed else ''}"
