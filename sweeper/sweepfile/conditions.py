"""Conditions and constraints that can never hold: refused before launch."""

from __future__ import annotations

from collections.abc import Mapping

from sweeper.space import (
    DRAWS,
    CannotEvaluate,
    Expression,
    Space,
    has_a_point,
    is_empty,
    outcomes,
    overlap,
    values_in_words,
)

from .problems import Problems
from .yaml12.document import KeyPath


def refuse_the_impossible(problems: Problems, space: Space, keys: Mapping[str, KeyPath]) -> None:
    """Complain about every ``when`` and constraint of ``space`` that no trial can satisfy.

    ``keys`` says where in the file the text of each expression stands.
    """
    conditional = {parameter.path for parameter in space.parameters if parameter.conditions}
    whens = dict.fromkeys(e for group in space.conditions.values() for e in group)
    for expression in whens:
        _refuse(problems, space, expression, keys[expression.text])
    for constraint in space.constraints:
        # One that looks at a parameter with a condition does not apply where that is not active.
        sleeps = any(overlap(name, path) for name in constraint.names for path in conditional)
        _refuse(problems, space, constraint, keys[constraint.text], always=not sleeps)
    if problems.found or not space.constraints or has_a_point(space):
        return
    if is_empty(space):
        problems.add(
            ("constraints",),
            "no point of the space satisfies all of them together",
            "each can hold alone: relax one of them",
        )
    elif not space.is_finite:
        problems.warn(
            ("constraints",),
            f"none of {DRAWS:,} random points satisfies all of them: there may be none at all",
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
