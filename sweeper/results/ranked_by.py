"""Which metric ranks: the sweep's, a user's, or that of all runs; and why nothing is ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sweeper.errors import UsageError
from sweeper.sweepfile import Metric
from sweeper.tree import RunRecord, mode_of, nearest_metric
from sweeper.wording import counted

from .entry import Entry
from .index import Index
from .ranking import GOALS, Goal, score, watched_by


def metric_names(records: Iterable[RunRecord]) -> list[str]:
    """The names of the metrics that these runs have recorded, sorted."""
    names: set[str] = set()
    for record in records:
        names.update((record.performances or {}).get("last") or (record.rows or [{}])[-1])
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
    its_own = {one.name: one.goal for one in known.goals} if known is not None else {}
    goal = goal or its_own.get(name)
    mode = known.mode if known is not None else "best"
    watched = {watched_by(record.performances or {}) for record in records}
    goals = [its_goal for monitor, its_goal in watched if monitor == name and its_goal]
    goal = goal or (goals[0] if len(goals) == 1 else GOALS.get(str(mode_of(name))))
    if goal is None:
        check_metric(Metric(name), records)
        raise UsageError(
            f"--metric {name}: nothing says whether more or less of it is better: "
            "add --goal maximize, or --goal minimize"
        )
    return Metric(name, goal, mode=mode, limits=known.limits if known is not None else ())


def monitored_metric(records: Iterable[RunRecord]) -> Metric | None:
    """The metric that these runs watched, if it is one and the same; else None."""
    watched = {watched_by(record.performances) for record in records if record.performances}
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
