"""Determined: an experiment's configuration, its ``hyperparameters`` and ``searcher``.

https://docs.determined.ai/latest/reference/training/experiment-config-reference.html: both ends of
``int``, ``double`` and ``log`` are included; those of ``log`` are exponents of its ``base``.
"""

from __future__ import annotations

from typing import Any

from .converting import Converting, evenly

_TYPES = ("int", "double", "log", "categorical", "const")
_METHODS = {"random": "random", "grid": "grid", "single": "grid", "adaptive_asha": "random"}


def read(to: Converting) -> None:
    data = to.mapping()
    searcher = data.get("searcher") or {}
    name = searcher.get("name", "single")
    to.document["method"] = _METHODS.get(name, "random")
    if name not in _METHODS:
        to.notes.append(f"searcher: {name} becomes method: random")
    if name == "adaptive_asha":
        to.notes.append(
            "searcher: adaptive_asha becomes method: random without its stopping: "
            "add `early_terminate: {type: asha, …}`"
        )
    if "metric" in searcher:
        to.aim(str(searcher["metric"]), searcher.get("smaller_is_better", True) is False)
    to.take(searcher, {"max_trials": "run_cap", "max_concurrent_trials": "parallel"})
    to.take(data, {"name": "name"})
    entry = data.get("entrypoint")
    if isinstance(entry, list):
        to.document["command"] = entry
    elif entry and len(entry.split()) > 1:
        to.run(entry)
    elif entry:
        to.notes.append(f"entrypoint: {entry} is a class of Determined's: add `program`")
    to.notes.append("the program: instead of asking its context call sweeper.params()")
    to.leave(data, ("name", "entrypoint", "hyperparameters", "searcher"))
    aims = ("name", "metric", "smaller_is_better", "max_trials", "max_concurrent_trials")
    to.leave(searcher, aims, "searcher.")
    _group(to, [], data.get("hyperparameters") or {})


def _group(to: Converting, above: list[str], group: dict[str, Any]) -> None:
    for name, one in group.items():
        path = [*above, name]
        if not isinstance(one, dict):
            to.put(path, {"value": one})
        elif one.get("type") in _TYPES:
            _parameter(to, path, one)
        else:
            _group(to, path, one)


def _parameter(to: Converting, path: list[str], one: dict[str, Any]) -> None:
    kind, low, high = one["type"], one.get("minval"), one.get("maxval")
    count = one.get("count") if to.document["method"] == "grid" else None
    if kind == "categorical":
        to.put(path, {"values": one.get("vals")})
    elif kind == "const":
        to.put(path, {"value": one.get("val")})
    elif low is None or high is None:
        to.refused.append(f"{'.'.join(path)}: {kind} without minval or maxval")
    elif kind == "int" and (to.document["method"] != "grid" or (count or 0) > high - low):
        to.put(path, {"distribution": "int_uniform", "min": low, "max": high})
    elif to.document["method"] == "grid":
        if (
            not isinstance(count, int)
            or count < 2
            or (kind == "int" and (high - low) % (count - 1))
        ):
            to.refused.append(f"{'.'.join(path)}: {kind} with count: {count} in a grid")
            return
        values: list[Any] = evenly(low, high, count)
        if kind == "int":
            values = [int(value) for value in values]
        elif kind == "log":
            values = [one.get("base", 10) ** value for value in values]
        to.put(path, {"values": values})
    elif kind == "log":
        ends = [float(one.get("base", 10)) ** end for end in (low, high)]
        to.draw(path, "loguniform", ends)
    else:
        to.draw(path, "uniform", [low, high])
