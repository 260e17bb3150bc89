"""Interval arithmetic: what an expression may be where its names stand for ranges of numbers.

What is listed is tried value by value; what is drawn from a range counts as an interval: an
expression that is false for all of them is false for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .expressions import CALLS, COMPARE, LIKE_WITH_LIKE, CannotEvaluate, arithmetic, number
from .grammar import Node
from .nested_dicts import Path


@dataclass(frozen=True)
class Interval:
    """Some number from ``low`` to ``high``, ends included."""

    low: float
    high: float


class _Unknown:
    """Any value: nothing can be said."""


UNKNOWN = _Unknown()
Names = Callable[[Path], Any]


def abstract(tree: Node, names: Names) -> Any:
    """The tree's value where names may be intervals or unknown."""
    kind, value = tree.kind, tree.value
    if kind == "literal":
        return value
    if kind == "name":
        return names(value)
    if kind in ("and", "or"):
        return _together(tree, names, stop=kind == "or")
    parts = [abstract(child, names) for child in tree.children]
    if kind == "list":
        return parts
    if kind == "not":
        return UNKNOWN if _vague(parts[0]) else not parts[0]
    if kind == "compare":
        results = [
            _compare(sign, left, right)
            for sign, left, right in zip(value, parts, parts[1:], strict=False)
        ]
        if any(result is False for result in results):
            return False
        return UNKNOWN if any(result is UNKNOWN for result in results) else True
    if kind == "minus":
        part = parts[0]
        if isinstance(part, Interval):
            return Interval(-part.high, -part.low)
        return UNKNOWN if part is UNKNOWN else -number(part)
    if kind == "arithmetic":
        return _arithmetic(value, *parts)
    return _call(value, parts)


def _vague(value: Any) -> bool:
    """Whether it stands for more than one value."""
    if isinstance(value, list):
        return any(_vague(item) for item in value)
    return value is UNKNOWN or isinstance(value, Interval)


def _together(tree: Node, names: Names, *, stop: bool) -> Any:
    """``and`` and ``or``, left to right; after something unknown, what fails counts as unknown."""
    vague = False
    for child in tree.children:
        try:
            result = abstract(child, names)
        except CannotEvaluate:
            if not vague:
                raise
            result = UNKNOWN
        if _vague(result):
            vague = True
        elif bool(result) is stop:
            return stop
    return UNKNOWN if vague else not stop


def _compare(sign: str, left: Any, right: Any) -> Any:
    if sign in ("in", "not in") and isinstance(right, list) and _vague([left, *right]):
        equal = [_compare("==", left, item) for item in right]
        found: Any = UNKNOWN if UNKNOWN in equal else False
        found = True if any(result is True for result in equal) else found
        return found if sign == "in" or found is UNKNOWN else not found
    if not _vague(left) and not _vague(right):
        return bool(COMPARE[sign](left, right))
    one, other = _as_interval(left), _as_interval(right)
    if one is None or other is None:
        has_list = isinstance(left, list) or isinstance(right, list)
        if sign in ("==", "!=") and UNKNOWN not in (left, right) and not has_list:
            return sign == "!="  # a number is never text
        if sign in ("<", "<=", ">", ">=") and UNKNOWN not in (left, right):
            raise CannotEvaluate("a number is compared with something that is none", LIKE_WITH_LIKE)
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


def _arithmetic(sign: str, left: Any, right: Any) -> Any:
    if not _vague(left) and not _vague(right):
        return arithmetic(sign, left, right)
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


def _sound(low: float, high: float) -> Any:
    return UNKNOWN if low != low or high != high else Interval(low, high)


def _call(name: str, parts: list[Any]) -> Any:
    if not any(_vague(part) for part in parts):
        return CALLS[name](*parts)
    items = parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts
    ends = [_as_interval(item) for item in items]
    known = [end for end in ends if end is not None]
    if name in ("min", "max") and len(known) == len(items) and known:
        pick = min if name == "min" else max
        return Interval(pick(end.low for end in known), pick(end.high for end in known))
    return UNKNOWN
