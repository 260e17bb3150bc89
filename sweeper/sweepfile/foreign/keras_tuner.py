"""KerasTuner: the ``hp.Float(…)`` and their kin in a Python program, read and not run.

https://keras.io/keras_tuner/api/hyperparameters/: both ends are included.
"""

from __future__ import annotations

import ast
from typing import Any

from sweeper.errors import UsageError
from sweeper.metric_goals import mode_of

from .converting import Converting, arguments, calls, steps

_METHODS = {"RandomSearch": "random", "GridSearch": "grid", "BayesianOptimization": "bayes"}
_TUNERS: dict[str, tuple[str, ...]]
_TUNERS = dict.fromkeys(_METHODS, ("hypermodel", "objective", "max_trials"))
_TUNERS["Hyperband"] = ("hypermodel", "objective", "max_epochs", "factor")
_PARENT = ("parent_name", "parent_values")
_NUMBERS = ("name", "min_value", "max_value", "step", "sampling", "default", *_PARENT)
_SIGNATURES = {
    "Float": _NUMBERS,
    "Int": _NUMBERS,
    "Choice": ("name", "values", "ordered", "default", *_PARENT),
    "Boolean": ("name", "default", *_PARENT),
    "Fixed": ("name", "value", *_PARENT),
}


def read(to: Converting) -> None:
    tree = to.program()
    to.document["method"] = "random"
    tuners = [call.lineno for kind, call in calls(tree) if kind in _TUNERS]
    if len(tuners) > 1:
        lines = ", ".join(f"line {line}" for line in tuners)
        raise UsageError(f"{to.path}: expected one tuner, found {lines}")
    for kind, call in calls(tree):
        if kind in _SIGNATURES and isinstance(call.func, ast.Attribute):
            _parameter(to, kind, call)
        elif kind in _TUNERS:
            _tuner(to, kind, call)
        elif kind in ("conditional_scope", "name_scope"):
            to.refused.append(f"line {call.lineno}: {kind}: write what is in it by hand")
    to.notes.append("program: a train(params, callbacks) that builds the model and fits it")


def _tuner(to: Converting, kind: str, call: ast.Call) -> None:
    to.document["method"] = _METHODS.get(kind, "random")
    if kind not in ("RandomSearch", "GridSearch"):
        to.notes.append(f"line {call.lineno}: {kind} becomes method: {to.document['method']}")
    keys = {"max_trials": "run_cap", "executions_per_trial": "repeats", "seed": "seed"}
    given = [ast.keyword(*pair) for pair in zip(_TUNERS[kind], call.args, strict=False)]
    for word in [*given, *call.keywords]:
        aim = ast.unparse(word.value)
        if word.arg in keys and isinstance(word.value, ast.Constant):
            to.document[keys[word.arg]] = word.value.value
        elif word.arg == "objective" and isinstance(word.value, ast.Constant):
            to.aim(str(word.value.value), mode_of(str(word.value.value)) == "max")
        elif word.arg == "objective" and isinstance(word.value, ast.Call):
            named = arguments(word.value, ("name", "direction"))
            to.aim(named["name"], named["direction"] == "max")
        elif word.arg not in ("hypermodel", "directory", "project_name", "overwrite"):
            to.notes.append(f"line {call.lineno}: {word.arg}={aim} is not converted")


def _parameter(to: Converting, kind: str, call: ast.Call) -> None:
    shown = f"line {call.lineno}: {ast.unparse(call)}"
    try:
        given = arguments(call, _SIGNATURES[kind])
    except ValueError:
        to.refused.append(f"{shown}: not a literal")
        return
    body: dict[str, Any]
    low, high, step = (given.get(key) for key in ("min_value", "max_value", "step"))
    sampling = given.get("sampling") or "linear"
    if given.get("parent_name"):
        to.refused.append(f"{shown}: depends on another: write `when` by hand")
        return
    if kind in ("Choice", "Boolean"):
        body = {"values": list(given.get("values", (True, False)))}
    elif kind == "Fixed":
        body = {"value": given["value"]}
    elif sampling == "linear" and (step or kind == "Int"):
        body = {"values": steps(low, high, step or 1, last=True)}
        if (step or 1) == 1 and kind == "Int":
            body = {"distribution": "int_uniform", "min": low, "max": high}
    elif kind == "Float" and sampling in ("linear", "log") and not step:
        drawn = "uniform" if sampling == "linear" else "log_uniform_values"
        body = {"distribution": drawn, "min": float(str(low)), "max": float(str(high))}
    else:
        to.refused.append(shown)
        return
    to.put([given["name"]], body)
