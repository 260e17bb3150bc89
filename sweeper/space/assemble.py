"""Putting values into a parameter dict: over the base, with conditions decided."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from .axes import Parameter
from .expressions import Expression
from .nested_dicts import Path, get, put

_ABSENT = object()
_Stand = tuple[int, str, Any]


class Assembler:
    """Makes parameter dicts from one value per slot (the parameters that vary or have conditions).

    Only the mappings that hold a slot are copied for each dict; the rest is shared.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        slots: Sequence[Parameter],
        base: Mapping[str, Any],
        conditions: Mapping[Path, Sequence[Expression]],
    ) -> None:
        template: dict[str, Any] = copy.deepcopy(dict(base))
        for parameter in parameters:  # in written order, which is the order of the dict's keys
            put(template, parameter.path, copy.deepcopy(parameter.distribution.value))
        self.template = template
        self._groups: list[tuple[int, str]] = []
        nodes: dict[Path, int] = {(): 0}
        for slot in slots:
            for depth in range(1, len(slot.path)):
                path = slot.path[:depth]
                if path not in nodes:
                    nodes[path] = len(nodes)
                    self._groups.append((nodes[path[:-1]], path[-1]))
        self._slots = [(nodes[slot.path[:-1]], slot.path[-1]) for slot in slots]
        self._deep = [index for index, slot in enumerate(slots) if _is_deep(slot)]
        position = {slot.path: index for index, slot in enumerate(slots)}
        self._conditional: list[tuple[int, list[tuple[Expression, _Stand]]]] = []
        for path, expressions in conditions.items():
            place = position[path]
            stands = [_without(base, nodes, path, one.depth) for one in slots[place].conditions]
            pairs = zip(expressions, stands, strict=True)
            self._conditional.append((place, list(pairs)))

    def build(self, values: Sequence[Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        """The dict, and the slots that are not active in it."""
        root = self.template.copy()
        nodes = [root]
        for parent, key in self._groups:
            child = nodes[parent][key].copy()
            nodes[parent][key] = child
            nodes.append(child)
        for (node, key), value in zip(self._slots, values, strict=True):
            nodes[node][key] = value
        for index in self._deep:
            node, key = self._slots[index]
            nodes[node][key] = copy.deepcopy(nodes[node][key])
        inactive: list[int] = []
        for index, expressions in self._conditional:
            for expression, (node, key, before) in expressions:
                if expression.holds(root):
                    continue
                if before is _ABSENT:
                    nodes[node].pop(key, None)  # its group may be gone already
                else:
                    nodes[node][key] = before
                inactive.append(index)
                break
        return root, tuple(inactive)


def _without(base: Mapping[str, Any], nodes: Mapping[Path, int], path: Path, depth: int) -> _Stand:
    """What stands in for ``path`` where a condition on its first ``depth`` names fails.

    That is the mapping (as a node), the key in it, and its value: what the base has there, else
    nothing, of the whole group.
    """
    for length in range(depth, len(path) + 1):
        before = get(base, path[:length], _ABSENT)
        if not isinstance(before, Mapping) or length == len(path):
            break
    return nodes[path[: length - 1]], path[length - 1], before


def _is_deep(parameter: Parameter) -> bool:
    of = parameter.distribution
    return any(isinstance(value, (list, dict)) for value in (of.value, *of.values))
