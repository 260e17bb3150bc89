"""What stands after a parameter's name: W&B's forms and distributions, validated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sweeper.space import INFERRED_KINDS, KINDS, VALUE_KINDS, Distribution
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.rules import is_number
from sweeper.sweepfile.yaml12 import KeyPath
from sweeper.wording import all_of, did_you_mean, one_of

from .bounds import check_bounds
from .parameter_keys import NUMBERS, PARAMETER_KEYS, PROBABILITY, rule_of

# What other tools call these keys.
_SYNONYMS = {
    "step": "q",
    "mean": "mu",
    "std": "sigma",
    "stddev": "sigma",
    "scale": "sigma",
    "low": "min",
    "lower": "min",
    "high": "max",
    "upper": "max",
    "choices": "values",
    "options": "values",
    "list": "values",
    "type": "distribution",
    "dist": "distribution",
    "default": "value",
    "weights": "probabilities",
    "condition": "when",
    "if": "when",
}


def parse_parameter(problems: Problems, body: Any, key: KeyPath) -> Distribution | None:
    """What stands after a parameter's name; None (and a complaint) if it makes no sense."""
    if isinstance(body, list):
        text = "[...]" if len(str(body)) > 40 else str(body)
        problems.expected(
            key,
            "a parameter",
            body,
            f"write `values: {text}` to try each, `value: {text}` to keep it",
        )
        return None
    if body is None:
        problems.expected(key, "a parameter", body, "write `value: null` if null is meant")
        return None
    if not isinstance(body, dict):
        problems.warn_of_python_words(key, body)
        return Distribution("constant", value=body)
    if not body:
        problems.expected(
            key, f"one of {one_of(PARAMETER_KEYS[:8])}", body, "for a group: `parameters:`"
        )
        return None
    unknown = [name for name in body if name not in PARAMETER_KEYS]
    if unknown:
        _unknown_keys(problems, body, key, unknown)
        return None
    kind = _kind(problems, body, key)
    if kind is None or not _only_known(problems, body, key, kind):
        return None
    found = _typed(problems, body, key, kind)
    if found is not None:
        problems.warn_of_python_words(key, [found.values, found.value])
    return found


def _unknown_keys(
    problems: Problems, body: Mapping[str, Any], key: KeyPath, unknown: list[str]
) -> None:
    if len(unknown) == len(body):
        hint = _hint(unknown[0])
        problems.add(
            (*key, unknown[0]),
            f"unknown key `{unknown[0]}`: `{key[-1]}` is neither a parameter nor a group",
            hint
            or "nest parameters below `parameters:`, or keep a mapping whole with `value: {...}`",
            on_key=True,
        )
        return
    for name in unknown:
        problems.add(
            (*key, name),
            f"unknown key `{name}`: expected {one_of(PARAMETER_KEYS)}",
            _rest_of_when(body, name)
            or _hint(name)
            or "keep a mapping whole with `value: {...}`, or nest it in `parameters:`",
            on_key=True,
        )


def _rest_of_when(body: Mapping[str, Any], name: str) -> str:
    """The mend where a comma has cut an expression without quotes: ``when: a in (1, 2)``."""
    when = body.get("when")
    if body[name] is None and isinstance(when, str) and when.count("(") > when.count(")"):
        return f'quote the whole expression: "{when}, {name}"'
    return ""


def _hint(name: str) -> str:
    if name.lower() in _SYNONYMS:
        return f"did you mean `{_SYNONYMS[name.lower()]}`?"
    if name.lower() == "log":
        return "write `distribution: log_uniform_values`"
    return did_you_mean(name, PARAMETER_KEYS)


def _kind(problems: Problems, body: Mapping[str, Any], key: KeyPath) -> str | None:
    if "distribution" in body:
        kind = body["distribution"]
        if isinstance(kind, str) and kind in KINDS:
            return kind
        hint = did_you_mean(kind.replace("-", "_"), KINDS) if isinstance(kind, str) else ""
        hint = hint or f"there are {all_of(KINDS)}"
        problems.expected((*key, "distribution"), "the name of a distribution", kind, hint)
        return None
    for kind in INFERRED_KINDS:
        if all(name in body for name in KINDS[kind].required) and (
            kind != "int_uniform" or _counts(body)
        ):
            return kind
    for one, other in (("min", "max"), ("max", "min")):
        if one in body:
            problems.add(key, f"`{one}` without `{other}`", f"add `{other}:`", on_key=True)
            return None
    problems.add(
        key,
        f"expected `value`, `values`, `min` and `max`, or `distribution`, found {one_of(body)}",
        "name the `distribution`"
        if any(name in NUMBERS for name in body)
        else f"add `values:`{', one for each probability' * ('probabilities' in body)}",
        on_key=True,
    )
    return None


def _counts(body: Mapping[str, Any]) -> bool:
    """Whether a range without a ``distribution`` is one of whole numbers."""
    return "q" not in body and all(isinstance(body[end], int) for end in ("min", "max"))


