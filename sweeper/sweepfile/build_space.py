"""From ``parameters``, ``base``, ``trials``, ``zip`` and conditions to a search space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.space import (
    Axis,
    Expression,
    ExpressionError,
    Parameter,
    Space,
    columns_of,
    count_of,
    encode,
    get,
    has,
    merge,
    put,
    value_key,
)
from sweeper.wording import describe, nearest, one_of

from .keys import is_there
from .parameters import dotted_names, find_place, parse_parameters
from .problems import Problems
from .yaml12.document import KeyPath

Path = tuple[str, ...]


def build_space(
    problems: Problems,
    data: dict[str, Any],
    method: str | None,
    base: dict[str, Any] | None,
    trials: Sequence[Any] | None,
) -> tuple[Space | None, dict[str, Any], list[str], set[str]]:
    """The space, an example parameter dict, the top-level keys that vary, and those that some
    trials do not have.

    Complaints go to ``problems``; the space is None if it cannot be built.
    """
    before = len(problems.found)
    parameters: list[Parameter] = []
    if "parameters" in data:
        parameters = parse_parameters(problems, data["parameters"], base, method)
    elif (
        trials is None
        and "base" not in data
        and method != "list"
        and not is_there(data, "parameters")
    ):
        problems.add(
            (),
            "`parameters` is missing: there is nothing to try",
            "add `parameters:`, for example  lr: {min: 0.001, max: 0.1}",
        )
    listed = _listed(problems, trials, base) if trials is not None else None
    if method == "list" or listed is not None:
        for parameter in parameters:
            if parameter.conditions:
                problems.add(
                    (*parameter.key, "when"),
                    "`when` has no meaning in `method: list`",
                    "leave the parameter out of the trials that should not have it",
                )
            if parameter.varies:
                problems.add(
                    parameter.key,
                    f"`{parameter.name}` varies, but `method: list` takes its trials from `trials`",
                    "keep it constant with `value:`, or put its values into `trials`",
                    on_key=True,
                )
    example = _example(base, parameters, listed or ())
    varying = {parameter.path[0] for parameter in parameters if parameter.varies}
    if listed is not None and len(problems.found) == before:
        listed, differing = _different(problems, listed, base, parameters)
        varying |= differing
    conditional = {parameter.path[0] for parameter in parameters if 1 in parameter.depths}
    conditional -= set(base or ())
    known = _known(example, parameters, problems.broken)
    for path in problems.broken.values():
        if not has(example, path):
            put(example, path, None)
    axes = _axes(problems, data.get("zip"), parameters, method)
    keys: dict[str, KeyPath] = {}
    conditions = _conditions(problems, parameters, known, keys)
    constraints = _constraints(problems, data.get("constraints"), known, keys)
    good = len(problems.found) == before
    if not good and listed is not None:
        return None, example, sorted(varying), conditional
    if not good:  # the conditions that could be read are judged all the same
        depths = {parameter.path: len(parameter.depths) for parameter in parameters}
        conditions = {path: one for path, one in conditions.items() if len(one) == depths[path]}
    space = Space(
        parameters=tuple(parameters),
        axes=tuple(axes),
        base=base or {},
        conditions=conditions,
        constraints=tuple(constraints),
        listed=None if listed is None else tuple(listed),
        grid=method != "random",
    )
    if conditions or constraints:
        from .conditions import refuse_the_impossible

        refuse_the_impossible(problems, space, keys)
    return space if good else None, example, sorted(varying), conditional


def _listed(
    problems: Problems, trials: Sequence[Any], base: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The dicts of ``trials``; with a base, dotted names are addresses in it."""
    listed: list[dict[str, Any]] = []
    for index, trial in enumerate(trials):
        key: KeyPath = ("trials", index)
        if not isinstance(trial, dict):
            problems.expected(key, "a parameter dict", trial)
            continue
        params: dict[str, Any] = {}
        for name, value in trial.items():
            path: Path | None = (name,)
            if base is not None and "." in name and name not in base:
                path = find_place(base, name)
            if path is None:
                close = nearest(name, dotted_names(base or {}), 3)
                mend = f"the nearest names are {one_of(close)}" if close else ""
                problems.add((*key, name), f"`{name}` is no place in `base`", mend, on_key=True)
                continue
            put(params, path, value)
        listed.append(params)
    return listed


