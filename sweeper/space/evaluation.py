"""What expressions come to, where their names stand for values or for ranges of numbers.

What is listed is tried value by value; what is drawn from a range counts as an interval: an
expression that is false for all of them is false for ever.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.errors import UsageError
from sweeper.wording import describe

from .nested_dicts import Path

Lookup = Callable[[Path], Any]
Function = Callable[[Lookup], Any]


class CannotEvaluate(UsageError):
    """Values that an operation cannot take. ``mend``: what to do about it."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


_LIKE_WITH_LIKE = "compare numbers with numbers and text with text"


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


_is_in = _guarded(
    lambda item, among: item in among,
    "",
    " cannot be in ",
    "`in` looks for a value in a list, or for text in text",
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    **{
        sign: _guarded(compare, "", " cannot be compared with ", _LIKE_WITH_LIKE)
        for sign, compare in (
            ("<", operator.lt),
            ("<=", operator.le),
            (">", operator.gt),
            (">=", operator.ge),
        )
    },
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
_CALLS: dict[str, Callable[..., Any]] = {
    name: _guarded(function, f"{name}() cannot take ", " and ", f"give it {_TAKES[name]}")
    for name, function in (("min", min), ("max", max), ("abs", abs), ("len", len))
}
_LARGEST = 10**300


@dataclass(frozen=True)
class Interval:
    """Some number from ``low`` to ``high``, ends included."""

    low: float
    high: float


class _Unknown:
    """Any value: nothing can be said."""


UNKNOWN = _Unknown()


def _vague(value: Any) -> bool:
    """Whether it stands for more than one value."""
    if isinstance(value, list):
        return any(map(_vague, value))
    return value is UNKNOWN or isinstance(value, Interval)


def together(parts: Sequence[Function], names: Lookup, stop: bool) -> Any:
    """``and`` and ``or``, left to right; after something unknown, what fails counts as unknown."""
    vague = False
    for part in parts:
        try:
            result = part(names)
        except CannotEvaluate:
            if not vague:
                raise
            result = UNKNOWN
        if _vague(result):
            vague = True
        elif bool(result) is stop:
            return stop
    return UNKNOWN if vague else not stop


def negation(value: Any) -> Any:
    return UNKNOWN if _vague(value) else not value


def minus(value: Any) -> Any:
    if isinstance(value, Interval):
        return Interval(-value.high, -value.low)
    return UNKNOWN if value is UNKNOWN else -_number(value)


def chain(signs: Sequence[str], parts: Sequence[Function], names: Lookup) -> Any:
    left, vague = parts[0](names), False
    for sign, part in zip(signs, parts[1:], strict=True):
        right = part(names)
        result = _compare(sign, left, right)
        if result is False:
            return False
        vague = vague or result is UNKNOWN
        left = right
    return UNKNOWN if vague else True


def _compare(sign: str, left: Any, right: Any) -> Any:
    if not _vague(left) and not _vague(right):
        return bool(_COMPARE[sign](left, right))
    if sign in ("in", "not in") and isinstance(right, list):
        equal = [_compare("==", left, item) for item in right]
        found: Any = UNKNOWN if UNKNOWN in equal else False
        found = True if any(result is True for result in equal) else found
        return found if sign == "in" or found is UNKNOWN else not found
    one, other = _as_interval(left), _as_interval(right)
    if one is None or other is None:
        has_list = isinstance(left, list) or isinstance(right, list)
        if sign in ("==", "!=") and UNKNOWN not in (left, right) and not has_list:
            return sign == "!="  # a number is never text
        if sign in ("<", "<=", ">", ">=") and UNKNOWN not in (left, right):
            what = "a number is compared with something that is none"
            raise CannotEvaluate(what, _LIKE_WITH_LIKE)
        return UNKNOWN
    return _ordered(sign, one, other)


def _as_interval(value: Any) -> Interval | None:
    if isinstance(value, Interval):
        return value
    return Interval(value, value) if isinstance(value, (int, float)) else None


def _ordered(sign: str, one: Interval, other: Interval) -> Any:
    if sign in ("==", "!="):
        apart = one.high < other.low or other.high < one.low
        return (sign == "!=") if apart else UNKNOWN
    if sign in (">", ">="):
        one, other = other, one
    if sign in ("<", ">"):
        return True if one.high < other.low else False if one.low >= other.high else UNKNOWN
    return True if one.high <= other.low else False if one.low > other.high else UNKNOWN


def _number(value: Any) -> Any:
    """``value`` if arithmetic is allowed on it: never on text or lists, which could grow for
    ever.
    """
    if isinstance(value, (int, float)):
        return value
    raise CannotEvaluate(
        f"expected a number, found {describe(value)}", "only numbers can be computed with"
    )


def arithmetic(sign: str, left: Any, right: Any) -> Any:
    if not _vague(left) and not _vague(right):
        return _computed(sign, _number(left), _number(right))
    one, other = _as_interval(left), _as_interval(right)
    if one is None or other is None or sign not in ("+", "-", "*"):
        return UNKNOWN
    try:
        if sign == "+":
            return _sound(one.low + other.low, one.high + other.high)
        if sign == "-":
            return _sound(one.low - other.high, one.high - other.low)
        ends = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
    except OverflowError:  # a whole number that is no float
        return UNKNOWN
    return UNKNOWN if any(end != end for end in ends) else _sound(min(ends), max(ends))


def _computed(sign: str, left: float, right: float) -> Any:
    """The sum, product … of two numbers; refuses those that would not fit a float."""
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


def _sound(low: float, high: float) -> Any:
    return UNKNOWN if low != low or high != high else Interval(low, high)


def call(name: str, parts: list[Any]) -> Any:
    if not _vague(parts):
        return _CALLS[name](*parts)
    items = parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts
    ends = [_as_interval(item) for item in items]
    known = [end for end in ends if end is not None]
    if name in ("min", "max") and len(known) == len(items) and known:
        pick = min if name == "min" else max
        return Interval(pick(end.low for end in known), pick(end.high for end in known))
    return UNKNOWN
