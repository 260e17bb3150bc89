"""Points that people or other sweeps give, put into a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .canonical import value_key
from .nested_dicts import flatten, get
from .space import Params, Space

_ABSENT = object()


@dataclass
class Placed:
    """The dict of a space with the values that were given, and what speaks against it.

    ``misfits``: parameter (or ``constraints``) -> why its value cannot be; ``missing``: those that
    count and were not given; ``idle``: those that were given and do not count, by a condition;
    ``unknown``: names that are none of the space's.
    """

    params: Params
    misfits: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def place(space: Space, given: Mapping[str, Any], us: Sequence[float] | None = None) -> Placed:
    """Names may be nested or dotted. What is not given lies at ``us``, one number per axis."""
    flat = flatten(given)
    misfits: dict[str, str] = {}
    values: list[Any] = []
    absent = set()
    for index, axis in enumerate(space.axes):
        own = [get(given, p.path, flat.get(p.name, _ABSENT)) for p in axis.parameters]
        drawn = axis.decode(us[index] if us else 0.5)
        if any(value is _ABSENT for value in own):
            absent.add(index)
            values += drawn
            continue
        try:
            found = axis.decode(axis.encode(own))  # 16, where 16.0 was read
            pairs = zip(own, found, strict=True)
            values += [new if value_key(new) == value_key(old) else old for old, new in pairs]
        except ValueError as error:
            misfits[axis.name] = str(error)
            values += drawn
    params, _ = space.assembler.build(values)
    missing, idle = list[str](), list[str]()
    for index, axis in enumerate(space.axes):
        is_active = space.is_active(axis, params)
        if (index in absent) == is_active:
            (missing if is_active else idle).append(axis.name)
        given_here = [get(given, p.path, flat.get(p.name)) for p in axis.parameters]
        if not is_active and all(value is None for value in given_here):
            misfits.pop(axis.name, None)  # null, as tables have what is not there
    known = {p.name for axis in space.axes for p in axis.parameters}
    unknown = []
    constants = flatten(params)
    for name, value in flat.items():
        if any(name == one or name.startswith(f"{one}.") for one in known):
            continue
        if name not in constants:
            unknown.append(name)
        elif value_key(constants[name]) != value_key(value):
            misfits[name] = f"{value!r} is always {constants[name]!r} here"
    if not misfits:
        broken = [c.text for c in space.constraints if not c.holds(params, missing=True)]
        misfits |= {"constraints": f"breaks `{broken[0]}`"} if broken else {}
    return Placed(params, misfits, missing, idle, unknown)
