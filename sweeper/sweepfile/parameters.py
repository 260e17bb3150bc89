"""The ``parameters:`` of a sweep file: W&B's forms, validated, as a flat list of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.space import GRID_KINDS, Distribution, Parameter
from sweeper.wording import nearest, one_of

from .bounds import warn_of_clipping
from .parameter_entry import parse_parameter
from .problems import Problems
from .yaml12.document import KeyPath

_NUMBER = re.compile("[0-9]+")


def parse_parameters(
    problems: Problems, raw: Any, base: Mapping[str, Any] | None, method: str | None
) -> list[Parameter]:
    """Every parameter of ``raw`` in written order; complaints go to ``problems``."""
    key: KeyPath = ("parameters",)
    if raw == {} and any(problem.key == "parameters" for problem in problems.found):
        return []  # its names were refused
    if not isinstance(raw, dict) or not raw:
        problems.expected(
            key, "at least one parameter", raw, "for example  lr: {min: 0.001, max: 0.1}"
        )
        return []
    found: list[Parameter] = []
    for parameter in _walk(problems, raw, key, (), (), base, method):
        clash = next((other for other in found if _clash(parameter.path, other.path)), None)
        if clash is not None:
            problems.add(
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
    problems: Problems,
    raw: Mapping[str, Any],
    key: KeyPath,
    prefix: tuple[str, ...],
    conditions: tuple[tuple[str, int], ...],
    base: Mapping[str, Any] | None,
    method: str | None,
) -> Iterator[Parameter]:
    for name, body in raw.items():
        here = (*key, name)
        if not name:
            problems.add(here, "expected a name, found an empty one", on_key=True)
            continue
        _warn_of_near_names(problems, here, prefix, name, base)
        inner = body.get("parameters") if isinstance(body, dict) else None
        if isinstance(body, dict) and "parameters" in body:
            others = [other for other in body if other not in ("parameters", "when")]
            if others:
                problems.broken[".".join((*prefix, name))] = (*prefix, name)
                problems.add(
                    (*here, others[0]),
                    f"`{others[0]}` cannot stand beside `parameters`",
                    "a group holds `parameters:` (and `when:`) alone",
                    on_key=True,
                )
            elif not isinstance(inner, dict) or not inner:
                problems.broken[".".join((*prefix, name))] = (*prefix, name)
                problems.expected((*here, "parameters"), "at least one parameter", inner)
            else:
                yield from _walk(
                    problems,
                    inner,
                    (*here, "parameters"),
                    (*prefix, name),
                    conditions + _condition(problems, body, here, len(prefix) + 1),
                    base,
                    method,
                )
            continue
        distribution = parse_parameter(problems, body, here)
        if distribution is None:
            problems.broken[".".join((*prefix, name))] = (*prefix, name)
            continue
        if method == "grid" and distribution.kind not in GRID_KINDS:
            _refuse_in_grid(problems, here, name, distribution)
        if method != "grid":
            warn_of_clipping(problems, distribution, here)
        path = _address(problems, here, prefix, name, base)
        depth = len(path or ())
        if path is None:
            problems.broken[".".join((*prefix, name))] = (*prefix, name)
        own = _condition(problems, body, here, depth) if isinstance(body, dict) else ()
        if path is not None:
            every = conditions + own
            yield Parameter(
                path,
                ".".join((*prefix, name)),
                (*prefix, name),
                distribution,
                tuple(text for text, _ in every),
                tuple(depth for _, depth in every),
                here,
            )


def _refuse_in_grid(
    problems: Problems, key: KeyPath, name: str, distribution: Distribution
) -> None:
    at = (*key, "probabilities" if distribution.probabilities else "distribution")
    problems.add(
        at,
        f"a grid cannot walk {distribution.kind}: `{name}` has no list of values"
        if not distribution.probabilities
        else f"a grid has no use for the probabilities of `{name}`",
        "give `values: [...]`, or use `method: random`",
        on_key=True,
    )


def _condition(
    problems: Problems, body: Mapping[str, Any], key: KeyPath, depth: int
) -> tuple[tuple[str, int], ...]:
    """The ``when`` of a parameter or group, and the length of the path that it governs."""
    if "when" not in body:
        return ()
    condition = body["when"]
    if isinstance(condition, str) and condition.strip():
        return ((condition, depth),)
    problems.expected(
        (*key, "when"), "a condition", condition, "for example  when: \"optimizer == 'sgd'\""
    )
    return ()


def _address(
    problems: Problems,
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
    problems.add(
        key,
        f"`{'.'.join((*prefix, name))}` is no place in `base`",
        f"the nearest names are {one_of(close)}" if close else _known(known),
        on_key=True,
    )
    return None


def _warn_of_near_names(
    problems: Problems,
    key: KeyPath,
    prefix: tuple[str, ...],
    name: str,
    base: Mapping[str, Any] | None,
) -> None:
    """Say so where a name that ``base`` does not have looks like one that it has.

    A number makes a name of its own: ``conv_2`` beside ``conv_1``.
    """
    level: Any = base
    for part in prefix:
        level = level.get(part) if isinstance(level, Mapping) else None
    if not isinstance(level, Mapping) or name in level or "." in name:
        return
    close = nearest(name, level)
    if not close or _NUMBER.findall(close[0]) != _NUMBER.findall(name):
        return
    full, near = ".".join((*prefix, name)), ".".join((*prefix, close[0]))
    problems.warn(key, f"`{full}` is not in `base` and is added to it: did you mean `{near}`?")


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
