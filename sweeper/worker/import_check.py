"""A look at a train module's text: is its import likely to fail? Nothing is imported."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path


def looks_broken(file: Path, function: str, places: list[str]) -> bool:
    """Whether the module, found from ``places``, seems to lack its function or what it imports.

    Only a suspicion: who has it waits for the real import before starting anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user's doubtful escapes
            module = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    path = [str(file.parent), *places]
    missing = (name for name in imported(module.body) if not _is_there(name, path))
    return not _may_define(module, function) or any(missing)


def imported(statements: Iterable[ast.AST]) -> Iterator[str]:
    """The top-level packages that these statements import; not what is within them."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            yield (statement.module or "").partition(".")[0]


def _is_there(name: str, path: list[str]) -> bool:
    with suppress(ValueError):  # of a module without a spec: it is loaded
        return bool(PathFinder.find_spec(name, path) or importlib.util.find_spec(name))
    return True


def _may_define(module: ast.Module, function: str) -> bool:
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found = node.name
        elif isinstance(node, ast.alias):
            found = node.asname or node.name.partition(".")[0]
        else:
            found = node.id if isinstance(node, ast.Name) else ""
        if found in (function, "*"):
            return True
    return False
