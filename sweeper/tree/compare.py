"""Where the difference lies: between two runs, and between an experiment and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.errors import UsageError

from .identity import Monitored, group_keys, group_names, plain
from .records import RunRecord
from .tree import Tree

_NEIGHBOURS = 10


class _Missing:
    def __repr__(self) -> str:
        return "—"


MISSING = _Missing()
"""Stands for a parameter that one of the two does not have."""


@dataclass(frozen=True)
class Difference:
    """One parameter that differs: its group, its path below the group's key, and both values.

    ``group`` is None for a parameter that is not monitored; a value may be ``MISSING``.
    """

    group: str | None
    key: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.key}: {self.a!r} → {self.b!r}"


def diff(run_a: RunRecord, run_b: RunRecord) -> list[Difference]:
    """The parameters that differ between two runs, those of the monitored groups first."""
    a, b = run_a.params, run_b.params
    group_of = _groups(run_a) | _groups(run_b)
    found = [
        Difference(group_of.get(key.split(".", 1)[0]), key, left, right)
        for key, left, right in differing(a, b)
    ]
    return sorted(found, key=lambda d: (d.group is None, d.group or "", d.key))


def other_experiment(
    record: RunRecord, params: Mapping[str, Any], monitored: Monitored
) -> list[Difference]:
    """Where ``params`` are of another experiment than a run's: by its groups, or by these."""
    groups = (*monitored, *record.monitored)
    keys = {key for group in groups for key in group_keys(group)}
    if (params.get("debug") is True) != (record.params.get("debug") is True):
        keys.add("debug")  # it would belong to the other tree
    old, new = ({k: v for k, v in p.items() if k in keys} for p in (record.params, params))
    return [Difference(None, *found) for found in differing(old, plain(new))]


def _groups(record: RunRecord) -> dict[str, str]:
    groups: dict[str, str] = {}
    for name, group in zip(group_names(record.monitored), record.monitored, strict=True):
        groups |= dict.fromkeys(group_keys(group), name)
    return groups


def differing(a: Any, b: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every place in two values where they differ, as ``(dotted key, in a, in b)``."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in sorted({*a, *b}):
            below = f"{key}.{name}" if key else name
            yield from differing(a.get(name, MISSING), b.get(name, MISSING), below)
    elif type(a) is not type(b) or a != b:  # 1, 1.0 and true are three different values
        yield key, a, b


def explain(tree: Tree, experiment: str) -> str:
    """The groups of an experiment with their digits and values, and how its neighbours differ.

    Raises UsageError if the tree has no such experiment.
    """
    from sweeper.space import leaves

    record = _told(tree, experiment)
    if record is None:
        known = ", ".join(list(tree.experiments())[:5]) or "no experiments"
        raise UsageError(f"{tree.base}: no experiment {experiment!r} with a run; there is {known}")
    digits = experiment.split("-")[1:]
    lines = [experiment]
    for name, group, part in zip(
        group_names(record.monitored), record.monitored, digits, strict=False
    ):
        lines.append(f"  {part}  {name}")
        for path, value in leaves({k: record.params.get(k) for k in group_keys(group)}):
            lines.append(f"      {'.'.join(path)} = {value!r}")
    near = sorted(
        (n for n in tree.experiments() if n != experiment and n.count("-") == len(digits)),
        key=lambda n: sum(x != y for x, y in zip(n.split("-")[1:], digits, strict=True)),
    )
    for name in near[:_NEIGHBOURS]:
        other = _told(tree, name)
        if other is not None:
            lines.append(f"{name} differs in")
            lines += [f"      {d}" for d in diff(record, other) if d.group is not None]
    return "\n".join(lines)


def _told(tree: Tree, experiment: str) -> RunRecord | None:
    runs = tree.runs(experiment)
    return next((run for run in runs if run.unreadable is None and run.params), None)
