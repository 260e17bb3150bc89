"""The parameters of a search space, and its directions: parameters that move together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from .canonical import value_key
from .distributions import Distribution
from .nested_dicts import Path
from .sequences import distinct, first_of_equals


class Condition(NamedTuple):
    """A ``when`` as written, and how many names of the path it governs, from the top.

    ``key`` is its place in the sweep file.
    """

    text: str
    depth: int
    key: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter: where its value goes in the parameter dict, and how it is distributed."""

    path: Path
    written: tuple[str, ...]  # its name in the sweep file, level by level: what grids sort by
    distribution: Distribution
    conditions: tuple[Condition, ...] = ()  # those of its groups and its own
    key: tuple[str | int, ...] = field(default=(), compare=False)  # its place in the sweep file

    @property
    def name(self) -> str:
        return ".".join(self.written)

    @property
    def varies(self) -> bool:
        return not self.distribution.is_constant

    @property
    def column(self) -> Sequence[Any]:
        """Its values as listed, equal ones too; empty if they cannot be listed."""
        of = self.distribution
        return of.values if of.kind == "categorical" else of.grid or of.choices or ()


@dataclass(frozen=True)
class Axis:
    """One direction of the space: a parameter, or several that move together (``zip``).

    A value of an axis is a tuple with one value for each of its parameters.
    """

    parameters: tuple[Parameter, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    @property
    def alternatives(self) -> int | None:
        """How many values without an order it has, each as likely as the others; None: a number."""
        if len(self.parameters) > 1:
            return len(self.rows)
        distribution = self.parameters[0].distribution
        if distribution.kind in ("constant", "categorical"):
            return len(distribution.values) or 1
        return None

    @cached_property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """The values of parameters that walk together, as listed; of equal ones the first."""
        columns = [tuple(parameter.column) for parameter in self.parameters]
        return first_of_equals(tuple(zip(*columns, strict=True)), _row_key)

    @cached_property
    def _distinct_rows(self) -> tuple[tuple[Any, ...], ...]:
        return distinct(self.rows, _row_key)

    def listed(self, grid: bool) -> Sequence[Any] | None:
        """Its different values (bare, for a single parameter); None if they cannot be listed.

        With ``grid``, those of a grid: W&B's steps for ``q_uniform``.
        """
        if len(self.parameters) > 1:
            return self._distinct_rows
        distribution = self.parameters[0].distribution
        return distribution.grid if grid else distribution.choices

    def decode(self, u: float) -> tuple[Any, ...]:
        """The value at ``u`` in (0, 1)."""
        if len(self.parameters) > 1:
            return self.rows[min(max(math.ceil(u * len(self.rows)), 1), len(self.rows)) - 1]
        return (self.parameters[0].distribution.ppf(u),)

    def encode(self, values: Sequence[Any]) -> float:
        """A number that :meth:`decode` takes back to ``values``; ValueError if there is none."""
        if len(self.parameters) == 1:
            return self.parameters[0].distribution.encode(values[0])
        wanted = _row_key(values)
        for index, row in enumerate(self.rows):
            if _row_key(row) == wanted:
                return (index + 0.5) / len(self.rows)
        raise ValueError(f"{self.name} have no values {list(values)!r} together")


def _row_key(row: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(value_key, row))
