"""Nested dicts by path: a value looked up or set, all of them, one dict laid upon another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

Path = tuple[str, ...]
T = TypeVar("T")
_ABSENT = object()


def get(tree: Any, path: Sequence[str], default: Any = None) -> Any:
    """The value at ``path``; ``default`` if there is none."""
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree:
            return default
        tree = tree[part]
    return tree


def has(tree: Any, path: Sequence[str]) -> bool:
    return get(tree, path, _ABSENT) is not _ABSENT


def put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at ``path``, making the mappings on the way."""
    for part in path[:-1]:
        child = tree.get(part)
        if not isinstance(child, dict):
            child = tree[part] = {}
        tree = child
    tree[path[-1]] = value


def leaves(tree: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is no mapping, or an empty one, and its path."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def paths(tree: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    """Every path in it, those of mappings too."""
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, Mapping):
            yield from paths(value, (*above, key))


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """``{"model": {"dense": 1}}`` as ``{"model.dense": 1}``; lists and empty dicts are leaves."""
    return {".".join(path): value for path, value in leaves(tree)}


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid upon ``base``, mapping by mapping; neither is changed, nor shares a mapping of
    ``over`` with what comes of it.
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping):
            value = merge(below if isinstance(below, Mapping) else {}, value)
        merged[key] = value
    return merged


class PathMap(Generic[T]):
    """What belongs to which path, found by overlap without a look at all.

    Paths overlap if they are the same, or one leads into what stands at the other.
    """

    def __init__(self, items: Iterable[tuple[Path, T]] = ()) -> None:
        self._at: dict[Path, list[T]] = {}
        self._below: dict[Path, list[T]] = {}
        for path, one in items:
            self.add(path, one)

    def add(self, path: Path, one: T) -> None:
        self._at.setdefault(path, []).append(one)
        for length in range(len(path)):
            self._below.setdefault(path[:length], []).append(one)

    def overlapping(self, path: Path) -> Iterator[T]:
        """What belongs to ``path``, to a part of it or to what is below it."""
        for length in range(len(path) + 1):
            yield from self._at.get(path[:length], ())
        yield from self._below.get(path, ())
