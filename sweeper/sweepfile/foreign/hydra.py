"""Hydra: ``hydra.sweeper.params`` of a configuration, or a list of multirun overrides.

https://hydra.cc/docs/advanced/override_grammar/extended/: ``range`` leaves its stop out; an
``interval`` is of real numbers, on a logarithmic scale if it is tagged ``log``.
"""

from __future__ import annotations

import re
from typing import Any

from sweeper.sweepfile.yaml12 import parse

from .converting import Converting, steps

_CALL = re.compile(r"(\w+)\((.*)\)\s*\Z", re.S)
_SAMPLERS = {"TPESampler": "tpe", "RandomSampler": "random", "GridSampler": "grid"}
_KNOWN = ("_target_", "params", "n_trials", "n_jobs", "direction", "sampler")
_WORD = re.compile(r"[A-Za-z_][\w./ -]*")


def read(to: Converting) -> None:
    data = to.data()
    sweeper: dict[str, Any] = {}
    chosen: dict[str, str] = {}  # of its groups
    if isinstance(data, list):
        pairs = dict(str(one).partition("=")[::2] for one in data if "=" in str(one))
        to.refused += [str(one) for one in data if "=" not in str(one)]
    else:
        hydra = to.mapping().get("hydra") or data
        sweeper = hydra.get("sweeper") or hydra
        pairs = sweeper.get("params") or {}
        for one in data.get("defaults") or []:
            chosen.update(one if isinstance(one, dict) else {})
    target = str(sweeper.get("_target_") or chosen.get("override hydra/sweeper", "basic_sweeper"))
    optimizes = "basic" not in target.lower() or "n_trials" in sweeper
    to.document["method"] = "grid"
    if optimizes:
        sampler = sweeper.get("sampler") or {}
        group = str(chosen.get("override hydra/sweeper/sampler", "tpe"))
        group = {"tpe": "TPESampler"}.get(group, f"{group.capitalize()}Sampler")
        name = str(sampler.get("_target_", group)).rpartition(".")[2]
        to.document["method"] = _SAMPLERS.get(name, "bayes")
        if name not in _SAMPLERS:
            to.notes.append(f"sampler: {name} becomes method: bayes")
        if "optuna" not in target and "n_trials" not in sweeper:
            to.notes.append(f"sweeper: {target} becomes method: {to.document['method']}")
        if isinstance(sweeper.get("direction"), list):
            to.refused.append(f"direction: {sweeper['direction']}: several objectives")
        to.aim("objective", sweeper.get("direction") == "maximize")
        to.notes.append("metric: report what the function returns: sweeper.report(objective=…)")
        to.take(sweeper, {"n_trials": "run_cap", "n_jobs": "parallel"})
        if "optuna" in target:
            to.document.setdefault("run_cap", 20)  # its default
        if sampler.get("seed") is not None:
            to.document["seed"] = sampler["seed"]
        to.leave(sweeper, _KNOWN, "sweeper.")
    to.document["command"] = ["${interpreter}", "${program}", "${args_no_hyphens}"]
    to.notes.append("program: name the file that has @hydra.main")
    for name, value in pairs.items():
        _parameter(to, name, value, optimizes)


def _parameter(to: Converting, name: str, value: Any, optimizes: bool) -> None:
    if name.startswith("~"):
        to.refused.append(f"{name}: takes something away")
    if not isinstance(value, str):
        value = str(value).lower() if isinstance(value, bool) else str(value)  # as Hydra reads it
    shown, tags, whole = value, [], False
    while (call := _CALL.match(value.strip())) and call[1] in ("tag", "int"):
        *before, value = _parts(call[2])
        tags += before
        whole = whole or call[1] == "int"
    parts = _parts(call[2]) if call else _parts(value)
    given = [_value(part) for part in parts]
    if any(one is None or isinstance(one, dict) for one in given):
        to.refused.append(f"{name}: {shown}: null and dicts are other arguments here")
    kind = call[1] if call else "choice" if len(parts) > 1 else "constant"
    if kind == "constant" and not whole:
        to.put([name], {"value": given[0]})
    elif kind == "choice" and not whole:
        to.put([name], {"values": given})
    elif kind == "range" and all(isinstance(one, (int, float)) for one in given) and not whole:
        start, stop, step = [[0, *given, 1], [*given, 1], given][min(len(given), 3) - 1]
        to.put([name], {"values": steps(start, stop, step, last=False)})
        if optimizes:
            to.notes.append(f"{name}: {shown} is taken without its stop; Optuna's sweeper has it")
    elif kind == "interval" and len(given) == 2 and set(tags) <= {"log"} and not (whole and tags):
        if whole:
            to.put([name], {"distribution": "int_uniform", "min": given[0], "max": given[1]})
            to.notes.append(f"{name}: {shown} is taken with both ends, as Optuna's sweeper has it")
        else:
            ends = [float(one) for one in given]
            to.draw([name], "loguniform" if tags else "uniform", ends)
        if not optimizes:
            to.document["method"] = "random"
    else:
        to.refused.append(f"{name}: {shown}")


def _value(text: str) -> Any:
    """A value; a text keeps the quotes without which Hydra would read another one."""
    value = parse(text, "").data
    quoted = isinstance(value, str) and text[:1] in ("'", '"')
    plain = quoted and _WORD.fullmatch(value) and isinstance(parse(value, "").data, str)
    return text if quoted and not plain else value


def _parts(text: str) -> list[str]:
    """What the commas of the outermost level part."""
    parts, deep, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        elif letter in "([{":
            deep += 1
        elif letter in ")]}":
            deep -= 1
        if letter == "," and not deep and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
