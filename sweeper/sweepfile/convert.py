"""A sweep as a W&B sweep file, and what is lost on the way."""

from __future__ import annotations

import re
from typing import Any

from sweeper.errors import UsageError
from sweeper.space import Distribution, leaves

from .keys import WANDB_KEYS
from .sweep import ADAPTIVE_METHODS, Sweep
from .yaml12 import to_yaml

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
# W&B warns of the kinds whose bounds are exponents: the same distribution by its values.
_BY_VALUES = {
    "log_uniform": "log_uniform_values",
    "q_log_uniform": "q_log_uniform_values",
    "inv_log_uniform": "inv_log_uniform_values",
}
_NO_MEANING = {
    "metrics": "only the first goal is searched for",
    "constraints": "combinations that break a constraint will be tried",
    "zip": "the parameters will be crossed, not walked together",
    "enqueue": "",
    "warm_start": "",
    "order": "W&B walks a grid in order",
    "repeats": "every point is run once",
    "seed": "W&B draws anew each time",
    "resources": "",
    "isolation": "its agent starts a process for each trial",
    "hook": "",
    "cwd": "its agent starts every trial where it was started",
    "link": "",
    "parallel": "start as many agents",
    "budget": "",
    "retry": "",
    "slurm": "",
    "checkpoint": "",
    "monitored": "",
    "tensorboard": "",
    "notify": "W&B has alerts: wandb.alert",
}


def to_wandb_yaml(sweep: Sweep) -> tuple[str, list[str]]:
    """The W&B form of ``sweep`` as YAML, and one note for everything that W&B cannot say.

    Raises UsageError for ``method: list``, which W&B has not.
    """
    if sweep.method == "list":
        raise UsageError("W&B has no list of trials: give `values` and use `method: grid`")
    notes: list[str] = []
    theirs = [key for key in WANDB_KEYS if key not in ("imageuri", "scheduler")]
    written = {key: sweep.document[key] for key in theirs if key in sweep.document}
    written["name"] = sweep.name
    if sweep.program is not None:
        written["program"] = sweep.program_as_written
    if sweep.command is not None:
        written["command"] = list(sweep.command)
    elif sweep.program is not None:
        notes.append("W&B runs the program as a script: it must read its parameters itself")
    written["method"] = "bayes" if sweep.method in ADAPTIVE_METHODS else sweep.method
    if written["method"] != sweep.method:
        notes.append(f"method: {sweep.method} becomes W&B's bayes")
    if sweep.metric is not None:
        written["metric"] = {"name": sweep.metric.name, "goal": sweep.metric.goal}
        if sweep.metric.target is not None:
            written["metric"]["target"] = sweep.metric.target
        if sweep.metric.mode == "last":
            notes.append("metric.mode: W&B looks at the last value unless told otherwise")
        if sweep.metric.pattern is not None:
            notes.append("metric.pattern: W&B has no such key: log the metric with wandb.log")
    cap = sweep.run_cap or sweep.budget.trials
    if cap is not None:
        written["run_cap"] = cap
    _early_terminate(sweep, written, notes)
    written["parameters"] = _parameters(sweep, notes)
    for key, why in _NO_MEANING.items():
        if key in sweep.document and not (key == "seed" and sweep.seed == 0):
            notes.append(f"{key}: W&B has no such key{': ' + why if why else ''}")
    return to_yaml(written), notes


def _early_terminate(sweep: Sweep, written: dict[str, Any], notes: list[str]) -> None:
    stop = sweep.early_terminate
    if stop is None:
        return
    if stop.type != "hyperband":
        notes.append(f"early_terminate: W&B has hyperband only, not {stop.type}: left out")
        return
    numbers = {name: getattr(stop, name) for name in ("min_iter", "max_iter", "s")}
    given = {name: number for name, number in numbers.items() if number is not None}
    body = {"type": "hyperband", "eta": stop.eta, "strict": stop.strict, **given}
    written["early_terminate"] = body


def _parameters(sweep: Sweep, notes: list[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in leaves(sweep.space.base):
        _put(tree, path, {"value": value})
    for parameter in sweep.space.parameters:
        _put(tree, parameter.path, body_of(parameter.distribution))
        if parameter.conditions:
            notes.append(f"{parameter.name}: W&B has no `when`: it will always be set")
    names = sorted({part for parameter in sweep.space.parameters for part in parameter.path})
    odd = [name for name in names if not _NAME.match(name)]
    if odd:
        notes.append(f"W&B warns of these names: {', '.join(odd)}")
    return tree


def _put(tree: dict[str, Any], path: tuple[str, ...], body: dict[str, Any]) -> None:
    for part in path[:-1]:
        below = tree.get(part)
        if not isinstance(below, dict) or "parameters" not in below:
            tree[part] = {"parameters": {}}
        tree = tree[part]["parameters"]
    tree[path[-1]] = body


def body_of(of: Distribution) -> dict[str, Any]:
    """A distribution in the form of which W&B does not warn."""
    body = of.as_written()
    if of.kind not in _BY_VALUES:
        return body
    low, high = of.bounds
    return {**body, "distribution": _BY_VALUES[of.kind], "min": low, "max": high}
