"""``enqueue`` and ``warm_start``: what is tried first, and what is known from elsewhere."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from sweeper.space import Space, canonical_json, place

from .problems import Problems
from .program import find_file
from .sweep import ADAPTIVE_METHODS

STUDY = "optuna:///"
_DRAWS = 1000  # of what a point leaves open, until no constraint is broken and all of it counts


def enqueue(
    problems: Problems, raw: Any, method: str | None, space: Space | None, seed: int
) -> tuple[dict[str, Any], ...]:
    """The dicts to be tried first, each once; what a point leaves open is drawn."""
    key = ("enqueue",)
    listed = problems.items(
        key, "a list of points", raw, "for example `enqueue: [{lr: 0.001, units: 64}]`"
    )
    if method in ("grid", "list"):
        mend = "a grid tries every point; `method: random` or `bayes` begins with these"
        problems.add(key, f"`enqueue` has no meaning in `method: {method}`", mend, on_key=True)
    found: dict[str, dict[str, Any]] = {}
    for index, given in enumerate(listed):
        if not isinstance(given, dict) or not given:
            problems.expected((*key, index), "a point: parameters and their values", given)
        elif space is not None and (params := _point(problems, given, index, space, seed)):
            found.setdefault(canonical_json(params), params)
    return tuple(found.values())


def _point(
    problems: Problems, given: dict[str, Any], index: int, space: Space, seed: int
) -> dict[str, Any] | None:
    for attempt in range(_DRAWS):
        random = Random(f"{seed} {canonical_json(given)} {attempt}")
        found = place(space, given, [random.random() or 0.5 for _ in space.axes])
        if not found.missing or not (found.idle or "constraints" in found.misfits):
            break
    for name, why in found.misfits.items():
        at = (name,) if name in given else ()
        problems.add(("enqueue", index, *at), f"{name}: {why}")
    if found.unknown:
        names = {p.name: None for axis in space.axes for p in axis.parameters}
        for name in found.unknown:
            problems.unknown(("enqueue", index, name), names, "parameter")
    return None if found.misfits or found.unknown else found.params


def warm_start(
    problems: Problems, raw: Any, method: str | None, sweep_file: Path
) -> tuple[str, ...]:
    """The sources, absolute; nothing is read."""
    key = ("warm_start",)
    example = "for example `warm_start: [experiments/other, results.csv]`"
    what = "a list of trees, sweep files, tables or studies"
    listed = problems.items(key, what, [raw] if isinstance(raw, str) else raw, example)
    if method is not None and (method not in ADAPTIVE_METHODS or method == "qmc"):
        mend = "`method: bayes` learns from them"
        problems.add(key, f"`method: {method}` learns nothing from earlier runs", mend, on_key=True)
    found = []
    for index, text in enumerate(listed):
        scheme = STUDY if str(text).startswith(STUDY) else ""
        is_path = isinstance(text, str) and text.strip() and "\0" not in text
        if not is_path or ("://" in text and not scheme):
            problems.expected((*key, index), "a path, or optuna:///path.db", text)
            continue
        file, mark, study = text.removeprefix(scheme).partition("?") if scheme else (text, "", "")
        found.append(f"{scheme}{find_file(file, sweep_file.parent).absolute()}{mark}{study}")
    return tuple(dict.fromkeys(found))
