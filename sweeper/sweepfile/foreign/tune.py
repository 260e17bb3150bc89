"""Ray Tune: the ``param_space`` of a Python program, read and not run.

https://docs.ray.io/en/latest/tune/api/search_space.html: ``randint`` leaves its upper end out.
"""

from __future__ import annotations

import ast
from typing import Any

from sweeper.errors import UsageError

from .converting import Converting, arguments, calls

_NAMES = {"randn": "normal", "qrandn": "qnormal"}
_ARGUMENTS = {
    **dict.fromkeys(_NAMES, ("mean", "sd", "q")),
    "choice": ("categories",),
    "grid_search": ("values",),
}
_DRAWN = ("choice", "uniform", "loguniform", "quniform", "qloguniform", "randint", *_NAMES)
_OTHERS = ("grid_search", "sample_from", "lograndint", "qrandint", "qlograndint")


def read(to: Converting) -> None:
    tree = to.program()
    spaces = [node for node in ast.walk(tree) if isinstance(node, ast.Dict) and _is_space(node)]
    inner = {id(below) for space in spaces for below in ast.walk(space) if below is not space}
    spaces = [space for space in spaces if id(space) not in inner]
    if len(spaces) != 1:
        lines = ", ".join(f"line {space.lineno}" for space in spaces) or "none"
        raise UsageError(f"{to.path}: expected one dict with tune.… in it, found {lines}")
    to.document["method"] = "random"
    _group(to, [], spaces[0])
    within = {id(node) for node in ast.walk(spaces[0])}
    to.refused += [
        f"line {call.lineno}: {ast.unparse(call)}: stands outside of the dict"
        for _, call in calls(tree)
        if _is_drawn(call) and id(call) not in within
    ]
    ways = {name for name, _ in calls(spaces[0])}
    if "grid_search" in ways or any(_listed(node) for node in ast.walk(spaces[0])):
        to.document["method"] = "grid"
        if drawn := sorted(ways & set(_DRAWN)):
            to.refused.append(f"grid_search and {', '.join(drawn)} together: make two files")
    for name, call in calls(tree):
        if name == "TuneConfig" or ast.unparse(call.func).endswith("tune.run"):
            _config(to, call)
    to.notes.append("program: name the file; it gets its parameters from sweeper.params()")


def _is_drawn(call: ast.Call) -> bool:
    name = ast.unparse(call.func).split(".")
    return name[-2:-1] == ["tune"] and name[-1] in (*_DRAWN, *_OTHERS)


def _listed(node: ast.AST) -> bool:
    """``{"grid_search": […]}``, the older form."""
    keys = node.keys if isinstance(node, ast.Dict) else []
    return [getattr(key, "value", None) for key in keys] == ["grid_search"]


def _is_space(node: ast.Dict) -> bool:
    inside = [below for below in ast.walk(node) if below is not node]
    return any(_listed(one) or (isinstance(one, ast.Call) and _is_drawn(one)) for one in inside)


def _config(to: Converting, call: ast.Call) -> None:
    found: dict[str, Any] = {}
    for word in call.keywords:
        try:
            found[str(word.arg)] = ast.literal_eval(word.value)
        except ValueError:
            found[str(word.arg)] = None
        known = word.arg in ("metric", "mode", "num_samples") and found[word.arg] is not None
        if not known and word.arg not in ("config", "name", "storage_path", "verbose"):
            shown = f"{word.arg}={ast.unparse(word.value)}"
            to.notes.append(f"line {call.lineno}: {shown} is not converted")
    if found.get("metric"):
        to.aim(found["metric"], found.get("mode") == "max")
        if not found.get("mode"):
            to.notes.append(f"line {call.lineno}: no mode is given here: minimize")
    samples = found.get("num_samples") or 1
    if samples > 0 and (to.document["method"] == "random" or samples > 1):
        to.document["run_cap" if to.document["method"] == "random" else "repeats"] = samples


def _group(to: Converting, above: list[str], node: ast.Dict) -> None:
    for key, value in zip(node.keys, node.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(name, str):
            to.refused.append(f"line {value.lineno}: a name that is no text")
        elif isinstance(value, ast.Dict) and _listed(value):
            _parameter(to, [*above, name], ast.Call(ast.Name("grid_search"), value.values, []))
        elif isinstance(value, ast.Dict) and _is_space(value):
            _group(to, [*above, name], value)
        else:
            _parameter(to, [*above, name], value)


def _parameter(to: Converting, path: list[str], value: ast.expr) -> None:
    try:
        if not isinstance(value, ast.Call):
            to.put(path, {"value": ast.literal_eval(value)})
            return
        kind = ast.unparse(value.func).rpartition(".")[2]
        names = _ARGUMENTS.get(kind, ("lower", "upper", "q"))
        given = arguments(value, names)
    except ValueError:
        to.refused.append(f"{'.'.join(path)}: {ast.unparse(value)}: not a literal")
        return
    listed: list[Any] = [given[name] for name in names if name in given]
    if len(listed) < len(given) - (kind == "loguniform" and "base" in given):  # of no effect
        to.refused.append(f"{'.'.join(path)}: {ast.unparse(value)}")
        return
    if kind in ("choice", "grid_search"):
        to.draw(path, "choice", list(listed[0]))
    elif kind in _DRAWN:
        to.draw(path, _NAMES.get(kind, kind), listed)
    else:
        to.refused.append(f"{'.'.join(path)}: {ast.unparse(value)}")
