"""Whether conditions and constraints can hold at all, as far as that can be told beforehand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from .distributions import Distribution
from .evaluation import UNKNOWN, CannotEvaluate, Interval, Lookup
from .expressions import Expression
from .nested_dicts import Path, PathMap, get, has, merge, put
from .sequences import count_of
from .space import Space
from .walks import Undecided, pruned

_MOST_COMBINATIONS = 20_000
_MOST_STEPS = 100_000
_MOST_DRAWN = 1_000_000


def draws(space: Space) -> int:
    """How many random points are looked at for one that satisfies the constraints."""
    return min(2_000, 1 + _MOST_DRAWN // (1 + len(space.axes)))


def _has_a_point(space: Space) -> bool:
    """Whether one of a few draws satisfies the constraints: no need to look further."""
    random = Random(0)
    try:
        for _ in range(draws(space)):
            if space.decode([random.random() or 0.5 for _ in space.axes]) is not None:
                return True
    except CannotEvaluate:
        return True  # the trial that it happens in will tell
    return False


def is_empty(space: Space) -> bool | None:
    """Whether no point satisfies the constraints; None if that takes too long to find out."""
    if space.listed is not None:
        return space.size() == 0
    if _has_a_point(space):
        return False
    if not space.is_finite:
        return None
    try:
        for digits in pruned(space, _MOST_STEPS):
            if space.build(space.row(digits)) is not None:
                return False
    except (Undecided, CannotEvaluate):
        return None
    return True


def values_in_words(space: Space, path: Path) -> str:
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
    return repr(get(template, path)) if has(template, path) else "not always there"


def outcomes(space: Space, expression: Expression) -> Iterator[Any]:
    """What the expression can be: True, False or unknown, for every combination that is listed;
    an :class:`CannotEvaluate` where it cannot be evaluated.
    """
    if space.listed is not None:
        for params in map(space.listed_at, range(space.raw_size)):
            try:
                yield expression.holds(params)
            except CannotEvaluate as error:
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
    named = {path[0] for path in expression.names}
    around = {key: one for key, one in space.assembler.template.items() if key in named}
    for combination in itertools.product(*[values for _, values in finite]):
        here = merge({}, around)
        for (axis, _), value in zip(finite, combination, strict=True):
            row = value if len(axis.parameters) > 1 else (value,)
            for parameter, one in zip(axis.parameters, row, strict=True):
                put(here, parameter.path, one)
        try:
            yield expression.function(_names(here, intervals))
        except CannotEvaluate as error:
            yield expression.cannot_evaluate(here, error)


def _interval(of: Distribution) -> Interval:
    low = -math.inf if of.low is None else of.low
    return Interval(low, math.inf if of.high is None else of.high)


def _names(here: Mapping[str, Any], intervals: Mapping[Path, Interval]) -> Lookup:
    ranges = PathMap((path, path) for path in intervals)

    def value(path: Path) -> Any:
        if path in intervals:
            return intervals[path]
        if any(ranges.overlapping(path)) or not has(here, path):
            return UNKNOWN
        return get(here, path)

    return value
