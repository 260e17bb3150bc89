"""In what two runs differ: parameters, metrics, and what they were made with."""

from __future__ import annotations

from typing import Any

from sweeper.experiment import RunRecord
from sweeper.results.flat import flatten

PROVENANCE = ("seed", "replicate", "versions", "git", "program", "python", "sweeper")


def facts(record: RunRecord) -> dict[str, Any]:
    """What can be compared of a run, by dotted name: ``params.…``, ``best.…``, ``versions.…``."""
    provenance = {key: record.provenance.get(key) for key in PROVENANCE}
    best = (record.performances or {}).get("best")
    last = (record.performances or {}).get("last")
    return {
        **flatten(record.params, "params."),
        "status": record.status,
        **flatten(best if isinstance(best, dict) else {}, "best."),
        **flatten(last if isinstance(last, dict) else {}, "last."),
        "elapsed": record.elapsed,
        **flatten({key: value for key, value in provenance.items() if value is not None}),
    }


def difference(left: RunRecord, right: RunRecord) -> list[dict[str, Any]]:
    """One ``{"name", "left", "right"}`` per fact that differs; None where a run has none."""
    facts_left, facts_right = facts(left), facts(right)
    names = [*facts_left, *(name for name in facts_right if name not in facts_left)]
    return [
        {"name": name, "left": facts_left.get(name), "right": facts_right.get(name)}
        for name in names
        if _text(facts_left.get(name)) != _text(facts_right.get(name))
    ]


def _text(value: Any) -> str:
    return f"{type(value).__name__}:{value!r}"  # 1, 1.0 and True are not the same; NaN is NaN
