"""Conditions that can never hold: found before launch where that can be decided.

What is listed is tried value by value; what is drawn from a range counts as an interval, and the
expression is worked out on intervals: false for all of them is false for ever.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from .assemble import get, has, put
from .axes import count_of
from .expressions import CALLS, COMPARE, LIKE_WITH_LIKE, Expression, Unfit, arithmetic, number
from .grammar import Node, Path
from .report import Report
from .space import Space
from .yamlfile import KeyPath

_MOST_COMBINATIONS = 20_000
_MOST_STEPS = 100_000
_DRAWS = 2_000


@dataclass(frozen=True)
class Interval:
    """Some number from ``low`` to ``high``, ends included."""

    low: float
    high: float


class _Unknown:
    """Any value: nothing can be said."""


UNKNOWN = _Unknown()
Names = Callable[[Path], Any]


def refuse_the_impossible(report: Report, space: Space, keys: Mapping[str, KeyPath]) -> None:
    """Complain about every ``when`` and constraint of ``space`` that no trial can satisfy.

    ``keys`` says where in the file the text of each expression stands.
    """
    conditional = {parameter.path for parameter in space.parameters if parameter.conditions}
    whens = dict.fromkeys(e for group in space.conditions.values() for e in group)
    for expression in whens:
        _refuse(report, space, expression, keys[expression.text])
    for constraint in space.constraints:
        # One that looks at a parameter with a condition does not apply where that is not active.
        sleeps = any(_overlap(name, path) for name in constraint.names for path in conditional)
        _refuse(report, space, constraint, keys[constraint.text], always=not sleeps)
    if report.problems or not space.constraints or _has_a_point(space):
        return
    if _is_empty(space):
        report.add(
            ("constraints",),
            "no point of the space satisfies all of them together",
            "each can hold alone: relax one of them",
        )
    elif not space.is_finite:
        report.warn(
            ("constraints",),
            f"none of {_DRAWS:,} random points satisfies all of them: there may be none at all",
        )


def _has_a_point(space: Space) -> bool:
    """Whether one of a few draws satisfies the constraints: no need to look further."""
    if space.listed is not None:
        return False
    random = Random(0)
    try:
        for _ in range(_DRAWS):
            if space.decode([random.random() or 0.5 for _ in space.axes]) is not None:
                return True
    except Unfit:
        return True  # the trial that it happens in will tell
    return False


def _is_empty(space: Space) -> bool | None:
    """Whether no point satisfies the constraints; None if that takes too long to find out."""
    if not space.is_finite:
        return None
    if space.listed is not None or space.raw_size <= _MOST_COMBINATIONS:
        return space.size() == 0
    from .pruning import Undecided, pruned

    try:
        for digits in pruned(space, _MOST_STEPS):
            if space.build(space.row(digits)) is not None:
                return False
    except (Undecided, Unfit):
        return None
    return True


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _refuse(
    report: Report, space: Space, expression: Expression, key: KeyPath, *, always: bool = True
) -> None:
    """Complain if the expression can never hold, or cannot be evaluated.

    One that does not ``always`` apply is let pass unless it fails for all that is listed: what
    makes it fail may never come together.
    """
    error: Unfit | None = None
    for result in outcomes(space, expression):
        if isinstance(result, Unfit):
            error = error or result
            if always:
                break
        elif result is not False or not always:
            return
    if error is not None:
        report.add(key, str(error), error.mend)
        return
    where = "; ".join(f"`{'.'.join(path)}` is {_range(space, path)}" for path in expression.names)
    report.add(key, f"`{expression.text}` can never hold", where)


def _range(space: Space, path: Path) -> str:
    """The values of one name in words."""
    for parameter in space.slots:
        if parameter.path == path:
            of = parameter.distribution
            choices = of.choices
            if choices is not None and count_of(choices) <= 12:
                return f"one of {list(choices)!r}"
            return f"between {of.low!r} and {of.high!r}"
    if space.listed is not None:
        values = [get(trial, path) for trial in space.listed if has(trial, path)]
        if values:
            return f"one of {values[:12]!r}"
    template = space.assembler.template
    return f"{get(template, path)!r}" if has(template, path) else "not always there"


def outcomes(space: Space, expression: Expression) -> Iterator[Any]:
    """What the expression can be: True, False or unknown, for every combination that is listed;
    an :class:`Unfit` where it cannot be evaluated.
    """
    if space.listed is not None:
        for params in space.walk_all():
            try:
                yield expression.holds(params, missing=False)
            except Unfit as error:
                yield error
        return
    touched = [space.axes[place] for place in sorted(space.touched(expression))]
    listed = [(axis, axis.listed(space.grid)) for axis in touched]
    finite = [(axis, values) for axis, values in listed if values is not None]
    intervals = {
        axis.parameters[0].path: _interval(axis.parameters[0].distribution)
        for axis, values in listed
        if values is None
    }
    if math.prod(count_of(values) for _, values in finite) > _MOST_COMBINATIONS:
        yield UNKNOWN
        return
    for combination in itertools.product(*[values for _, values in finite]):
        here: dict[str, Any] = _copied(space.assembler.template)
        for (axis, _), value in zip(finite, combination, strict=True):
            row = value if len(axis.parameters) > 1 else (value,)
            for parameter, one in zip(axis.parameters, row, strict=True):
                put(here, parameter.path, one)
        try:
            yield abstract(expression.tree, _names(here, intervals))
        except Unfit as error:
            yield expression.unfit(here, error)


def _copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return tree


def _interval(of: Any) -> Interval:
    low = -math.inf if of.low is None else of.low
    return Interval(low, math.inf if of.high is None else of.high)


def _names(here: Mapping[str, Any], intervals: Mapping[Path, Interval]) -> Names:
    def value(path: Path) -> Any:
        if path in intervals:
            return intervals[path]
        if any(_overlap(path, other) for other in intervals) or not has(here, path):
            return UNKNOWN
        return get(here, path)

    return value


def abstract(tree: Node, names: Names) -> Any:
    """The tree's value where names may be intervals or unknown."""
    kind, value = tree.kind, tree.value
    if kind == "literal":
        return value
    if kind == "name":
        return names(value)
    if kind in ("and", "or"):
        return _together(tree, names, stop=kind == "or")
    parts = [abstract(child, names) for child in tree.children]
    if kind == "list":
        return parts
    if kind == "not":
        return UNKNOWN if _vague(parts[0]) else not parts[0]
    if kind == "compare":
        results = [
            _compare(sign, left, right)
            for sign, left, right in zip(value, parts, parts[1:], strict=False)
        ]
        if any(result is False for result in results):
            return False
        return UNKNOWN if any(result is UNKNOWN for result in results) else True
    if kind == "minus":
        part = parts[0]
        if isinstance(part, Interval):
            return Interval(-part.high, -part.low)
        return UNKNOWN if part is UNKNOWN else -number(part)
    if kind == "arithmetic":
        return _arithmetic(value, *parts)
    return _call(value, parts)


