"""Trials as Optuna has them: its figures, importances and dashboard are made from these."""

from __future__ import annotations

import json
import math
import statistics
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sweeper.space import flatten
from sweeper.sweepfile import Metric, is_number

from .entry import Entry
from .flat import ParameterNames
from .index import Index
from .ranking import Ranked, group_of, rank

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

LOG_SPAN = 100.0
"""From this ratio of the largest value to the smallest on, an axis is logarithmic."""


def optuna_study(
    indices: Sequence[Index], metric: Metric | None, storage: BaseStorage | None = None
) -> Study:
    """A study of the trials of all ``indices``, in memory by default; see :func:`optuna_trials`."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction=metric.goal if metric else "minimize",
        study_name=", ".join(index.title for index in indices),
        storage=storage,
    )
    study.set_user_attr("tree", ", ".join(str(index.base) for index in indices))
    if metric is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna still calls experimental
            study.set_metric_names([metric.name])
    for trial in optuna_trials(indices, metric):
        study._storage.create_new_trial(study._study_id, template_trial=trial)
    return study


def optuna_trials(
    indices: Sequence[Index],
    metric: Metric | None,
    seen: dict[Hashable, None] | None = None,
    curves: int = 1 << 60,
) -> list[FrozenTrial]:
    """The trials that have a run, in order, each parameter dict with its replicates as one.

    With ``seen``, for who looks again and again, in the order in which they were seen, which it
    remembers: new ones that have ended first; and a dict of which a replicate has not begun yet has
    not ended. Of more than ``curves`` trials the best fifth of that number and those that have not
    ended have intermediate values.

    Whatever ``best`` would rank and has ended is COMPLETE, with the mean over the replicates;
    FAIL is what has ended otherwise, RUNNING what runs, WAITING what was interrupted.
    The user attributes are what Optuna has no field for: ``status``, ``trial``, ``sweep``, ``run``
    (the directory of the best run), ``epoch``, ``std`` and ``runs`` of replicates, ``error``.
    """
    from optuna.trial import create_trial

    groups = [
        (index, entries, ranked) for index in indices for entries, ranked in grouped(index, metric)
    ]
    if seen is not None:
        groups.sort(key=lambda group: not all(entry.ended for entry in group[1]))
        seen |= dict.fromkeys(_key(entries[0]) for _, entries, _ in groups)
        place = {key: number for number, key in enumerate(seen)}
        groups.sort(key=lambda group: place[_key(group[1][0])])
    begun = {_key(e) for index in indices for e in index.entries if e.listed and e.record is None}
    varying = set(ParameterNames(entries[0].params for _, entries, _ in groups).varying)
    flats = [
        {n: _plain(value) for n, value in flatten(entries[0].params).items() if n in varying}
        for _, entries, _ in groups
    ]
    distributions = parameter_distributions(flats)
    found = []
    for number, ((index, entries, ranked), flat) in enumerate(zip(groups, flats, strict=True)):
        entry = ranked.entry if ranked else entries[0]
        state = _state(entries, ranked, seen is not None and _key(entry) in begun)
        start, end = _times(entries)
        good = ranked is not None and ranked.rank <= curves // 5
        drawn = len(groups) <= curves or good or not state.is_finished()
        trial = create_trial(
            state=state,
            value=ranked.value if ranked and state.name == "COMPLETE" else None,
            params={name: _given(value, distributions[name]) for name, value in flat.items()},
            distributions={name: distributions[name] for name in flat},
            user_attrs=_attributes(index, entry, ranked),
            intermediate_values=curve_of(entry, metric) if drawn else {},
        )
        trial.number, trial.datetime_start = number, start
        trial.datetime_complete = end if state.is_finished() else None
        found.append(trial)
    return found


def parameter_distributions(flats: Iterable[Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """What Optuna needs to know of each parameter, by the values it has had.

    Numbers are an axis, logarithmic where they are positive, span more than :data:`LOG_SPAN`
    and lie mostly at its lower end; everything else is a choice, anything but text as JSON.
    """
    from optuna import distributions

    values: dict[str, list[Any]] = {}
    for flat in flats:
        for name, value in flat.items():
            values.setdefault(name, []).append(value)
    found: dict[str, BaseDistribution] = {}
    for name, given in values.items():
        numbers = [value for value in given if is_number(value)]
        if len(numbers) == len(given):
            low, high = min(numbers), max(numbers)
            low_half = statistics.median_low(numbers) < high / 4  # not of uniform draws
            log = low > 0 and high / low > LOG_SPAN and low_half
            if all(isinstance(number, int) for number in numbers):
                found[name] = distributions.IntDistribution(int(low), int(high), log=log)
            else:
                found[name] = distributions.FloatDistribution(low, high, log=log)
        else:
            choices = dict.fromkeys(_label(value) for value in given)
            found[name] = distributions.CategoricalDistribution(tuple(choices))
    return found


def grouped(index: Index, metric: Metric | None) -> list[tuple[list[Entry], Ranked | None]]:
    """The entries that have a run, those of one parameter dict together, with their place."""
    ranked = {one.record.path: one for one in (rank(index.entries, metric) if metric else [])}
    groups: dict[Any, list[Entry]] = {}
    for entry in index.entries:
        if entry.record is not None:
            groups.setdefault(_key(entry), []).append(entry)
    return [
        (group, next((ranked[e.path] for e in group if e.path in ranked), None))
        for group in groups.values()
    ]


def _key(entry: Entry) -> Hashable:
    return group_of(entry) if entry.sweep is not None else entry.path


def _state(entries: Sequence[Entry], ranked: Ranked | None, more: bool) -> Any:
    from optuna.trial import TrialState

    if any(entry.status == "running" for entry in entries):
        return TrialState.RUNNING
    if more or not all(entry.ended for entry in entries):
        return TrialState.WAITING
    return TrialState.COMPLETE if ranked else TrialState.FAIL


def _times(entries: Sequence[Entry]) -> tuple[datetime | None, datetime | None]:
    """When the first attempt began and the last one ended, as Optuna has times: naive, local."""
    attempts = [a for entry in entries if entry.record for a in entry.record.attempts]
    starts = [time for a in attempts if (time := local_time(a.get("start")))]
    ends = [time for a in attempts if (time := local_time(a.get("end")))]
    return min(starts, default=None), max(ends, default=None)


def local_time(text: object) -> datetime | None:
    """A time as ISO 8601 has it, local and naive; None if it is none."""
    try:
        return datetime.fromisoformat(str(text)).astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):  # the year 1 has no local time
        return None


def curve_of(entry: Entry, metric: Metric | None) -> dict[int, float]:
    """Epoch -> the metric, of the epochs that have a number for it."""
    if metric is None or entry.record is None:
        return {}
    rows = entry.record.rows
    found = {int(row["epoch"]): row.get(metric.name, math.nan) for row in rows}
    return {epoch: value for epoch, value in found.items() if math.isfinite(value)}


def _attributes(index: Index, entry: Entry, ranked: Ranked | None) -> dict[str, Any]:
    more: dict[str, Any] = {"epoch": ranked.score.epoch} if ranked else {}
    if ranked and ranked.std is not None:
        more |= {"std": ranked.std, "runs": len(ranked.values)}
    if entry.error:
        more["error"] = entry.error
    return {
        "status": entry.status,
        "sweep": index.title,
        "trial": entry.trial,
        "run": str(entry.path),
        **more,
    }


def _plain(value: Any) -> Any:
    """Numbers that JSON and Optuna's axes cannot say as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return float(value) if abs(value) < 10**300 else str(value)
    return value


def _label(value: Any) -> str:
    """Text as it is, unless it reads like another value; anything else as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value)


def _given(value: Any, distribution: BaseDistribution) -> Any:
    return _label(value) if hasattr(distribution, "choices") else value
