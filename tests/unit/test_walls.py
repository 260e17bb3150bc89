"""Who may import whom. The linter holds single imports; this holds the direction of the rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sweeper

PACKAGE = Path(sweeper.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

MAY_KNOW = {
    "errors": set(),
    "wording": set(),
    "space": {"errors", "wording"},
    "sweepfile": {"errors", "wording", "space"},
    "tree": {"errors", "wording", "space", "sweepfile"},
    "experiment": {"errors", "wording", "space", "sweepfile", "tree"},
    "api": {"errors", "tree", "experiment"},
    "search": {"errors", "wording", "space", "sweepfile", "tree"},
    "results": {"errors", "wording", "space", "sweepfile", "tree"},
    "worker": {"errors", "api", "wording", "space", "sweepfile", "tree", "experiment"},
    "raytune": {
        "errors",
        "wording",
        "space",
        "sweepfile",
        "tree",
        "search",
        "experiment",
        "worker",
    },
    "cli": {
        "errors",
        "wording",
        "space",
        "sweepfile",
        "tree",
        "search",
        "results",
        "worker",
        "raytune",
    },
    "__main__": {"cli"},
    "__init__": {"api", "experiment"},
}
KNOWS_KERAS = {"experiment/callbacks.py", "experiment/backend.py"}
CODE_FROM_DATA = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of every import in a module, inside functions too."""
    package = ["sweeper", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def test_every_room_is_known_here() -> None:
    assert {room_of(path) for path in MODULES} <= set(MAY_KNOW)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    room = room_of(path)
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "sweeper" and len(parts) > 1 and parts[1] in MAY_KNOW:
            allowed = {room, *MAY_KNOW[room]}
            assert parts[1] in allowed, f"{name_of(path)}:{line}: {room} must not know {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_ray_keras_and_pickle_stay_where_they_belong(path: Path) -> None:
    for line, name in imports(path):
        top = name.split(".")[0]
        where = f"{name_of(path)}:{line}: {name}"
        if top == "ray":
            assert room_of(path) == "raytune" or name_of(path).startswith("search/ray_"), where
        if top in ("keras", "tensorflow"):
            assert name_of(path) in KNOWS_KERAS, where
        assert top not in CODE_FROM_DATA, where


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_cli_prints_and_nobody_evaluates(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            where = f"{name_of(path)}:{node.lineno}: {node.func.id}"
            assert node.func.id not in ("eval", "exec"), where
            if node.func.id == "print":
                assert room_of(path) == "cli", where
