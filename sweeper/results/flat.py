"""Parameter dicts laid flat: dotted names, and which of them differ."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.space import flatten


class ParameterNames:
    """Learns, dict by dict, which dotted names there are and which of them vary."""

    def __init__(self, dicts: Iterable[Mapping[str, Any]] = ()) -> None:
        self._first: dict[str, Any] = {}
        self._varying: dict[str, None] = {}
        self._count = 0
        for params in dicts:
            self.add(params)

    def add(self, params: Mapping[str, Any]) -> None:
        flat = flatten(params)
        for name, value in flat.items():
            if name not in self._first:
                self._first[name] = value
                if self._count:
                    self._varying[name] = None
            elif name not in self._varying:
                first = self._first[name]
                # 1, 1.0 and True are equal to Python, and different trials to us.
                if type(first) is not type(value) or first != value:
                    self._varying[name] = None
        for name in self._first.keys() - flat.keys():
            self._varying[name] = None
        self._count += 1

    @property
    def all(self) -> list[str]:
        """Every dotted name seen, in the order of the first dict that had it."""
        return list(self._first)

    @property
    def varying(self) -> list[str]:
        """The names that differ between dicts, or that only some of them have."""
        return [name for name in self._first if name in self._varying]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each dotted name and the shortest end of it that no other name shares."""
    ends = {name: _ends(name) for name in names}
    shared = Counter(itertools.chain(*ends.values()))
    return {name: next((end for end in ends[name] if shared[end] == 1), name) for name in ends}


def _ends(name: str) -> list[str]:
    """The ends of a dotted name, the shortest first."""
    parts = name.split(".")
    return [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
