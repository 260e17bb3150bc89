"""Ray Tune: the ``param_space`` of a Python program, read and not run.

https://docs.ray.io/en/latest/tune/api/search_space.html: ``randint`` leaves its upper end out.
"""

from __future__ import annotations

import ast
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile.function_or_script import parse

from .converting import Converting, arguments, calls

_NAMES = {"randn": "normal", "qrandn": "qnormal"}
_DRAWN = ("choice", "uniform", "loguniform", "quniform", "qloguniform", "randint", *_NAMES)


def read(to: Converting) -> None:
    tree = parse(to.text().encode())
    if tree is None:
        raise UsageError(f"{to.path}: expected a Python program")
    spaces = [node for node in ast.walk(tree) if isinstance(node, ast.Dict) and _is_space(node)]
    inner = {id(below) for space in spaces for below in ast.walk(space) if below is not space}
    spaces = [space for space in spaces if id(space) not in inner]
    if len(spaces) != 1:
        lines = ", ".join(f"line {space.lineno}" for space in spaces) or "none"
        raise UsageError(f"{to.path}: expected one dict with tune.… in it, found {lines}")
    to.document["method"] = "random"
    _group(to, [], spaces[0])
    ways = {name for name, _ in calls(spaces[0])}
    if "grid_search" in ways:
        to.document["method"] = "grid"
        if drawn := sorted(ways & set(_DRAWN)):
            to.refused.append(f"grid_search and {', '.join(drawn)} together: make two files")
    for name, call in calls(tree):
        if name in ("TuneConfig", "run"):
            _config(to, call)
    to.notes.append("program: name the file; it gets its parameters from sweeper.params()")


def _is_space(node: ast.Dict) -> bool:
    found = [ast.unparse(call.func) for _, call in calls(node)]
    return any(".".join(name.split(".")[-2:-1]) == "tune" for name in found)


def _config(to: Converting, call: ast.Call) -> None:
    words = [word for word in call.keywords if word.arg in ("metric", "mode", "num_samples")]
    try:
        given = arguments(ast.Call(call.func, [], words))
    except ValueError:
        to.notes.append(f"line {call.lineno}: metric, mode and num_samples are not read")
        return
    if "metric" in given:
        to.aim(given["metric"], given.get("mode") == "max")
    if to.document["method"] == "random" and given.get("num_samples", 0) > 0:
        to.document["run_cap"] = given["num_samples"]


def _group(to: Converting, above: list[str], node: ast.Dict) -> None:
    for key, value in zip(node.keys, node.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(name, str):
            to.refused.append(f"line {value.lineno}: a name that is no text")
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
        names = ("lower", "upper", "q") if kind not in _NAMES else ("mean", "sd", "q")
        given = arguments(value, ("values",) if kind in ("choice", "grid_search") else names)
    except ValueError:
        to.refused.append(f"{'.'.join(path)}: {ast.unparse(value)}: not a literal")
        return
    listed: list[Any] = list(given.values())
    if kind in ("choice", "grid_search"):
        to.draw(path, "choice", list(listed[0]))
    elif kind in _DRAWN:
        to.draw(path, _NAMES.get(kind, kind), listed)
    else:
        to.refused.append(f"{'.'.join(path)}: {ast.unparse(value)}")
