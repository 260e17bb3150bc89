"""One parameter of a search space: where its value goes, and how it is distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .distributions import Distribution
from .nested_dicts import Path


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