def _different(
    problems: Problems,
    listed: Sequence[dict[str, Any]],
    base: Mapping[str, Any] | None,
    parameters: Sequence[Parameter],
) -> tuple[list[dict[str, Any]], set[str]]:
    """The rows that give different dicts, and the top-level keys in which those differ."""
    around = _example(base, parameters, ())
    kept: dict[str, dict[str, Any]] = {}
    seen: dict[str, str] = {}
    counts: dict[str, int] = {}
    differing: set[str] = set()
    for row in listed:
        texts = {key: _row_key(value) for key, value in merge(around, row).items()}
        kept.setdefault(encode(texts), row)
        for key, text in texts.items():
            counts[key] = counts.get(key, 0) + 1
            if seen.setdefault(key, text) != text:
                differing.add(key)
    differing |= {key for key, count in counts.items() if count < len(listed)}
    fewer = len(listed) - len(kept)
    if fewer:
        rows = "1 row equals an earlier one and is" if fewer == 1 else f"{fewer} rows equal earlier"
        rows += "" if fewer == 1 else " ones and are"
        problems.warn(("trials",), f"{rows} left out: `repeats` runs each several times")
    return list(kept.values()), differing


def _row_key(value: Any) -> str:
    if isinstance(value, dict):
        return encode({key: _row_key(item) for key, item in value.items()})
    return value_key(value)


