"""The ``parameters:`` of a sweep file: W&B's forms, validated, as a flat list of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .distributions import BOUNDED, GRID_KINDS, KINDS, Distribution
from .report import Report, did_you_mean, nearest, one_of
from .yamlfile import KeyPath

BODY_KEYS = (
    "value",
    "values",
    "probabilities",
    "distribution",
    "min",
    "max",
    "q",
    "mu",
    "sigma",
    "a",
    "b",
    "parameters",
    "when",
)
_NUMBERS = ("min", "max", "q", "mu", "sigma", "a", "b")


@dataclass(frozen=True)
class Parameter:
    """One parameter: where its value goes in the parameter dict, and how it is distributed."""

    path: tuple[str, ...]
    name: str  # as written: the names of its levels, joined by dots
    order: tuple[str, ...]  # what grids sort by: the written name at each level
    distribution: Distribution
    conditions: tuple[str, ...] = ()  # the `when` of its groups and its own
    key: KeyPath = field(default=(), compare=False)  # its place in the sweep file

    @property
    def varies(self) -> bool:
        return not self.distribution.is_constant


def parse_parameters(
    report: Report, raw: Any, base: Mapping[str, Any] | None, method: str | None
) -> list[Parameter]:
    """Every parameter of ``raw`` in written order; complaints go to ``report``."""
    key: KeyPath = ("parameters",)
    if not isinstance(raw, dict) or not raw:
        report.expected(
            key, "at least one parameter", raw, "for example  lr: {min: 0.001, max: 0.1}"
        )
        return []
    found: list[Parameter] = []
    for parameter in _walk(report, raw, key, (), (), base, method):
        clash = next((other for other in found if _clash(parameter.path, other.path)), None)
        if clash is not None:
            report.add(
                parameter.key,
                f"`{parameter.name}` and `{clash.name}` are the same place of the parameter dict",
                "remove or rename one of the two",
                on_key=True,
            )
        found.append(parameter)
    return found


def _clash(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _walk(
    report: Report,
    raw: Mapping[str, Any],
    key: KeyPath,
    prefix: tuple[str, ...],
    conditions: tuple[str, ...],
    base: Mapping[str, Any] | None,
    method: str | None,
) -> Iterator[Parameter]:
    for name, body in raw.items():
        here = (*key, name)
        if not name:
            report.add(here, "expected a name, found an empty one", on_key=True)
            continue
        inner = body.get("parameters") if isinstance(body, dict) else None
        if isinstance(body, dict) and "parameters" in body:
            others = [other for other in body if other not in ("parameters", "when")]
            if others:
                report.add(
                    (*here, others[0]),
                    f"`{others[0]}` cannot stand beside `parameters`",
                    "a group holds `parameters:` (and `when:`) alone",
                    on_key=True,
                )
            elif not isinstance(inner, dict) or not inner:
                report.expected((*here, "parameters"), "at least one parameter", inner)
            else:
                yield from _walk(
                    report,
                    inner,
                    (*here, "parameters"),
                    (*prefix, name),
                    conditions + _condition(report, body, here),
                    base,
                    method,
                )
            continue
        distribution = parse_body(report, body, here)
        if distribution is None:
            continue
        if method == "grid" and distribution.kind not in GRID_KINDS:
            _refuse_in_grid(report, here, name, distribution)
        own = _condition(report, body, here) if isinstance(body, dict) else ()
        path = _address(report, here, prefix, name, base)
        if path is not None:
            yield Parameter(
                path,
                ".".join((*prefix, name)),
                (*prefix, name),
                distribution,
                conditions + own,
                here,
            )


def _refuse_in_grid(report: Report, key: KeyPath, name: str, distribution: Distribution) -> None:
    at = (*key, "probabilities" if distribution.probabilities else "distribution")
    report.add(
        at,
        f"a grid cannot walk {distribution.kind}: `{name}` has no list of values"
        if not distribution.probabilities
        else f"a grid has no use for the probabilities of `{name}`",
        "give `values: [...]`, or use `method: random`",
        on_key=True,
    )


def _condition(report: Report, body: Mapping[str, Any], key: KeyPath) -> tuple[str, ...]:
    if "when" not in body:
        return ()
    condition = body["when"]
    if isinstance(condition, str) and condition.strip():
        return (condition,)
    report.expected(
        (*key, "when"), "a condition", condition, "for example  when: \"optimizer == 'sgd'\""
    )
    return ()


def _address(
    report: Report,
    key: KeyPath,
    prefix: tuple[str, ...],
    name: str,
    base: Mapping[str, Any] | None,
) -> tuple[str, ...] | None:
    """Where the parameter's value goes: a dotted name is an address in ``base``, if there is
    one.
    """
    if base is None or "." not in name:
        return (*prefix, name)
    level: Any = base
    for part in prefix:
        level = level.get(part) if isinstance(level, Mapping) else None
    place = find_place(level, name) if isinstance(level, Mapping) else None
    if place is not None:
        return (*prefix, *place)
    known = list(dotted_names(level)) if isinstance(level, Mapping) else []
    close = nearest(name, known, 3)
    report.add(
        key,
        f"`{'.'.join((*prefix, name))}` is no place in `base`",
        f"the nearest names are {one_of(close)}" if close else _known(known),
        on_key=True,
    )
    return None


def _known(names: list[str]) -> str:
    return f"`base` holds {one_of(names[:8])}" if names else "`base` holds nothing there"


def find_place(tree: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """The path of the dotted ``name`` in ``tree``, whose keys may hold dots themselves."""
    if name in tree:
        return (name,)
    for key, value in tree.items():
        if name.startswith(f"{key}.") and isinstance(value, Mapping):
            rest = find_place(value, name[len(key) + 1 :])
            if rest is not None:
                return (key, *rest)
    return None


def dotted_names(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every address in ``tree``, groups too."""
    for key, value in tree.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from dotted_names(value, f"{prefix}{key}.")


