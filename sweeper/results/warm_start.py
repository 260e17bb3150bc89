"""``warm_start``: what other sweeps, tables and studies know of the points of a sweep."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import SpecError, SweeperError
from sweeper.space import LARGEST, Space, canonical_json, flatten, place, value_key
from sweeper.sweepfile import STUDY, Metric, Sweep, is_number, read_rows
from sweeper.tree import Tree, WarmStart
from sweeper.wording import all_of, counted, printable

from .ranking import rank
from .target import load_target, open_index, storages_elsewhere

_MOST_NAMED = 5


def read_warm_start(sweep: Sweep) -> tuple[WarmStart, list[str]]:
    """What the sweep's searcher is told, and what to say of each source.

    A source that a launch has read before gives what it gave then. Raises SpecError.
    """
    if not sweep.warm_start:
        return WarmStart(), []
    kept = WarmStart.read(Tree(sweep.base_dir), sweep)
    sources, notes = {}, []
    points: dict[str, tuple[dict[str, Any], list[float]]] = {}
    for source in sweep.warm_start:
        try:
            sources[source] = kept[source] if source in kept else _read(sweep, source)
        except (SweeperError, OSError) as error:
            said = str(error).splitlines()[0]  # what follows shows a line of another file
            raise SpecError([sweep.problem("warm_start", said)]) from error
        said = _place(sweep, source, sources[source], points)
        notes.append(printable(f"warm_start: {source}: {said}"))
    known = [(params, statistics.mean(values)) for params, values in points.values()]
    return WarmStart(known, sources), notes


def _place(
    sweep: Sweep,
    source: str,
    rows: Sequence[Mapping[str, Any]],
    points: dict[str, tuple[dict[str, Any], list[float]]],
) -> str:
    """Add those that fit to the ``points``; how many do, and why the others do not."""
    fitting, others, unknown = 0, 0, dict[str, None]()
    reasons: dict[str, list[str]] = defaultdict(list)
    is_csv = source.lower().endswith(".csv")
    columns = {name for row in rows for name in flatten(row["params"])} if is_csv else ()
    for row in rows:
        params = row["params"]
        if is_csv or source.startswith(STUDY):
            params = _as_listed(sweep.space, flatten(params), columns)
        found = place(sweep.space, params)
        unknown |= dict.fromkeys(found.unknown)
        if found.misfits or found.missing:
            others += 1
            missing = dict.fromkeys(found.missing, "is not given")
            for name, why in {**found.misfits, **missing}.items():
                reasons[name].append(why)
            continue
        fitting += 1
        points.setdefault(canonical_json(found.params), (found.params, []))[1].append(row["value"])
    said = f"{counted(fitting, 'run')} to learn from"
    if others:
        why = "; ".join(
            f"{name} ({all_of([*dict.fromkeys(texts)][:3])})" for name, texts in reasons.items()
        )
        said += f", {others} left out: {why}"
    if unknown:
        said += f"; no parameters here: {all_of([*unknown][:_MOST_NAMED])}"
    return said + ("" if len(unknown) <= _MOST_NAMED else ", …")


def _as_listed(space: Space, flat: dict[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """What a table or a study has as text is the value of ``values`` with that text; an empty cell
    of the ``columns`` is null, where that is one of them.
    """
    found = dict(flat)
    for parameter in (one for axis in space.axes for one in axis.parameters):
        name, listed = parameter.name, parameter.distribution.values
        if name in flat or name in columns:
            given = flat.get(name)
            same = [value for value in listed if value_key(value) == value_key(given)]
            same += [value for value in listed if _text(value) == _text(given)]
            if same:
                found[name] = same[0]
    return found


def _text(value: Any) -> str:
    """As our own tables and studies have it, where a ' or quotes say that it is text."""
    return value.removeprefix("'").strip('"') if isinstance(value, str) else json.dumps(value)


def _read(sweep: Sweep, source: str) -> list[dict[str, Any]]:
    """All that has a number: ``params`` as they are there, and ``value``."""
    assert sweep.metric is not None
    is_study = source.startswith(STUDY)
    path = Path(source.removeprefix(STUDY).partition("?")[0] if is_study else source)
    if not os.path.exists(path):
        raise SweeperError(f"there is no {path}")
    if is_study:
        rows = _study(path, source.partition("?")[2].removeprefix("study="), sweep.metric)
    elif path.suffix.lower() in (".csv", ".json") and os.path.isfile(path):
        rows = _table(path, sweep.metric)
    else:
        rows = _tree(path, sweep)
    names = {p.name for axis in sweep.space.axes for p in axis.parameters}
    theirs = {name for row in rows for name in flatten(row["params"])}
    if names and not any(n == one or n.startswith(f"{one}.") for one in names for n in theirs):
        raise SweeperError(
            f"{path}: none of its parameters is one of the sweep's: expected "
            f"{all_of(sorted(names)[:_MOST_NAMED])}, found {all_of(sorted(theirs)[:_MOST_NAMED])}"
        )
    return rows


