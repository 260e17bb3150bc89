"""seml: ``fixed``, ``grid`` and ``random`` parameters of a Sacred experiment.

https://github.com/TUM-DAML/seml/tree/master/examples: a grid's ``range`` and a random ``randint``
leave their ``max`` out; a grid's ``uniform`` and ``loguniform`` are ``num`` values with both ends.
"""

from __future__ import annotations

from typing import Any

from sweeper.space import leaves

from .converting import Converting, evenly, steps


def read(to: Converting) -> None:
    data = to.mapping()
    fixed, grid, drawn = (data.get(key) or {} for key in ("fixed", "grid", "random"))
    parameters = {name: one for name, one in drawn.items() if name not in ("samples", "seed")}
    if grid and parameters:
        both = f"{', '.join(grid)} in a grid, {', '.join(parameters)} drawn for each of its points"
        to.refused.append(f"grid and random together: {both}: make two files")
    about = data.get("seml") or {}
    to.take(about, {"name": "name", "executable": "program"})
    to.document["method"] = "random" if parameters else "grid"
    for key, ours in (("samples", "run_cap"), ("seed", "seed")):
        if parameters and key in drawn:
            to.document[ours] = drawn[key]
    to.document["command"] = ["${interpreter}", "${program}", "with", "${args_no_hyphens}"]
    to.notes.append("metric: seml has none: add one that the program reports or logs")
    to.leave(about, ("name", "executable"), "seml.")
    for name in data:
        if name == "slurm":
            to.notes.append(
                "slurm: is not converted; `sweeper launch --address` takes a Ray cluster"
            )
        elif name not in ("seml", "fixed", "grid", "random"):
            to.refused.append(f"{name}: a sub-configuration: make a file of it")
    for path, value in leaves(fixed):
        to.put(".".join(path).split("."), {"value": value})
    zipped: dict[str, list[str]] = {}
    for name, one in grid.items():
        _grid(to, name, one, zipped)
    if zipped:
        to.document["zip"] = list(zipped.values())
    for name, one in parameters.items():
        _random(to, name, one)
    names = [name for name in (*fixed, *grid, *parameters) if name.startswith("+")]
    to.refused += [f"{name}: a named configuration of Sacred's" for name in names]


def _grid(to: Converting, name: str, one: Any, zipped: dict[str, list[str]]) -> None:
    kind = one.get("type")
    if kind == "parameter_collection":
        for inner, body in one["params"].items():
            _grid(to, f"{name}.{inner}", body, zipped)
        return
    low, high = one.get("min"), one.get("max")
    if kind == "choice":
        values = one["options"]
    elif kind == "range":
        values = steps(low, high, one["step"], last=False)
    elif kind == "uniform" and one["num"] > 1:
        values = evenly(low, high, one["num"])
    elif kind == "loguniform" and one["num"] > 1:
        ratio = high / low
        values = [low * ratio ** (number / (one["num"] - 1)) for number in range(one["num"])]
    else:
        to.refused.append(f"{name}: {kind} in a grid")
        return
    if "zip_id" in one:
        zipped.setdefault(one["zip_id"], []).append(name)
    to.put(name.split("."), {"values": values})


def _random(to: Converting, name: str, one: Any) -> None:
    kind = one.get("type")
    if kind == "parameter_collection":
        for inner, body in one["params"].items():
            _random(to, f"{name}.{inner}", body)
        return
    if "seed" in one:
        to.notes.append(f"{name}: its own seed is not converted")
    given = one["options"] if kind == "choice" else [one.get("min"), one.get("max")]
    to.draw(name.split("."), str(kind), given)
