"""``when`` and ``constraints``: read, put in order, and refused where they can never hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sweeper.space import (
    CannotEvaluate,
    Expression,
    ExpressionError,
    Names,
    Parameter,
    PathMap,
    Space,
    draws,
    is_empty,
    outcomes,
    paths,
    values_in_words,
)
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.yaml12 import KeyPath

Path = tuple[str, ...]


def names_in(
    example: Mapping[str, Any], parameters: Sequence[Parameter], broken: Mapping[str, Path]
) -> Names:
    """What expressions may name: dotted name → path."""
    known = Names(broken)
    known |= {parameter.name: parameter.path for parameter in parameters}
    for path in paths(example):
        known.setdefault(".".join(path), path)
    for parameter in parameters:
        for value in parameter.distribution.values:
            for path in paths(value) if isinstance(value, dict) else ():
                known.setdefault(".".join((parameter.name, *path)), (*parameter.path, *path))
    return known


class Expressions:
    """Reads the expressions of one file. ``keys`` says where the text of each stands."""

    def __init__(self, problems: Problems, known: Mapping[str, Path]) -> None:
        self.problems, self.known = problems, known
        self.keys: dict[str, KeyPath] = {}

    def conditions(self, parameters: Sequence[Parameter]) -> dict[Path, tuple[Expression, ...]]:
        """Each conditional parameter's expressions, those first on which others depend."""
        found: dict[Path, tuple[Expression, ...]] = {}
        parsed: dict[str, Expression | None] = {}
        for parameter in parameters:
            for text, _, key in parameter.conditions:
                if text not in parsed:
                    parsed[text] = self.parse(text, key)
            read = (parsed[condition.text] for condition in parameter.conditions)
            expressions = tuple(expression for expression in read if expression is not None)
            if expressions:
                found[parameter.path] = expressions
        return _ordered(self.problems, parameters, found)

    def constraints(self, raw: Any) -> list[Expression]:
        """The expressions of ``constraints``, whose value is ``raw``, or None."""
        if raw is None:
            return []
        key: KeyPath = ("constraints",)
        mend = f'write `constraints: ["{raw}"]`' if isinstance(raw, str) else ""
        found: list[Expression] = []
        listed = self.problems.items(key, "a list of conditions", raw, mend, least=0)
        for index, text in enumerate(listed):
            if not isinstance(text, str) or not text.strip():
                mend = 'for example  "model.a >= model.b"'
                self.problems.expected((*key, index), "a condition", text, mend)
                continue
            expression = self.parse(text, (*key, index))
            if expression is not None:
                found.append(expression)
        return found

    def parse(self, text: str, key: KeyPath) -> Expression | None:
        """An expression, or a complaint with a caret under the place inside it."""
        self.keys[text] = key
        try:
            return Expression.parse(text, self.known)
        except ExpressionError as error:
            if error.is_unknown and self.problems.base_is_unread:
                return None  # who knows
            message = f"{error} in `{text}`" if len(text) < 80 else str(error)
            self.problems.add(key, message, error.mend, inside=(text, error.column))
            return None


def _ordered(
    problems: Problems, parameters: Sequence[Parameter], found: dict[Path, tuple[Expression, ...]]
) -> dict[Path, tuple[Expression, ...]]:
    conditional = PathMap((path, path) for path in found)
    names = {path: [name for one in group for name in one.names] for path, group in found.items()}
    needs = {
        path: [other for name in names[path] for other in conditional.overlapping(name)]
        for path in found
    }
    try:
        return {path: found[path] for path in TopologicalSorter(needs).static_order()}
    except CycleError as error:
        circle: list[Path] = error.args[1][::-1]
    text = " → ".join(f"`{'.'.join(step)}`" for step in circle)
    message = "a condition on itself" if len(circle) == 2 else "conditions in a circle"
    (key,) = (parameter.key for parameter in parameters if parameter.path == circle[0])
    problems.add((*key, "when"), f"{message}: {text}", "a condition may only look at others")
    return found


def refuse_the_impossible(problems: Problems, space: Space, keys: Mapping[str, KeyPath]) -> None:
    """Complain about every ``when`` and constraint of ``space`` that no trial can satisfy.

    ``keys`` says where in the file the text of each expression stands.
    """
    conditional = PathMap((one.path, one) for one in space.parameters if one.conditions)
    whens = dict.fromkeys(e for group in space.conditions.values() for e in group)
    for expression in whens:
        _refuse(problems, space, expression, keys[expression.text])
    for constraint in space.constraints:
        # One that looks at a parameter with a condition does not apply where that is not active.
        sleeps = any(any(conditional.overlapping(name)) for name in constraint.names)
        _refuse(problems, space, constraint, keys[constraint.text], always=not sleeps)
    if problems.found or not space.constraints:
        return
    empty = is_empty(space)
    if empty:
        problems.add(
            ("constraints",),
            "no point of the space satisfies all of them together",
            "each can hold alone: relax one of them",
        )
    elif empty is None:
        problems.warn(
            ("constraints",),
            f"none of {draws(space):,} random points satisfies all of them: "
            "there may be none at all",
        )


def _refuse(
    problems: Problems, space: Space, expression: Expression, key: KeyPath, *, always: bool = True
) -> None:
    """Complain if the expression can never hold, or cannot be evaluated.

    One that does not ``always`` apply is let pass unless it fails for all that is listed: what
    makes it fail may never come together.
    """
    error: CannotEvaluate | None = None
    for result in outcomes(space, expression):
        if isinstance(result, CannotEvaluate):
            error = error or result
            if always:
                break
        elif result is not False or not always:
            return
    if error is not None:
        problems.add(key, str(error), error.mend)
        return
    ranges = (f"`{'.'.join(path)}` is {values_in_words(space, path)}" for path in expression.names)
    problems.add(key, f"`{expression.text}` can never hold", "; ".join(ranges))
