"""What the functions of callbacks change that the program holds: ``losses.append(…)`` of a module.

Only small things of plain types: no data that a callback evaluates with is looked through.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from .object_encoding import of_library

MOST = 10_000  # items of a container, or of an array


class Globals:
    """The globals that the functions of ``callbacks`` name, as attributes ``module:name``."""

    def __init__(self, callbacks: Iterable[Any]) -> None:
        found: dict[str, tuple[dict[str, Any], str]] = {}
        seen: set[int] = set()
        for callback in callbacks:
            for function in _functions(callback):
                found |= _named(function, seen)
        vars(self)["_places"] = found

    def attributes(self) -> Iterator[tuple[str, Any]]:
        """Each with its value of now, if that is small."""
        for key, (place, name) in vars(self)["_places"].items():
            if name in place and _is_small(place[name]):
                yield key, place[name]

    def __setattr__(self, key: str, value: Any) -> None:
        place, name = vars(self)["_places"][key]
        place[name] = value


def _functions(callback: Any) -> Iterator[types.FunctionType]:
    kinds = [kind for kind in type(callback).__mro__ if not of_library(kind)]
    for holder in [*kinds, callback]:
        for value in list(getattr(holder, "__dict__", {}).values()):
            function = getattr(value, "__func__", value)
            if isinstance(function, types.FunctionType):
                yield function


def _named(function: types.FunctionType, seen: set[int]) -> dict[str, tuple[dict[str, Any], str]]:
    """The globals of a user's function, and of those that it calls."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    installed = "-packages" in function.__code__.co_filename
    if id(function) in seen or installed or of_library(function):
        return found
    seen.add(id(function))
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for name in code.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, types.FunctionType):
                found |= _named(value, seen)
            elif name in function.__globals__:
                found[f"{function.__module__}:{name}"] = (function.__globals__, name)
    return found


def _is_small(value: Any, depth: int = 4) -> bool:
    if value is None or type(value) in (bool, int, float, str):
        return True
    if isinstance(value, (dict, list, set, tuple, deque)):
        items = value.values() if isinstance(value, dict) else value
        small = depth > 0 and len(value) <= MOST
        return small and all(_is_small(item, depth - 1) for item in items)
    size = getattr(value, "size", None)
    return type(value).__module__ == "numpy" and isinstance(size, int) and size <= MOST