def parse_body(report: Report, body: Any, key: KeyPath) -> Distribution | None:
    """What stands after a parameter's name; None (and a complaint) if it makes no sense."""
    if isinstance(body, list):
        text = "[...]" if len(str(body)) > 40 else str(body)
        report.expected(
            key,
            "a parameter",
            body,
            f"write `values: {text}` to try each, `value: {text}` to keep it",
        )
        return None
    if body is None:
        report.expected(key, "a parameter", body, "write `value: null` if null is meant")
        return None
    if not isinstance(body, dict):
        return Distribution("constant", value=body)
    if not body:
        report.expected(key, f"one of {one_of(BODY_KEYS[:8])}", body, "for a group: `parameters:`")
        return None
    unknown = [name for name in body if name not in BODY_KEYS]
    if unknown:
        _unknown_keys(report, body, key, unknown)
        return None
    kind = _kind(report, body, key)
    if kind is None or not _only_known(report, body, key, kind):
        return None
    return _typed(report, body, key, kind)


def _unknown_keys(
    report: Report, body: Mapping[str, Any], key: KeyPath, unknown: list[str]
) -> None:
    if len(unknown) == len(body):
        hint = did_you_mean(unknown[0], BODY_KEYS)
        report.add(
            (*key, unknown[0]),
            f"unknown key `{unknown[0]}`: `{key[-1]}` is neither a parameter nor a group",
            hint
            or "nest parameters below `parameters:`, or keep a mapping whole with `value: {...}`",
            on_key=True,
        )
        return
    for name in unknown:
        report.unknown((*key, name), BODY_KEYS)


def _kind(report: Report, body: Mapping[str, Any], key: KeyPath) -> str | None:
    if "distribution" in body:
        kind = body["distribution"]
        if isinstance(kind, str) and kind in KINDS:
            return kind
        hint = did_you_mean(kind.replace("-", "_"), KINDS) if isinstance(kind, str) else ""
        report.expected((*key, "distribution"), f"one of {one_of(KINDS)}", kind, hint)
        return None
    if "value" in body:
        return "constant"
    if "values" in body:
        return "categorical_w_probabilities" if "probabilities" in body else "categorical"
    if "min" in body and "max" in body:
        whole = all(isinstance(body[end], int) for end in ("min", "max"))
        return "int_uniform" if whole and "q" not in body else "uniform"
    for one, other in (("min", "max"), ("max", "min")):
        if one in body:
            report.add(key, f"`{one}` without `{other}`", f"add `{other}:`", on_key=True)
            return None
    report.add(
        key,
        f"expected `value`, `values`, `min` and `max`, or `distribution`, found {one_of(body)}",
        "name the `distribution`" if any(name in _NUMBERS for name in body) else "",
        on_key=True,
    )
    return None


def _only_known(report: Report, body: Mapping[str, Any], key: KeyPath, kind: str) -> bool:
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
        report.add(
            (*key, name), f"`{name}` has no meaning in {_kind_words(body, kind)}", mend, on_key=True
        )
    for name in required:
        if name not in body:
            good = False
            report.add(
                key, f"{_kind_words(body, kind)} needs `{name}`", f"add `{name}:`", on_key=True
            )
    return good


def _kind_words(body: Mapping[str, Any], kind: str) -> str:
    if "distribution" in body:
        return f"`distribution: {kind}`"
    return {"constant": "a parameter with `value`", "categorical": "a parameter with `values`"}.get(
        kind, f"a parameter that is {kind}"
    )


