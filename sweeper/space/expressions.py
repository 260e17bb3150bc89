"""Conditions over parameter dicts: the values of a grammar tree, and what can be said beforehand.

A condition that names a parameter which is not active in a trial does not hold (``when``) or does
not apply (``constraints``).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.errors import UsageError
from sweeper.wording import describe

from .grammar import ExpressionError, Node, parse
from .nested_dicts import Path, get


class CannotEvaluate(UsageError):
    """Values that an operation cannot take. ``mend``: what to do about it."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


LIKE_WITH_LIKE = "compare numbers with numbers and text with text"


def _guarded(
    function: Callable[..., Any], before: str, between: str, mend: str
) -> Callable[..., Any]:
    """``function``, which says what it was given where it cannot take that."""

    def guarded(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (TypeError, ValueError):
            found = between.join(map(describe, arguments))
            raise CannotEvaluate(f"{before}{found}", mend) from None

    return guarded


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return _guarded(compare, "", " cannot be compared with ", LIKE_WITH_LIKE)


_is_in = _guarded(
    lambda item, among: item in among,
    "",
    " cannot be in ",
    "`in` looks for a value in a list, or for text in text",
)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _is_in,
    "not in": lambda item, among: not _is_in(item, among),
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_TAKES = {
    "min": "numbers, or a list of them",
    "max": "numbers, or a list of them",
    "abs": "a number",
    "len": "text or a list",
}


CALLS: dict[str, Callable[..., Any]] = {
    name: _guarded(function, f"{name}() cannot take ", " and ", f"give it {_TAKES[name]}")
    for name, function in (("min", min), ("max", max), ("abs", abs), ("len", len))
}
_LARGEST = 10**300

Function = Callable[[Mapping[str, Any]], Any]


class Missing(Exception):
    """The expression names a parameter that this trial does not have."""


@dataclass(frozen=True)
class Expression:
    """A parsed condition."""

    text: str
    tree: Node = field(compare=False, repr=False)
    names: tuple[Path, ...] = field(compare=False, repr=False)
    function: Function = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, known: Mapping[str, Path]) -> Expression:
        """Read ``text``; its names are keys of ``known``. Raises ExpressionError."""
        tree = parse(text, known)
        names = tuple(dict.fromkeys(names_of(tree)))
        if not names:
            raise ExpressionError("it names no parameter", 0)
        return cls(text, tree, names, compiled(tree))

    def holds(self, params: Mapping[str, Any], missing: bool = False) -> bool:
        """Whether ``params`` satisfy it; ``missing`` if a parameter that it names is not there.

        Raises UsageError if it cannot be evaluated (text compared with a number, say).
        """
        try:
            return bool(self.function(params))
        except Missing:
            return missing
        except CannotEvaluate as error:
            raise self.cannot_evaluate(params, error) from error

    def cannot_evaluate(self, params: Mapping[str, Any], error: CannotEvaluate) -> CannotEvaluate:
        """The same complaint, with the expression and the values that it saw."""
        return CannotEvaluate(
            f"`{self.text}` cannot be evaluated: {self.found(params)}: {error}", error.mend
        )

    def found(self, params: Mapping[str, Any]) -> str:
        """The values it sees, for messages."""
        return ", ".join(f"{'.'.join(path)} = {get(params, path)!r}" for path in self.names)


def names_of(tree: Node) -> Iterator[Path]:
    """The paths that ``tree`` names."""
    if tree.kind == "name":
        yield tree.value
    for child in tree.children:
        yield from names_of(child)


def number(value: Any) -> Any:
    """``value`` if arithmetic is allowed on it: never on text or lists, which could grow for
    ever.
    """
    if isinstance(value, (int, float)):
        return value
    raise CannotEvaluate(
        f"expected a number, found {describe(value)}", "only numbers can be computed with"
    )


def arithmetic(sign: str, left: Any, right: Any) -> Any:
    """The sum, product … of two numbers; refuses those that would not fit a float."""
    left, right = number(left), number(right)
    try:
        if sign == "**":
            left, right = float(left), float(right)
        result = _ARITHMETIC[sign](left, right)
    except ZeroDivisionError:
        mend = "rule zero out first: `x != 0 and 1 / x > 2`"
        raise CannotEvaluate(f"{left!r} {sign} {right!r} divides by zero", mend) from None
    except OverflowError:
        result = math.inf
    if isinstance(result, complex):
        mend = "raise only positive numbers to fractions"
        raise CannotEvaluate(f"{left!r} {sign} {right!r} is no real number", mend)
    if abs(result) > _LARGEST:
        raise CannotEvaluate(f"{left!r} {sign} {right!r} is too large", "compare smaller numbers")
    return result


def compiled(tree: Node) -> Function:
    """A function from a parameter dict to the tree's value."""
    kind, value = tree.kind, tree.value
    parts = [compiled(child) for child in tree.children]
    if kind == "literal":
        return lambda params: value
    if kind == "name":
        return _lookup(value)
    if kind == "list":
        return lambda params: [part(params) for part in parts]
    if kind == "or":
        return lambda params: any(part(params) for part in parts)
    if kind == "and":
        return lambda params: all(part(params) for part in parts)
    if kind == "not":
        return lambda params: not parts[0](params)
    if kind == "minus":
        return lambda params: -number(parts[0](params))
    if kind == "arithmetic":
        left, right = parts
        return lambda params: arithmetic(value, left(params), right(params))
    if kind == "call":
        call = CALLS[value]
        return lambda params: call(*[part(params) for part in parts])
    return _comparison([COMPARE[sign] for sign in value], parts)


def _lookup(path: Path) -> Function:
    def look_up(params: Any) -> Any:
        for part in path:
            try:
                params = params[part]
            except (KeyError, TypeError, IndexError):
                raise Missing from None
        return params

    return look_up


def _comparison(signs: list[Callable[[Any, Any], bool]], parts: list[Function]) -> Function:
    if len(signs) == 1:
        compare, (left, right) = signs[0], parts
        return lambda params: compare(left(params), right(params))

    def chain(params: Any) -> bool:
        value = parts[0](params)
        for compare, part in zip(signs, parts[1:], strict=True):
            following = part(params)
            if not compare(value, following):
                return False
            value = following
        return True

    return chain