def _only_known(problems: Problems, body: Mapping[str, Any], key: KeyPath, kind: str) -> bool:
    required, optional = KINDS[kind]
    allowed = (*required, *optional, "distribution", "when")
    good = True
    for name in body:
        if name in allowed:
            continue
        good = False
        mend = ""
        if kind == "categorical" and name == "probabilities":
            mend = "remove `distribution: categorical`"
        elif name == "q" and f"q_{kind}" in KINDS:
            mend = f"write `distribution: q_{kind}` to round to multiples of q"
        elif name == "q":
            mend = "write `distribution: q_uniform` to round to multiples of q"
        elif name in ("min", "max") and "normal" in kind:
            mend = "a normal distribution has `mu` and `sigma` and no bounds"
        elif name in ("value", "values"):
            mend = f"keep one of `{name}` and {one_of(f'`{k}`' for k in body if k != name)}"
            if "distribution" in body:
                mend = f"remove `distribution: {kind}` to have these values, or give its numbers"
        if not mend and kind in VALUE_KINDS:
            keep = "`value`" if kind == "constant" else "`values`"
            mend = f"remove it, or give a range without {keep}"
        problems.add(
            (*key, name), f"`{name}` has no meaning in {_kind_words(body, kind)}", mend, on_key=True
        )
    missing = [f"`{name}`" for name in required if name not in body]
    if missing and good:
        good = False
        needs = " and ".join(missing)
        problems.add(key, f"{_kind_words(body, kind)} needs {needs}", f"add {needs}", on_key=True)
    return good


def _kind_words(body: Mapping[str, Any], kind: str) -> str:
    if "distribution" in body:
        return f"`distribution: {kind}`"
    return {"constant": "a parameter with `value`", "categorical": "a parameter with `values`"}.get(
        kind, f"a parameter that is {kind}"
    )


def _typed(
    problems: Problems, body: Mapping[str, Any], key: KeyPath, kind: str
) -> Distribution | None:
    if kind == "constant":
        return Distribution(kind, value=body["value"])
    if kind in VALUE_KINDS:
        return _categorical(problems, body, key, kind)
    required, optional = KINDS[kind]
    numbers: dict[str, Any] = {**optional}
    good = True
    for name in (*required, *optional):
        if name not in body:
            continue
        value = body[name]
        if not is_number(value):
            good = False
            is_quoted = isinstance(value, str) and _looks_like_number(value)
            mend = f"remove the quotes: {name}: {value}" if is_quoted else ""
            problems.expected((*key, name), "a number", value, mend)
        elif kind == "int_uniform" and not isinstance(value, int):
            good = False
            mend = "use `distribution: uniform` for real numbers"
            if value.is_integer():
                mend = f"write {int(value)}, or {mend}"
            what = f"{rule_of(kind, name).words} for {kind}"
            problems.expected((*key, name), what, value, mend)
        numbers[name] = value
    if not good:
        return None
    distribution = Distribution(kind, **numbers)
    return distribution if check_bounds(problems, distribution, key) else None


def _looks_like_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _categorical(
    problems: Problems, body: Mapping[str, Any], key: KeyPath, kind: str
) -> Distribution | None:
    values = body["values"]
    mend = "list the values to try, or remove the parameter"
    if isinstance(values, dict):
        items = ", ".join(map(str, values.values()))
        mend = "keep a mapping whole with `value: {...}`"
        if items and len(items) <= 40:
            mend = f"write `values: [{items}]`, or {mend}"
    elif not isinstance(values, list):
        mend = f"write `values: [{values}]` or `value: {values}`"
    if not problems.items((*key, "values"), "a list of values", values, mend):
        return None
    if kind == "categorical":
        return Distribution(kind, values=tuple(values))
    weights = body["probabilities"]
    at = (*key, "probabilities")
    if not isinstance(weights, list) or not all(map(PROBABILITY.allows, weights)):
        mend = "one number for each of `values`, such as [0.75, 0.25]"
        problems.expected(at, "a list of numbers from 0 to 1", weights, mend)
        return None
    if len(weights) != len(values):
        more = len(values) - len(weights)
        problems.add(
            at,
            f"expected {len(values)} probabilities, one for each of `values`, found {len(weights)}",
            f"{'add' if more > 0 else 'remove'} {abs(more)} of them, so that they sum to 1",
        )
        return None
    total = math.fsum(weights)
    if abs(total - 1) > 1e-5:
        mend = "at least one must be above 0"
        if total > 0:
            shares = ", ".join(repr(weight / total) for weight in weights)
            mend = f"in these proportions they would be [{shares}]"
        problems.add(at, f"expected probabilities that sum to 1, found a sum of {total:.6g}", mend)
        return None
    return Distribution(kind, values=tuple(values), probabilities=tuple(map(float, weights)))
