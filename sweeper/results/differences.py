"""In what two runs differ: parameters, metrics, and what they were made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweeper.space import flatten
from sweeper.tree import RunRecord

PROVENANCE = ("seed", "replicate", "versions", "git", "program")


def facts(record: RunRecord) -> dict[str, Any]:
    """What can be compared of a run beside its parameters: ``best.…``, ``versions.…`` and so on."""
    provenance = {key: record.provenance.get(key) for key in PROVENANCE}
    summary = record.performances or {}
    epochs = {key: summary[key] for key in ("best", "last") if summary.get(key)}
    return {
        "status": record.status,
        **flatten(epochs),
        "elapsed": record.elapsed,
        **flatten({key: value for key, value in provenance.items() if value is not None}),
    }


def differing_facts(records: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """What is not the same in all runs, by its name: the value in each, None where it has none.

    Parameters come first, as ``params.<dotted name>``, those of the monitored groups before others.
    """
    found: dict[str, list[Any]] = {}
    groups = [g for record in records for g in record.monitored]
    monitored = {key for g in groups for key in ([g] if isinstance(g, str) else g)}
    flat = [flatten(record.params) for record in records]
    names = {name for params in flat for name in params}
    for name in sorted(names, key=lambda name: (name.split(".")[0] not in monitored, name)):
        if len({_text(params.get(name)) for params in flat}) > 1:
            found[f"params.{name}"] = [params.get(name) for params in flat]
    each = [facts(record) for record in records]
    for name in dict.fromkeys(name for one in each for name in one):
        if len({_text(one.get(name)) for one in each}) > 1:
            found[name] = [one.get(name) for one in each]
    return found


def _text(value: Any) -> str:
    return f"{type(value).__name__}:{value!r}"  # 1 and 1.0 are not the same; NaN is NaN
