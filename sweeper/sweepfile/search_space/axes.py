"""From ``zip`` and the parameters that vary to the axes of the search space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweeper.space import Axis, Parameter, count_of
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.yaml12 import KeyPath
from sweeper.wording import nearest, one_of

_MOST_VALUES = 1_000_000


def axes_of(problems: Problems, raw: Any, parameters: Sequence[Parameter]) -> list[Axis]:
    """The axes in grid order: those that walk together stand where their first name would.

    ``raw`` is the value of ``zip``, or None.
    """
    moving = [p for p in parameters if p.varies or p.conditions]
    moving.sort(key=lambda parameter: parameter.written)
    groups = _zipped(problems, raw, parameters)
    by_path = {parameter.path: group for group in groups for parameter in group}
    axes: list[Axis] = []
    done: set[tuple[str, ...]] = set()
    for parameter in moving:
        if parameter.path in done:
            continue
        group = by_path.get(parameter.path, (parameter,))
        done.update(member.path for member in group)
        axes.append(Axis(tuple(group)))
    return axes


def _zipped(
    problems: Problems, raw: Any, parameters: Sequence[Parameter]
) -> list[tuple[Parameter, ...]]:
    if raw is None:
        return []
    key: KeyPath = ("zip",)
    example = "for example `zip: [[model.conv_0, model.conv_1]]`"
    is_flat = isinstance(raw, list) and raw and all(isinstance(name, str) for name in raw)
    if is_flat or not isinstance(raw, list):
        mend = f"write `zip: [[{', '.join(raw)}]]`" if is_flat else example
        problems.expected(key, "a list of lists of names", raw, mend)
        return []
    by_name = {parameter.name: parameter for parameter in parameters}
    groups: list[tuple[Parameter, ...]] = []
    used: set[str] = set()
    for index, names in enumerate(raw):
        if not isinstance(names, list):
            problems.expected((*key, index), "a list of names", names, example)
            continue
        group: list[Parameter] = []
        for place, name in enumerate(names):
            at = (*key, index, place)
            if isinstance(name, str) and problems.is_broken(name):
                continue
            if not isinstance(name, str) or name not in by_name:
                close = nearest(str(name), by_name, 3)
                mend = f"did you mean {one_of(close)}?" if close else example
                problems.expected(at, "the name of a parameter", name, mend)
            elif name in used:
                problems.add(at, f"`{name}` walks already", "name each parameter once in `zip`")
            elif not by_name[name].varies:
                problems.add(at, f"`{name}` is constant and cannot walk", "give it `values: [...]`")
            elif not _can_walk(by_name[name]):
                mend = "give it `values: [...]` (without probabilities)"
                problems.add(at, f"`{name}` has no list of values to walk along", mend)
            else:
                used.add(name)
                group.append(by_name[name])
        if len(names) < 2:
            problems.expected((*key, index), "at least two names", names)
        lengths = {parameter.name: count_of(parameter.column) for parameter in group}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            mend = "parameters that walk together need one value each for every step"
            what = f"expected the same number of values, but {counts}"
            problems.add((*key, index), what, mend)
        elif len(group) > 1:
            groups.append(tuple(group))
    return groups


def _can_walk(parameter: Parameter) -> bool:
    of = parameter.distribution
    if of.kind not in ("categorical", "int_uniform", "q_uniform"):
        return False
    return count_of(parameter.column) <= _MOST_VALUES
