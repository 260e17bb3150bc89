"""From ``parameters``, ``base``, ``trials``, ``zip`` and conditions to a search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from sweeper.space import Parameter, Space, canonical_json, has, merge, put, value_key
from sweeper.sweepfile.keys import is_there
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.yaml12 import KeyPath
from sweeper.wording import counted

from .axes import axes_of
from .conditions import Expressions, names_in, refuse_the_impossible
from .parameters import address, parse_parameters


class Built(NamedTuple):
    """What the sweep file says about parameters.

    ``space`` is None if it cannot be built. ``example`` is a parameter dict with every key that a
    trial may have; ``varying`` are its top-level keys that vary, ``conditional`` those that some
    trials do not have.
    """

    space: Space | None
    example: dict[str, Any]
    varying: set[str]
    conditional: set[str]


def build_space(
    problems: Problems,
    data: dict[str, Any],
    method: str | None,
    base: dict[str, Any] | None,
    trials: Sequence[Any] | None,
) -> Built:
    """The search space of a sweep file; complaints go to ``problems``."""
    before = len(problems.found)
    parameters: list[Parameter] = []
    if "parameters" in data:
        parameters = parse_parameters(problems, data["parameters"], base, method)
    elif (
        trials is None
        and "base" not in data
        and method != "list"
        and not is_there(data, "parameters")
    ):
        problems.add(
            (),
            "`parameters` is missing: there is nothing to try",
            "add `parameters:`, for example  lr: {min: 0.001, max: 0.1}",
        )
    problems.warn_of_python_words(("base",), base)
    problems.warn_of_python_words(("trials",), trials)
    listed = _listed(problems, trials, base) if trials is not None else None
    if method == "list" or listed is not None:
        _refuse_in_list(problems, parameters, listed or ())
    example = _example(base, parameters, listed or ())
    varying = {parameter.path[0] for parameter in parameters if parameter.varies}
    if listed is not None and len(problems.found) == before:
        listed, differing = _different(problems, listed, base, parameters)
        varying |= differing
    conditional = {p.path[0] for p in parameters if any(c.depth == 1 for c in p.conditions)}
    conditional -= set(base or ())
    known = names_in(example, parameters, problems.broken)
    for path in problems.broken.values():
        if not has(example, path):
            put(example, path, None)
    axes = axes_of(problems, data.get("zip"), parameters)
    expressions = Expressions(problems, known)
    conditions = expressions.conditions(parameters)
    constraints = expressions.constraints(data.get("constraints"))
    good = len(problems.found) == before
    if not good and listed is not None:
        return Built(None, example, varying, conditional)
    if not good:  # the conditions that could be read are judged all the same
        counts = {parameter.path: len(parameter.conditions) for parameter in parameters}
        conditions = {path: one for path, one in conditions.items() if len(one) == counts[path]}
    space = Space(
        parameters=tuple(parameters),
        axes=tuple(axes),
        base=base or {},
        conditions=conditions,
        constraints=tuple(constraints),
        listed=None if listed is None else tuple(listed),
        grid=method in ("grid", "list"),
    )
    if conditions or constraints:
        refuse_the_impossible(problems, space, expressions.keys)
    return Built(space if good else None, example, varying, conditional)


def _refuse_in_list(
    problems: Problems, parameters: Sequence[Parameter], listed: Sequence[Mapping[str, Any]]
) -> None:
    """Complain about parameters that are not constant in ``method: list``, or have no effect."""
    for parameter in parameters:
        if parameter.conditions:
            problems.add(
                (*parameter.key, "when"),
                "`when` has no meaning in `method: list`",
                "leave the parameter out of the trials that should not have it",
            )
        if parameter.varies:
            problems.add(
                parameter.key,
                f"`{parameter.name}` varies, but `method: list` takes its trials from `trials`",
                "keep it constant with `value:`, or put its values into `trials`",
                on_key=True,
            )
        override = problems.option_below(parameter.key)
        if override is not None and not parameter.varies:
            having = sum(has(trial, parameter.path) for trial in listed)
            if having:
                problems.add(
                    override,
                    f"`{parameter.name}` has a value of its own in {having} of the "
                    f"{counted(len(listed), 'trial')} of `trials`, which the override would leave",
                    "change it in `trials`",
                )


def _listed(
    problems: Problems, trials: Sequence[Any], base: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The dicts of ``trials``; with a base, dotted names are addresses in it."""
    listed: list[dict[str, Any]] = []
    for index, trial in enumerate(trials):
        key: KeyPath = ("trials", index)
        if not isinstance(trial, dict):
            problems.expected(key, "a parameter dict", trial)
            continue
        params: dict[str, Any] = {}
        for name, value in trial.items():
            path = address(problems, base, (*key, name), (name,))
            if path is not None:
                put(params, path, value)
        listed.append(params)
    return listed


def _different(
    problems: Problems,
    listed: Sequence[dict[str, Any]],
    base: Mapping[str, Any] | None,
    parameters: Sequence[Parameter],
) -> tuple[list[dict[str, Any]], set[str]]:
    """The rows that give different dicts, and the top-level keys in which those differ."""
    around = _example(base, parameters, ())
    kept: dict[str, dict[str, Any]] = {}
    seen: dict[str, str] = {}
    counts: dict[str, int] = {}
    differing: set[str] = set()
    for row in listed:
        texts = {key: _row_key(value) for key, value in merge(around, row).items()}
        kept.setdefault(canonical_json(texts), row)
        for key, text in texts.items():
            counts[key] = counts.get(key, 0) + 1
            if seen.setdefault(key, text) != text:
                differing.add(key)
    differing |= {key for key, count in counts.items() if count < len(listed)}
    fewer = len(listed) - len(kept)
    if fewer:
        rows = "1 row equals an earlier one and is" if fewer == 1 else f"{fewer} rows equal earlier"
        rows += "" if fewer == 1 else " ones and are"
        problems.warn(("trials",), f"{rows} left out: `repeats` runs each several times")
    return list(kept.values()), differing


def _row_key(value: Any) -> str:
    if isinstance(value, dict):
        return canonical_json({key: _row_key(item) for key, item in value.items()})
    return value_key(value)


def _example(
    base: Mapping[str, Any] | None,
    parameters: Sequence[Parameter],
    listed: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """A parameter dict with every key that a trial may have."""
    example: dict[str, Any] = deepcopy(dict(base or {}))
    for parameter in parameters:
        of = parameter.distribution
        value = of.value if of.is_constant else of.values[0] if of.values else of.ppf(0.5)
        put(example, parameter.path, deepcopy(value))
    for trial in listed:
        example = merge(example, trial)
    return example
