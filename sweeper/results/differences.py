"""In what two runs differ: parameters, metrics, and what they were made with."""

from __future__ import annotations

from typing import Any

from sweeper.tree import MISSING, RunRecord, diff

from .flat import flatten

PROVENANCE = ("seed", "replicate", "versions", "git", "program")


def facts(record: RunRecord) -> dict[str, Any]:
    """What can be compared of a run beside its parameters: ``best.…``, ``versions.…`` and so on."""
    provenance = {key: record.provenance.get(key) for key in PROVENANCE}
    summary = record.performances or {}
    epochs = {key: summary[key] for key in ("best", "last") if isinstance(summary.get(key), dict)}
    return {
        "status": record.status,
        **flatten(epochs),
        "elapsed": record.elapsed,
        **flatten({key: value for key, value in provenance.items() if value is not None}),
    }


def difference(left: RunRecord, right: RunRecord) -> list[dict[str, Any]]:
    """One ``{"name", "left", "right"}`` per fact that differs; None where a run has none.

    Parameters come first, as ``params.<dotted name>``, those of the monitored groups before others.
    """
    rows = [
        {"name": f"params.{found.key}", "left": _known(found.a), "right": _known(found.b)}
        for found in diff(left, right)
    ]
    facts_left, facts_right = facts(left), facts(right)
    return rows + [
        {"name": name, "left": facts_left.get(name), "right": facts_right.get(name)}
        for name in facts_left | facts_right
        if _text(facts_left.get(name)) != _text(facts_right.get(name))
    ]


def _known(value: Any) -> Any:
    return None if value is MISSING else value


def _text(value: Any) -> str:
    return f"{type(value).__name__}:{value!r}"  # 1 and 1.0 are not the same; NaN is NaN
