"""Points that a searcher of our own weighs: drawn, near good ones, or all there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc

from sweeper.space import Space

from .dimensions import Point, dimension
from .gaussian_process import Array, Mask
from .searcher import clip_to_unit, fill

MOST_LISTED = 2000
DRAWN, NEAR_EACH = 512, 40  # fewer where conditions or constraints are looked at, one by one


@dataclass(frozen=True)
class Table:
    """Points by row: a level, or a number in (0, 1), per axis; and whether the axis is active."""

    numbers: Array
    active: Mask

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, places: Iterable[int]) -> Table:
        chosen = np.fromiter(places, int)
        return Table(self.numbers[chosen], self.active[chosen])


class Candidates:
    """The points of a space, none of which breaks a constraint."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._dimensions = [dimension(axis) for axis in space.axes]
        self.columns = len(self._dimensions)
        self._counts = np.array([len(of.levels) for of in self._dimensions])
        self.categorical: Mask = np.array([not of.ordered for of in self._dimensions])
        groups = space.conditions.values()
        touched = {place for group in groups for one in group for place in space.touched(one)}
        self._deciding = sorted(touched)  # axes: which others are active depends on these alone
        self._quick = not space.constraints and bool(self._counts[self._deciding].all())
        self.all: Table | None = None
        if self.columns and self._counts.all() and math.prod(map(int, self._counts)) <= MOST_LISTED:
            grid = np.meshgrid(*[np.arange(count) for count in self._counts], indexing="ij")
            every = self.settled(np.stack(grid, -1).reshape(-1, self.columns).astype(float))
            first = {point: place for place, point in reversed(list(enumerate(self.points(every))))}
            self.all = every.rows(sorted(first.values()))

    def settled(self, numbers: Array) -> Table:
        """The rows that break no constraint, and which of their axes are active."""
        active = np.ones(numbers.shape, bool)
        if self._space.is_plain:
            return Table(numbers, active)
        if self._quick and len(numbers) > 1:
            deciding = numbers[:, self._deciding]
            _, first, same = np.unique(deciding, axis=0, return_index=True, return_inverse=True)
            found = [self.settled(numbers[[place]]).active[0] for place in first]
            return Table(numbers, np.array(found)[same.ravel()])
        kept = []
        for place, row in enumerate(numbers):
            params = self._space.decode(self._cube(row))
            if params is not None:
                kept.append(place)
                active[place] = [self._space.is_active(one, params) for one in self._space.axes]
        return Table(numbers[kept], active[kept])

    def _cube(self, row: Array) -> list[float]:
        pairs = zip(self._dimensions, row, strict=True)
        return [of.levels[int(n)] if of.levels else clip_to_unit(n) for of, n in pairs]

    def points(self, table: Table) -> list[tuple[float | None, ...]]:
        return [
            tuple(u if on else None for u, on in zip(self._cube(row), active, strict=True))
            for row, active in zip(table.numbers, table.active, strict=True)
        ]

    def table(self, points: Sequence[Point]) -> Table:
        """The reverse of :meth:`points`."""
        numbers = [
            [of.level(u) if of.levels else u for of, u in zip(self._dimensions, row, strict=True)]
            for row in map(fill, points)
        ]
        return Table(
            np.array(numbers, float).reshape(-1, self.columns),
            np.array([[u is not None for u in p] for p in points], bool).reshape(-1, self.columns),
        )

    def encoded(self, table: Table) -> Array:
        """The points as a process compares them: an axis that is not active is the same for all."""
        found = table.numbers.copy()
        for column, of in enumerate(self._dimensions):
            if of.levels and of.ordered:
                found[:, column] = np.array(of.places)[found[:, column].astype(int)]
            found[~table.active[:, column], column] = 0.5 if of.ordered else -1
        return found

    def drawn(self, cube: Array) -> Table:
        """The points at numbers in (0, 1), in which all levels are equally likely."""
        return self.settled(self._levels(np.clip(cube, 1e-9, 1 - 1e-9)))

    def _levels(self, cube: Array) -> Array:
        return np.where(self._counts > 0, np.floor(cube * self._counts), cube)

    def around(self, good: Table, random: np.random.Generator, local: bool) -> Table:
        """All points of a small space, else points from everywhere and more around good ones; if
        ``local``, around these alone.
        """
        if self.all is not None:
            return self.all
        few = 1 if self._space.is_plain or self._quick else 2
        sequence = qmc.Sobol(self.columns, scramble=True, rng=random)
        anywhere = self._levels(sequence.random(DRAWN // few))
        near = np.repeat(good.numbers, NEAR_EACH * (5 if local else 1) // few, axis=0)
        shape = near.shape
        moves = random.random(shape) < max(0.3, 1 / self.columns)
        moves[np.arange(len(near)), random.integers(self.columns, size=len(near))] = True
        spread = 10 ** random.uniform(-3, -0.5, (len(near), 1)) * random.standard_normal(shape)
        steps = np.where(self._counts > 0, spread * self._counts, spread)
        steps = np.where(self._counts > 0, np.sign(steps) * np.ceil(np.abs(steps)), steps)
        moved = np.where(moves, near + steps, near)
        other = np.floor(random.random(shape) * np.maximum(self._counts, 1))
        moved = np.where(moves & self.categorical, other, moved)
        top = np.where(self._counts > 0, self._counts - 1, 1.0)
        moved = np.clip(moved, 0, top)
        return self.settled(moved if local else np.vstack([anywhere, moved]))

    def neighbours(self, row: Table) -> Table:
        """The points that differ from one in one axis that has levels."""
        found: list[Array] = []
        for column in np.flatnonzero(row.active[0] & (self._counts > 1)):
            here, count = int(row.numbers[0, column]), int(self._counts[column])
            levels: Iterable[int] = range(count)
            if count > 12 and not self.categorical[column]:
                steps = [2**power for power in range(count.bit_length())]
                levels = [here + step * sign for step in steps for sign in (-1, 1)]
            for level in levels:
                if level != here and 0 <= level < count:
                    other = row.numbers[0].copy()
                    other[column] = level
                    found.append(other)
        return self.settled(np.array(found).reshape(-1, self.columns))

    def free(self, row: Table) -> list[int]:
        """The active axes along which a gradient leads."""
        return [int(n) for n in np.flatnonzero(row.active[0] & (self._counts == 0))]

    def moved(self, row: Table, end: Array, free: list[int], part: float) -> Table:
        """The point moved a ``part`` of the way to the ``end``; empty if it breaks a constraint."""
        numbers = row.numbers.copy()
        numbers[0, free] += part * (end[free] - numbers[0, free])
        return self.settled(numbers)

    def first_new(self, table: Table, tried: set[Any]) -> Point | None:
        return next((point for point in self.points(table) if point not in tried), None)
