"""Walking a space in order, without looking at what conditions and constraints rule out at once.

Axes are bound one after the other, in the grid's order. As soon as enough of them are bound to tell
that a constraint fails, or that a parameter which is not active is beyond its first value, all that
lies below is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sweeper.errors import UsageError

from .axes import Axis
from .evaluation import UNKNOWN, CannotEvaluate, Interval
from .expressions import Expression
from .nested_dicts import Path, get, has
from .sequences import count_of, shuffled
from .space import Params, Space

Check = Callable[[Sequence[int]], bool]
_MOST_LOOKED_AT = 10_000


def walk(space: Space, shuffle: int | None = None) -> Iterator[Params]:
    """Every dict of a finite space, in grid (or list) order, or shuffled by a seed."""
    total = space.raw_size
    indices = iter(range(total)) if shuffle is None else shuffled(total, shuffle)
    if space.listed is not None:
        yield from filter(space.allows, map(space.listed_at, indices))
        return
    every: Iterator[Sequence[int]] = map(space.digits, indices)
    if shuffle is None:
        every = pruned(space) if space.size() else iter(())
    build, row, plain = space.assembler.build, space.row, space.is_plain
    for digits in every:
        params, inactive = build(row(digits))
        if plain or (space.is_first(digits, inactive) and space.allows(params)):
            yield params


class Undecided(Exception):
    """The walk has taken as many steps as it may."""


def pruned(space: Space, most: int | None = None) -> Iterator[Sequence[int]]:
    """The digits of every point that may be a trial, in grid order: no trial is missing.

    One list is yielded again and again, changed in between. Raises Undecided after ``most`` steps.
    """
    lengths, checks = space.lengths, _checks(space)
    digits = [0] * len(lengths)
    if not lengths:
        yield digits
        return
    place, last = 0, len(lengths) - 1
    steps = 0
    while place >= 0:
        steps += 1
        if most is not None and steps > most:
            raise Undecided
        if digits[place] >= lengths[place]:
            digits[place] = 0
            place -= 1
            if place >= 0:
                digits[place] += 1
        elif not all(check(digits) for check in checks[place]):
            digits[place] += 1
        elif place == last:
            yield digits
            digits[place] += 1
        else:
            place += 1


def _checks(space: Space) -> list[list[Check]]:
    """What to ask when an axis has been bound, the ones before it being bound already."""
    checks: list[list[Check]] = [[] for _ in space.axes]
    slots: dict[Path, tuple[int, int]] = {}
    for place, axis in enumerate(space.axes):
        for column, parameter in enumerate(axis.parameters):
            slots[parameter.path] = (place, column)
    for constraint in space.constraints:
        touched = space.touched(constraint)
        if not touched:
            continue
        if all(_is_always_there(space, slots, path) for path in constraint.names):
            for place in touched:
                checks[place].append(_bounded(space, constraint, slots, place))
        else:
            ready = max(_needed(space, touched))
            checks[ready].append(_whole(space, constraint))
    slot = 0
    for place, axis in enumerate(space.axes):
        here = range(slot, slot + len(axis.parameters))
        slot = here.stop
        if any(parameter.path in space.conditions for parameter in axis.parameters):
            checks[max(_needed(space, {place}))].append(_first(space, frozenset(here)))
    return checks


def _is_always_there(space: Space, slots: dict[Path, tuple[int, int]], path: Path) -> bool:
    """Whether every trial has the name, as one whole value."""
    for _, other in space.places.overlapping(path):
        if other != path or other in space.conditions:
            return False
    return path in slots or has(space.assembler.template, path)


def _needed(space: Space, places: set[int]) -> set[int]:
    """``places`` and all the axes that decide whether their parameters are active."""
    found: set[int] = set()
    waiting = set(places)
    while waiting:
        place = waiting.pop()
        found.add(place)
        for parameter in space.axes[place].parameters:
            for condition in space.conditions.get(parameter.path, ()):
                waiting |= space.touched(condition) - found
    return found


def _whole(space: Space, constraint: Expression) -> Check:
    """Whether the constraint holds, all that it looks at being bound."""

    def check(digits: Sequence[int]) -> bool:
        try:
            params, _ = space.assembler.build(space.row(digits))
            return constraint.holds(params, missing=True)
        except UsageError:
            return True  # whoever gets the point complains

    return check


def _first(space: Space, slots: frozenset[int]) -> Check:
    """Whether the axis of these slots is at its first value where they are not active."""

    def check(digits: Sequence[int]) -> bool:
        try:
            _, inactive = space.assembler.build(space.row(digits))
        except UsageError:
            return True
        return space.is_first(digits, slots.intersection(inactive))

    return check


def _bounded(
    space: Space, constraint: Expression, slots: dict[Path, tuple[int, int]], upto: int
) -> Check:
    """Whether the constraint may hold, axes beyond ``upto`` being at any of their values."""
    bound: dict[Path, tuple[Sequence[Any], int, int | None]] = {}
    fixed: dict[Path, Any] = {}
    for path in constraint.names:
        if path not in slots:
            fixed[path] = get(space.assembler.template, path)
            continue
        place, column = slots[path]
        axis, values = space.axes[place], space.values[place]
        if place > upto:
            fixed[path] = _range(axis, values, column)
        else:
            bound[path] = (values, place, column if len(axis.parameters) > 1 else None)

    def check(digits: Sequence[int]) -> bool:
        def value(path: Path) -> Any:
            if path in fixed:
                return fixed[path]
            values, place, column = bound[path]
            one = values[digits[place]]
            return one if column is None else one[column]

        try:
            return constraint.function(value) is not False
        except CannotEvaluate:
            return True

    return check


def _range(axis: Axis, values: Sequence[Any], column: int) -> Any:
    """Any of a column's values: an interval if they are numbers."""
    of = axis.parameters[column].distribution
    count = count_of(values)
    if len(axis.parameters) == 1 and of.kind in ("int_uniform", "q_uniform"):
        return Interval(values[0], values[count - 1])
    if count > _MOST_LOOKED_AT:
        return UNKNOWN
    items = values if len(axis.parameters) == 1 else [row[column] for row in values]
    if all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items):
        return Interval(min(items), max(items))
    return UNKNOWN