def _typed(report: Report, body: Mapping[str, Any], key: KeyPath, kind: str) -> Distribution | None:
    if kind == "constant":
        return Distribution(kind, value=body["value"])
    if "values" in KINDS[kind][0]:
        return _categorical(report, body, key, kind)
    required, optional = KINDS[kind]
    numbers: dict[str, Any] = {**optional}
    good = True
    for name in (*required, *optional):
        if name not in body:
            continue
        value = body[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            good = False
            is_quoted = isinstance(value, str) and _looks_like_number(value)
            mend = f"remove the quotes: {name}: {value}" if is_quoted else ""
            report.expected((*key, name), "a number", value, mend)
        elif kind == "int_uniform" and not isinstance(value, int):
            good = False
            mend = "use `distribution: uniform` for real numbers"
            if value.is_integer():
                mend = f"write {int(value)}, or {mend}"
            report.expected((*key, name), "a whole number for int_uniform", value, mend)
        numbers[name] = value
    if not good:
        return None
    distribution = Distribution(kind, **numbers)
    return distribution if _sensible(report, distribution, key) else None


def _looks_like_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _categorical(
    report: Report, body: Mapping[str, Any], key: KeyPath, kind: str
) -> Distribution | None:
    values = body["values"]
    if not isinstance(values, list):
        mend = (
            "" if isinstance(values, dict) else f"write `values: [{values}]` or `value: {values}`"
        )
        report.expected((*key, "values"), "a list of values", values, mend)
        return None
    if not values:
        report.add((*key, "values"), "expected at least one value, found an empty list")
        return None
    if kind == "categorical":
        return Distribution(kind, values=tuple(values))
    weights = body["probabilities"]
    at = (*key, "probabilities")
    if not isinstance(weights, list) or not all(
        isinstance(weight, (int, float)) and not isinstance(weight, bool) and weight >= 0
        for weight in weights
    ):
        report.expected(at, "a list of numbers from 0 to 1", weights)
        return None
    if len(weights) != len(values):
        report.add(
            at,
            f"expected {len(values)} probabilities, one for each of `values`, found {len(weights)}",
        )
        return None
    total = math.fsum(weights)
    if abs(total - 1) > 1e-6:
        mend = ""
        if total > 0:
            shares = ", ".join(f"{weight / total:.4g}" for weight in weights[:8])
            mend = (
                f"in these proportions they would be [{shares}{', …' if len(weights) > 8 else ''}]"
            )
        report.add(at, f"expected probabilities that sum to 1, found a sum of {total:.6g}", mend)
        return None
    return Distribution(kind, values=tuple(values), probabilities=tuple(map(float, weights)))


def _sensible(report: Report, of: Distribution, key: KeyPath) -> bool:
    """Bounds and shapes that make a distribution."""
    kind = of.kind
    if kind in BOUNDED:
        if not of.min < of.max:
            swap = of.max < of.min
            report.add(
                (*key, "min"),
                f"expected min < max, found min {of.min!r} and max {of.max!r}",
                "swap the two" if swap else f"for one value write `value: {of.min!r}`",
            )
            return False
        if kind.endswith("_values") and of.min <= 0:
            mend = "a logarithm has no zero; use a small number, or `distribution: uniform`"
            report.expected((*key, "min"), "a number above 0", of.min, mend)
            return False
        if not _fits(of):
            real = kind + "_values"
            mend = f"min and max are exponents of e here; for the values themselves use `{real}`"
            report.add((*key, "max"), f"e to the power of {of.max!r} is no number", mend)
            return False
    for name in ("q", "a", "b"):
        if name in KINDS[kind][1] and getattr(of, name) <= 0:
            report.expected((*key, name), "a number above 0", getattr(of, name))
            return False
    if "sigma" in KINDS[kind][1] and of.sigma < 0:
        report.expected((*key, "sigma"), "a number of 0 or more", of.sigma)
        return False
    if of.has_no_value:
        report.add((*key, "q"), f"no multiple of {of.q!r} lies between {of.low_high}")
        return False
    if of.clips:
        report.warn(
            key,
            f"values are multiples of {of.q!r} from {of.low!r} to {of.high!r}: "
            "rounded ones that would leave the bounds are clipped (W&B lets them leave)",
        )
    if kind in ("log_uniform", "q_log_uniform", "inv_log_uniform"):
        _warn_of_exponents(report, of, key)
    return True


def _fits(of: Distribution) -> bool:
    try:
        low, high = of.bounds
    except OverflowError:
        return False
    return math.isfinite(low) and math.isfinite(high) and low < high


def _warn_of_exponents(report: Report, of: Distribution, key: KeyPath) -> None:
    looks_real = of.min >= 0 and (of.max <= 1 or of.max > 30)
    low, high = of.bounds
    report.warn(
        key,
        f"`{of.kind}` takes natural-log exponents: these bounds give values from {low:.4g} to "
        f"{high:.4g}"
        + (f". If {of.min!r} and {of.max!r} are the values themselves, " if looks_real else "; ")
        + ("use" if looks_real else "for bounds that are the values themselves there is")
        + f" `{of.kind}_values`",
    )