def _tree(path: Path, sweep: Sweep) -> list[dict[str, Any]]:
    assert sweep.metric is not None
    own = sweep.base_dir, sweep.sweep_name
    index = open_index(path)
    if path.is_file() and not any(entry.record for entry in index.entries):
        # A storage is one of where that sweep was launched, as a rule beside its file.
        for storage in storages_elsewhere(load_target(path))[:1]:
            index = open_index(path, storage=storage)
    entries = [
        entry
        for entry in index.entries
        if entry.status == "finished"
        and entry.record is not None
        and (entry.record.base, entry.record.sweep) != own
    ]
    ranked = [one for one in rank(entries, sweep.metric) if math.isfinite(one.value)]
    if not ranked:
        names = sorted({name for e in entries if e.record for row in e.record.rows for name in row})
        found = f"of {counted(len(entries), 'finished run')} none has `{sweep.metric.name}`"
        has = f", they have {all_of([n for n in names if n != 'epoch'])}" if len(names) > 1 else ""
        none = "; ".join(["there is no finished run of another sweep", *index.notes])
        raise SweeperError(f"{path}: {found + has if entries else none}")
    return [{"params": one.entry.params, "value": one.value} for one in ranked]


def _table(path: Path, metric: Metric) -> list[dict[str, Any]]:
    """Rows with the names of the parameters and the metric; or as `summary.csv` and .json are."""
    found, titles, known = [], dict[str, None](), 0
    rows = read_rows(path, nan_is_null=True)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            what = f"number {number} is of the kind {type(row).__name__}"
            raise SweeperError(f"{path}: expected a list of points: {what}")
        flat = flatten(row)
        titles |= dict.fromkeys(flat)
        params = row.get("params")
        ours = isinstance(params, dict)
        names = [f"metrics.{metric.name}", metric.name]
        names += ["value"] if "metrics" not in row else []
        given = [flat[name] for name in names if name in flat]
        value, known = next(iter(given), None), known + bool(given)
        unfinished = ours and row.get("status", "finished") != "finished"
        if is_number(value) and abs(value) <= LARGEST and not unfinished:
            others = {name: one for name, one in flat.items() if name not in names}
            found.append({"params": params if ours else others, "value": value})
    if not found:
        line = ":1" if path.suffix.lower() == ".csv" and not known else ""
        what = f"of {counted(known, 'row')} that have it none is finished with a finite number"
        if not known:
            what = f"found {all_of([*titles][:12])}" if titles else "there are no rows"
        raise SweeperError(f"{path}{line}: no number for `{metric.name}`: {what}")
    return found


def _study(path: Path, name: str, metric: Metric) -> list[dict[str, Any]]:
    try:
        return _trials(path, name, metric)
    except SweeperError:
        raise
    except ImportError as error:
        raise SweeperError(f"{path}: reading it needs Optuna: pip install optuna") from error
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        raise SweeperError(f"{path}: cannot be read as a study of Optuna's ({text})") from error


def _trials(path: Path, name: str, metric: Metric) -> list[dict[str, Any]]:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage: Any
    with open(path, "rb") as file:
        if file.read(15) == b"SQLite format 3":
            storage = optuna.storages.RDBStorage(f"sqlite:///file:{path}?mode=ro&uri=true")
        else:
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    names = optuna.study.get_all_study_names(storage)
    if name not in names and (name or len(names) != 1):
        if not names:
            raise SweeperError(f"{path}: holds no study of Optuna's")
        raise SweeperError(f"{path}: expected ?study=NAME with one of its studies: {all_of(names)}")
    study = optuna.load_study(study_name=name or names[0], storage=storage)
    titles: Sequence[str] = study.metric_names or []
    if len(study.directions) > 1 and metric.name not in titles:
        raise SweeperError(
            f"{path}: none of the study's {len(study.directions)} goals has a name "
            f"that is `{metric.name}`"
        )
    at = titles.index(metric.name) if metric.name in titles else 0
    if study.directions[at].name.lower() != metric.goal:
        raise SweeperError(
            f"{path}: the study is to {study.directions[at].name.lower()}, "
            f"`metric` to {metric.goal}"
        )
    done = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    if "tree" in study.user_attrs:  # ours, in which what was stopped early is complete, too
        done = [one for one in done if one.user_attrs.get("status") == "finished"]
    found = [{"params": one.params, "value": one.values[at]} for one in done]
    if not found:
        raise SweeperError(f"{path}: the study has no trial that is complete")
    return [row for row in found if math.isfinite(row["value"])]
