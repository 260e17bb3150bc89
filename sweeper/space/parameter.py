"""One parameter of a search space: where its value goes, and how it is distributed."""

from __future__ import annotations

from dataclasses import dataclass, field

from .distributions import Distribution


@dataclass(frozen=True)
class Parameter:
    """One parameter: where its value goes in the parameter dict, and how it is distributed."""

    path: tuple[str, ...]
    name: str  # as written: the names of its levels, joined by dots
    order: tuple[str, ...]  # what grids sort by: the written name at each level
    distribution: Distribution
    conditions: tuple[str, ...] = ()  # the `when` of its groups and its own
    depths: tuple[int, ...] = ()  # how much of the path each condition governs, from the top
    key: tuple[str | int, ...] = field(default=(), compare=False)  # its place in the sweep file

    @property
    def varies(self) -> bool:
        return not self.distribution.is_constant