def _vague(value: Any) -> bool:
    """Whether it stands for more than one value."""
    if isinstance(value, list):
        return any(_vague(item) for item in value)
    return value is UNKNOWN or isinstance(value, Interval)


def _together(tree: Node, names: Names, *, stop: bool) -> Any:
    """``and`` and ``or``, left to right; after something unknown, what fails counts as unknown."""
    vague = False
    for child in tree.children:
        try:
            result = abstract(child, names)
        except Unfit:
            if not vague:
                raise
            result = UNKNOWN
        if _vague(result):
            vague = True
        elif bool(result) is stop:
            return stop
    return UNKNOWN if vague else not stop


def _compare(sign: str, left: Any, right: Any) -> Any:
    if sign in ("in", "not in") and isinstance(right, list) and _vague([left, *right]):
        equal = [_compare("==", left, item) for item in right]
        found: Any = UNKNOWN if UNKNOWN in equal else False
        found = True if any(result is True for result in equal) else found
        return found if sign == "in" or found is UNKNOWN else not found
    if not _vague(left) and not _vague(right):
        return bool(COMPARE[sign](left, right))
    one, other = _as_interval(left), _as_interval(right)
    if one is None or other is None:
        if sign in ("==", "!=") and UNKNOWN not in (left, right) and not _vague_list(left, right):
            return sign == "!="  # a number is never text
        if sign in ("<", "<=", ">", ">=") and UNKNOWN not in (left, right):
            raise Unfit("a number is compared with something that is none", LIKE_WITH_LIKE)
        return UNKNOWN
    return _ordered(sign, one, other)


def _vague_list(left: Any, right: Any) -> bool:
    return any(isinstance(value, list) for value in (left, right))


def _as_interval(value: Any) -> Interval | None:
    if isinstance(value, Interval):
        return value
    return Interval(value, value) if isinstance(value, (int, float)) else None


def _ordered(sign: str, one: Interval, other: Interval) -> Any:
    if sign in ("==", "!="):
        apart = one.high < other.low or other.high < one.low
        return (sign == "!=") if apart else UNKNOWN
    if sign in (">", ">="):
        one, other = other, one
    if sign in ("<", ">"):
        return True if one.high < other.low else False if one.low >= other.high else UNKNOWN
    return True if one.high <= other.low else False if one.low > other.high else UNKNOWN


def _arithmetic(sign: str, left: Any, right: Any) -> Any:
    if not _vague(left) and not _vague(right):
        return arithmetic(sign, left, right)
    one, other = _as_interval(left), _as_interval(right)
    if one is None or other is None or sign not in ("+", "-", "*"):
        return UNKNOWN
    if sign == "+":
        return _sound(one.low + other.low, one.high + other.high)
    if sign == "-":
        return _sound(one.low - other.high, one.high - other.low)
    ends = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
    return UNKNOWN if any(map(math.isnan, ends)) else _sound(min(ends), max(ends))


def _sound(low: float, high: float) -> Any:
    return UNKNOWN if math.isnan(low) or math.isnan(high) else Interval(low, high)


def _call(name: str, parts: list[Any]) -> Any:
    if not any(_vague(part) for part in parts):
        return CALLS[name](*parts)
    items = parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts
    ends = [_as_interval(item) for item in items]
    known = [end for end in ends if end is not None]
    if name in ("min", "max") and len(known) == len(items) and known:
        pick = min if name == "min" else max
        return Interval(pick(end.low for end in known), pick(end.high for end in known))
    return UNKNOWN