def _example(
    base: Mapping[str, Any] | None,
    parameters: Sequence[Parameter],
    listed: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """A parameter dict with every key that a trial may have."""
    from copy import deepcopy

    example: dict[str, Any] = deepcopy(dict(base or {}))
    for parameter in parameters:
        of = parameter.distribution
        value = of.value if of.is_constant else of.values[0] if of.values else of.ppf(0.5)
        put(example, parameter.path, deepcopy(value))
    for trial in listed:
        example = merge(example, trial)
    return example


def _known(
    example: Mapping[str, Any], parameters: Sequence[Parameter], broken: Mapping[str, Path]
) -> dict[str, Path]:
    """What expressions may name: dotted name → path."""
    known: dict[str, Path] = {}

    def add(tree: Mapping[str, Any], path: Path, name: str) -> None:
        for key, value in tree.items():
            known.setdefault(name + key, (*path, key))
            if isinstance(value, Mapping):
                add(value, (*path, key), f"{name}{key}.")

    known.update(broken)
    for parameter in parameters:
        known[parameter.name] = parameter.path
    add(example, (), "")
    for parameter in parameters:
        for value in parameter.distribution.values:
            if isinstance(value, dict):
                add(value, parameter.path, f"{parameter.name}.")
    return known


def _axes(
    problems: Problems, raw: Any, parameters: Sequence[Parameter], method: str | None
) -> list[Axis]:
    """The axes in grid order: those that walk together stand where their first name would."""
    moving = [p for p in parameters if p.varies or p.conditions]
    moving.sort(key=lambda parameter: parameter.order)
    groups = _zipped(problems, raw, parameters, method)
    by_path = {parameter.path: group for group in groups for parameter in group}
    axes: list[Axis] = []
    done: set[Path] = set()
    for parameter in moving:
        if parameter.path in done:
            continue
        group = by_path.get(parameter.path, (parameter,))
        done.update(member.path for member in group)
        axes.append(Axis(tuple(group)))
    return axes


def _zipped(
    problems: Problems, raw: Any, parameters: Sequence[Parameter], method: str | None
) -> list[tuple[Parameter, ...]]:
    if raw is None:
        return []
    key: KeyPath = ("zip",)
    example = "for example `zip: [[model.conv_0, model.conv_1]]`"
    if isinstance(raw, list) and raw and all(isinstance(name, str) for name in raw):
        problems.expected(
            key, "a list of lists of names", raw, f"write `zip: [[{', '.join(raw)}]]`"
        )
        return []
    if not isinstance(raw, list):
        problems.expected(key, "a list of lists of names", raw, example)
        return []
    by_name = {parameter.name: parameter for parameter in parameters}
    groups: list[tuple[Parameter, ...]] = []
    used: set[str] = set()
    for index, names in enumerate(raw):
        if not isinstance(names, list):
            problems.expected((*key, index), "a list of names", names, example)
            continue
        group: list[Parameter] = []
        for place, name in enumerate(names):
            at = (*key, index, place)
            if isinstance(name, str) and problems.is_broken(name):
                continue
            if not isinstance(name, str) or name not in by_name:
                close = nearest(str(name), by_name, 3)
                mend = f"did you mean {one_of(close)}?" if close else example
                problems.expected(at, "the name of a parameter", name, mend)
            elif name in used:
                problems.add(at, f"`{name}` walks already", "name each parameter once in `zip`")
            elif not by_name[name].varies:
                problems.add(at, f"`{name}` is constant and cannot walk", "give it `values: [...]`")
            elif not _can_walk(by_name[name]):
                problems.add(
                    at,
                    f"`{name}` has no list of values to walk along",
                    "give it `values: [...]` (without probabilities)",
                )
            else:
                used.add(name)
                group.append(by_name[name])
        if len(names) < 2:
            problems.expected((*key, index), "at least two names", names)
        lengths = {parameter.name: count_of(columns_of(parameter)) for parameter in group}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            problems.add(
                (*key, index),
                f"expected the same number of values, but {counts}",
                "parameters that walk together need one value each for every step",
            )
        if len(group) > 1:
            groups.append(tuple(group))
    return groups


def _can_walk(parameter: Parameter) -> bool:
    of = parameter.distribution
    if of.kind not in ("categorical", "int_uniform", "q_uniform"):
        return False
    return count_of(columns_of(parameter)) <= 1_000_000


def parse_expression(
    problems: Problems, text: str, key: KeyPath, known: Mapping[str, Path]
) -> Expression | None:
    """An expression of the file, or a complaint with a caret under the place inside it."""
    try:
        return Expression.parse(text, known)
    except ExpressionError as error:
        if error.is_unknown and problems.base_is_unread:
            return None  # who knows
        message = f"{error} in `{text}`" if len(text) < 80 else str(error)
        problems.add_inside(key, text, error.column, message, error.mend)
        return None


def _conditions(
    problems: Problems,
    parameters: Sequence[Parameter],
    known: Mapping[str, Path],
    keys: dict[str, KeyPath],
) -> dict[Path, tuple[Expression, ...]]:
    """Each conditional parameter's expressions, those first on which others depend."""
    found: dict[Path, tuple[Expression, ...]] = {}
    parsed: dict[str, Expression | None] = {}
    for parameter in parameters:
        expressions: list[Expression] = []
        for text in parameter.conditions:
            if text not in parsed:
                keys[text] = _when_key(parameter, text, problems)
                parsed[text] = parse_expression(problems, text, keys[text], known)
            expression = parsed[text]
            if expression is not None:
                expressions.append(expression)
        if expressions:
            found[parameter.path] = tuple(expressions)
    return _ordered(problems, parameters, found)


def _when_key(parameter: Parameter, text: str, problems: Problems) -> KeyPath:
    """Where the condition stands: at the parameter or at one of its groups."""
    for length in range(len(parameter.key), 0, -1):
        place = (*parameter.key[:length], "when")
        if problems.holds(place, text):
            return place
    return (*parameter.key, "when")


def _ordered(
    problems: Problems, parameters: Sequence[Parameter], found: dict[Path, tuple[Expression, ...]]
) -> dict[Path, tuple[Expression, ...]]:
    by_path = {parameter.path: parameter for parameter in parameters}
    ordered: dict[Path, tuple[Expression, ...]] = {}
    trail: list[Path] = []

    def needs(path: Path) -> Iterator[Path]:
        for expression in found[path]:
            for name in expression.names:
                for other in found:
                    shorter = min(len(other), len(name))
                    if other[:shorter] == name[:shorter]:
                        yield other

    def visit(path: Path) -> None:
        if path in ordered:
            return
        if path in trail:
            circle = [".".join(step) for step in (*trail[trail.index(path) :], path)]
            text = " → ".join(f"`{step}`" for step in circle)
            message = "a condition on itself" if len(circle) == 2 else "conditions in a circle"
            problems.add(
                (*by_path[path].key, "when"),
                f"{message}: {text}",
                "a condition may only look at others",
            )
            ordered[path] = found[path]
            return
        trail.append(path)
        for other in dict.fromkeys(needs(path)):
            visit(other)
        trail.pop()
        ordered.setdefault(path, found[path])

    for path in found:
        visit(path)
    return ordered


def _constraints(
    problems: Problems, raw: Any, known: Mapping[str, Path], keys: dict[str, KeyPath]
) -> list[Expression]:
    if raw is None:
        return []
    key: KeyPath = ("constraints",)
    if not isinstance(raw, list):
        mend = f'write `constraints: ["{raw}"]`' if isinstance(raw, str) else ""
        problems.expected(key, "a list of conditions", raw, mend)
        return []
    found: list[Expression] = []
    for index, text in enumerate(raw):
        if not isinstance(text, str) or not text.strip():
            problems.expected(
                (*key, index), "a condition", text, 'for example  "model.a >= model.b"'
            )
            continue
        keys[text] = (*key, index)
        expression = parse_expression(problems, text, (*key, index), known)
        if expression is not None:
            found.append(expression)
    return found


__all__ = ["build_space", "describe", "get", "has", "parse_expression"]
