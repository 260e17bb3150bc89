"""Conditions and constraints that can never hold: refused before launch."""

from __future__ import annotations

from collections.abc import Mapping

from sweeper.space import (
    DRAWS,
    Expression,
    Space,
    Unfit,
    has_a_point,
    is_empty,
    outcomes,
    overlap,
    values_in_words,
)

from .problems import Report
from .yaml12.document import KeyPath


def refuse_the_impossible(report: Report, space: Space, keys: Mapping[str, KeyPath]) -> None:
    """Complain about every ``when`` and constraint of ``space`` that no trial can satisfy.

    ``keys`` says where in the file the text of each expression stands.
    """
    conditional = {parameter.path for parameter in space.parameters if parameter.conditions}
    whens = dict.fromkeys(e for group in space.conditions.values() for e in group)
    for expression in whens:
        _refuse(report, space, expression, keys[expression.text])
    for constraint in space.constraints:
        # One that looks at a parameter with a condition does not apply where that is not active.
        sleeps = any(overlap(name, path) for name in constraint.names for path in conditional)
        _refuse(report, space, constraint, keys[constraint.text], always=not sleeps)
    if report.problems or not space.constraints or has_a_point(space):
        return
    if is_empty(space):
        report.add(
            ("constraints",),
            "no point of the space satisfies all of them together",
            "each can hold alone: relax one of them",
        )
    elif not space.is_finite:
        report.warn(
            ("constraints",),
            f"none of {DRAWS:,} random points satisfies all of them: there may be none at all",
        )


def _refuse(
    report: Report, space: Space, expression: Expression, key: KeyPath, *, always: bool = True
) -> None:
    """Complain if the expression can never hold, or cannot be evaluated.

    One that does not ``always`` apply is let pass unless it fails for all that is listed: what
    makes it fail may never come together.
    """
    error: Unfit | None = None
    for result in outcomes(space, expression):
        if isinstance(result, Unfit):
            error = error or result
            if always:
                break
        elif result is not False or not always:
            return
    if error is not None:
        report.add(key, str(error), error.mend)
        return
    ranges = (f"`{'.'.join(path)}` is {values_in_words(space, path)}" for path in expression.names)
    report.add(key, f"`{expression.text}` can never hold", "; ".join(ranges))
