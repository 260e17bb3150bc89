"""The ``parameters:`` of a sweep file: W&B's forms, validated, as a flat list of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.space import GRID_KINDS, Condition, Distribution, Parameter, PathMap, get, paths
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.yaml12 import KeyPath
from sweeper.wording import nearest, one_of

from .bounds import warn_of_clipping
from .parameter_entry import parse_parameter

_NUMBER = re.compile("[0-9]+")
_MOST_LOOKED_AT = 20_000  # names of `base`, for one that a parameter's is near to


def parse_parameters(
    problems: Problems, raw: Any, base: Mapping[str, Any] | None, method: str | None
) -> list[Parameter]:
    """Every parameter of ``raw`` in written order; complaints go to ``problems``."""
    key: KeyPath = ("parameters",)
    if raw == {} and any(problem.key == "parameters" for problem in problems.found):
        return []  # its names were refused
    if not isinstance(raw, dict) or not raw:
        problems.expected(
            key, "at least one parameter", raw, "for example  lr: {min: 0.001, max: 0.1}"
        )
        return []
    found: list[Parameter] = []
    by_path = PathMap[Parameter]()
    for parameter in _Reader(problems, base, method).parameters(raw, key):
        clash = next(by_path.overlapping(parameter.path), None)
        by_path.add(parameter.path, parameter)
        if clash is not None:
            problems.add(
                parameter.key,
                f"`{parameter.name}` and `{clash.name}` are the same place of the parameter dict",
                "remove or rename one of the two",
                on_key=True,
            )
        found.append(parameter)
    return found


class _Reader:
    """Reads parameters and groups. ``written`` is a name with those of the groups around it."""

    def __init__(
        self, problems: Problems, base: Mapping[str, Any] | None, method: str | None
    ) -> None:
        self.problems, self.base, self.method = problems, base, method
        self.looked_at = 0

    def parameters(
        self,
        raw: Mapping[str, Any],
        key: KeyPath,
        group: tuple[str, ...] = (),
        conditions: tuple[Condition, ...] = (),
    ) -> Iterator[Parameter]:
        """The parameters of ``group``, to which ``conditions`` apply."""
        for name, body in raw.items():
            here, written = (*key, name), (*group, name)
            if not name:
                self.problems.add(here, "expected a name, found an empty one", on_key=True)
                continue
            self.warn_of_near_names(here, written)
            if isinstance(body, dict) and "parameters" in body:
                if self.is_group(body, here):
                    own = self.conditions(body, here, len(written))
                    inner = (*here, "parameters")
                    yield from self.parameters(body["parameters"], inner, written, conditions + own)
                    continue
            elif distribution := self.distribution(body, here):
                path = address(self.problems, self.base, here, written)
                own = self.conditions(body, here, len(path or ()))
                if path is not None:
                    yield Parameter(path, written, distribution, conditions + own, here)
                    continue
            self.problems.mark_broken(written)

    def is_group(self, body: Mapping[str, Any], key: KeyPath) -> bool:
        inner = body["parameters"]
        others = [other for other in body if other not in ("parameters", "when")]
        if others:
            self.problems.add(
                (*key, others[0]),
                f"`{others[0]}` cannot stand beside `parameters`",
                "a group holds `parameters:` (and `when:`) alone",
                on_key=True,
            )
            return False
        if not isinstance(inner, dict) or not inner:
            self.problems.expected((*key, "parameters"), "at least one parameter", inner)
            return False
        return True

    def distribution(self, body: Any, key: KeyPath) -> Distribution | None:
        of = parse_parameter(self.problems, body, key)
        if of is None:
            return None
        if self.method != "grid":
            warn_of_clipping(self.problems, of, key)
        elif of.kind not in GRID_KINDS:
            self.refuse_in_grid(of, key)
        return of

    def refuse_in_grid(self, of: Distribution, key: KeyPath) -> None:
        what = f"a grid cannot walk {of.kind}: `{key[-1]}` has no list of values"
        if of.probabilities:
            what = f"a grid has no use for the probabilities of `{key[-1]}`"
        self.problems.add(
            (*key, "probabilities" if of.probabilities else "distribution"),
            what,
            "give `values: [...]`, or use `method: random`",
            on_key=True,
        )

    def conditions(self, body: Any, key: KeyPath, depth: int) -> tuple[Condition, ...]:
        """The ``when`` of a parameter or group, which governs ``depth`` names of its path."""
        if not isinstance(body, dict) or "when" not in body:
            return ()
        text = body["when"]
        if isinstance(text, str) and text.strip():
            return (Condition(text, depth, (*key, "when")),)
        self.problems.expected(
            (*key, "when"), "a condition", text, "for example  when: \"optimizer == 'sgd'\""
        )
        return ()

    def warn_of_near_names(self, key: KeyPath, written: tuple[str, ...]) -> None:
        """Say so where a name that ``base`` does not have looks like one that it has.

        A number makes a name of its own: ``conv_2`` beside ``conv_1``.
        """
        *group, name = written
        level = get(self.base, group)
        if not isinstance(level, Mapping) or name in level or "." in name:
            return
        self.looked_at += len(level)
        if self.looked_at > _MOST_LOOKED_AT:
            return
        close = nearest(name, level)
        if not close or _NUMBER.findall(close[0]) != _NUMBER.findall(name):
            return
        full, near = ".".join(written), ".".join((*group, close[0]))
        what = f"`{full}` is not in `base` and is added to it: did you mean `{near}`?"
        self.problems.warn(key, what)


def address(
    problems: Problems, base: Mapping[str, Any] | None, key: KeyPath, written: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Where a parameter's value goes: a dotted name is an address in ``base``, if there is one."""
    *group, name = written
    if base is None or "." not in name:
        return written
    level = get(base, group)
    place = find_place(level, name) if isinstance(level, Mapping) else None
    if place is not None:
        return (*group, *place)
    known = list(dotted_names(level)) if isinstance(level, Mapping) else []
    mend = f"`base` holds {one_of(known[:8])}" if known else "`base` holds nothing there"
    if close := nearest(name, known, 3):
        mend = f"the nearest names are {one_of(close)}"
    problems.add(key, f"`{'.'.join(written)}` is no place in `base`", mend, on_key=True)
    return None


def find_place(tree: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """The path of the dotted ``name`` in ``tree``, whose keys may hold dots themselves."""
    if name in tree:
        return (name,)
    for key, value in tree.items():
        if name.startswith(f"{key}.") and isinstance(value, Mapping):
            rest = find_place(value, name[len(key) + 1 :])
            if rest is not None:
                return (key, *rest)
    return None


def dotted_names(tree: Mapping[str, Any]) -> Iterator[str]:
    """Every address in ``tree``, groups too."""
    return map(".".join, paths(tree))
