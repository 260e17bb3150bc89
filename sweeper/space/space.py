"""The search space: from parameters to parameter dicts, lazily and the same way every time.

A space is a product of axes. Grids walk them in W&B's order: names sorted at each level, the last
one fastest. Where a parameter's ``when`` does not hold its axis does not count: the dict appears
once, at the axis's first value.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .assemble import Assembler
from .axes import Axis, Parameter
from .canonical import value_key
from .expressions import Expression
from .nested_dicts import Path, PathMap, get, has, merge
from .sequences import count_of

_MOST_COUNTED = 300_000
Params = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """Everything a sweep may try.

    ``axes`` are in grid order and hold every parameter that varies or has a condition. ``listed``
    are the dicts of ``method: list``.
    """

    parameters: tuple[Parameter, ...]
    axes: tuple[Axis, ...]
    base: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[Path, tuple[Expression, ...]] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()
    listed: tuple[Params, ...] | None = None
    grid: bool = True

    @cached_property
    def slots(self) -> tuple[Parameter, ...]:
        return tuple(parameter for axis in self.axes for parameter in axis.parameters)

    @cached_property
    def assembler(self) -> Assembler:
        return Assembler(self.parameters, self.slots, self.base, self.conditions)

    @property
    def is_plain(self) -> bool:
        """Whether every point of the product is a trial: no conditions, no constraints."""
        return not self.conditions and not self.constraints

    @cached_property
    def is_finite(self) -> bool:
        """Whether its dicts can be listed."""
        listed = (axis.listed(self.grid) for axis in self.axes)
        return self.listed is not None or all(values is not None for values in listed)

    @cached_property
    def values(self) -> list[Sequence[Any]]:
        """The values of each axis; empty where they cannot be listed."""
        return [axis.listed(self.grid) or () for axis in self.axes]

    @cached_property
    def lengths(self) -> list[int]:
        return [count_of(values) for values in self.values]

    @property
    def raw_size(self) -> int:
        """The product of the axes, conditions and constraints left aside."""
        return len(self.listed) if self.listed is not None else math.prod(self.lengths)

    # ----------------------------------------------------------------- building

    def build(self, values: Sequence[Any]) -> Params | None:
        """The dict with one value for each of ``slots``; None if it breaks a constraint."""
        params, _ = self.assembler.build(values)
        return params if self.allows(params) else None

    def decode(self, us: Sequence[float]) -> Params | None:
        """The dict at one number in (0, 1) per axis; None if it breaks a constraint.

        For searchers: every distribution keeps its exact meaning.
        """
        values = [v for axis, u in zip(self.axes, us, strict=True) for v in axis.decode(u)]
        return self.build(values)

    def encode(self, params: Mapping[str, Any]) -> list[float | None]:
        """One number per axis that :meth:`decode` takes back to ``params``; None where not active.

        Raises ValueError if the space has no such dict.
        """
        numbers: list[float | None] = []
        for axis in self.axes:
            if not self.is_active(axis, params):
                numbers.append(None)
                continue
            paths = [parameter.path for parameter in axis.parameters]
            if not all(has(params, path) for path in paths):
                raise ValueError(f"{axis.name} has no value")
            numbers.append(axis.encode([get(params, path) for path in paths]))
        return numbers

    def is_active(self, axis: Axis, params: Mapping[str, Any]) -> bool:
        """Whether the conditions of the axis hold in a dict."""
        conditions = (self.conditions.get(parameter.path, ()) for parameter in axis.parameters)
        return all(condition.holds(params) for group in conditions for condition in group)

    def is_active_at(self, place: int, us: Sequence[float | None]) -> bool:
        """The same for the axis at ``place``, of which those before it in ``order`` decide."""
        axis = self.axes[place]
        if not any(parameter.path in self.conditions for parameter in axis.parameters):
            return True
        pairs = zip(self.axes, us, strict=True)
        values = [v for other, u in pairs for v in other.decode(0.5 if u is None else u)]
        return self.is_active(axis, self.assembler.build(values)[0])

    @cached_property
    def order(self) -> list[int]:
        """The places of the axes, each after those that its conditions look at."""
        rank = {path: number for number, path in enumerate(self.conditions, 1)}
        return sorted(
            range(len(self.axes)),
            key=lambda place: max(rank.get(one.path, 0) for one in self.axes[place].parameters),
        )

    def rebuild(self, params: Mapping[str, Any]) -> Params | None:
        """The space's own dict with the values that ``params`` have on its axes.

        None if it has no such dict. What lies on no axis is the space's, whatever ``params`` say.
        """
        try:
            numbers = self.encode(params)
        except ValueError:
            return None
        values: list[Any] = []
        for axis, u in zip(self.axes, numbers, strict=True):
            drawn = axis.decode(0.5 if u is None else u)
            for parameter, value in zip(axis.parameters, drawn, strict=True):
                values.append(get(params, parameter.path, value))
        return self.build(values)

    def allows(self, params: Mapping[str, Any]) -> bool:
        """Whether ``params`` break no constraint."""
        return all(constraint.holds(params, missing=True) for constraint in self.constraints)

    # ----------------------------------------------------------------- one point

    def listed_at(self, index: int) -> Params:
        """The dict of a list at ``index``, whether it breaks a constraint or not."""
        params, _ = self.assembler.build(())
        return merge(params, (self.listed or ())[index])

    def digits(self, index: int) -> list[int]:
        """The place on each axis of the point at ``index`` of the product."""
        digits = [0] * len(self.lengths)
        for place in range(len(digits) - 1, -1, -1):
            index, digits[place] = divmod(index, self.lengths[place])
        return digits

    def row(self, digits: Sequence[int]) -> list[Any]:
        """The value of each slot where each axis is at its digit."""
        row: list[Any] = []
        for axis, values, digit in zip(self.axes, self.values, digits, strict=True):
            row += [values[digit]] if len(axis.parameters) == 1 else values[digit]
        return row

    def is_first(self, digits: Sequence[int], inactive: Collection[int]) -> bool:
        """Whether no earlier point of the product gives the same dict."""
        if not inactive:
            return True
        slot = 0
        for axis, values, digit in zip(self.axes, self.values, digits, strict=True):
            width = len(axis.parameters)
            awake = [column for column in range(width) if slot + column not in inactive]
            slot += width
            if len(awake) < width and any(
                all(value_key(values[other][i]) == value_key(values[digit][i]) for i in awake)
                for other in range(digit)
            ):
                return False
        return True

    # ----------------------------------------------------------------- counting

    @cached_property
    def _count(self) -> tuple[int, bool]:
        if self.listed is not None:
            every = map(self.listed_at, range(self.raw_size))
            return (sum(map(self.allows, every)) if self.constraints else self.raw_size), False
        if not self.is_finite:
            raise ValueError("the space is not finite")
        if not self.axes:
            return int(self.build(()) is not None), False
        total, is_bound = 1, False
        for part, constraints, has_conditions in self._parts():
            raw = math.prod(self.lengths[place] for place in part)
            if not constraints and not has_conditions:
                total *= raw
            elif raw > _MOST_COUNTED:
                total, is_bound = total * raw, True
            else:
                total *= self._count_part(part, constraints)
        return total, is_bound

    def size(self) -> int:
        """How many dicts there are. The axes that no expression ties together are counted apart.

        Raises ValueError if the space is not finite.
        """
        return self._count[0]

    @property
    def size_is_bound(self) -> bool:
        """Whether ``size`` is only an upper bound: expressions tie too large a grid together."""
        return self._count[1]

    @cached_property
    def places(self) -> PathMap[tuple[int, Path]]:
        """The axis of every parameter that has one, and the parameter's path."""
        return PathMap(
            (parameter.path, (place, parameter.path))
            for place, axis in enumerate(self.axes)
            for parameter in axis.parameters
        )

    def touched(self, expression: Expression) -> set[int]:
        """The axes whose value the expression depends on."""
        return {place for path in expression.names for place, _ in self.places.overlapping(path)}

    def _parts(self) -> Iterator[tuple[list[int], list[Expression], bool]]:
        """The axes in groups that no expression ties to another group; each with its constraints,
        and whether any of them has conditions.
        """
        # A constraint over nothing that varies belongs to the first part.
        touched = [self.touched(constraint) or {0} for constraint in self.constraints]
        ties, conditional = list(touched), set[int]()
        for path, conditions in self.conditions.items():
            here = {place for place, _ in self.places.overlapping(path)}
            conditional |= here
            ties += [here | self.touched(condition) for condition in conditions]
        parts = {place: {place} for place in range(len(self.axes))}
        for tie in ties:
            joined = set[int]().union(*(parts[place] for place in tie))
            parts.update(dict.fromkeys(joined, joined))
        pairs = list(zip(self.constraints, touched, strict=True))
        for part in {id(part): part for part in parts.values()}.values():
            constraints = [constraint for constraint, places in pairs if places <= part]
            yield sorted(part), constraints, not part.isdisjoint(conditional)

    def _count_part(self, part: Sequence[int], constraints: list[Expression]) -> int:
        digits = [0] * len(self.axes)
        count = 0
        for combination in itertools.product(*[range(self.lengths[place]) for place in part]):
            for place, digit in zip(part, combination, strict=True):
                digits[place] = digit
            params, inactive = self.assembler.build(self.row(digits))
            if self.is_first(digits, inactive) and all(
                constraint.holds(params, missing=True) for constraint in constraints
            ):
                count += 1
        return count

    def factors(self) -> list[tuple[str, int]]:
        """The axes by length, longest first: what makes a grid large."""
        pairs = [(axis.name, n) for axis, n in zip(self.axes, self.lengths, strict=True)]
        return sorted(pairs, key=lambda pair: -pair[1])
