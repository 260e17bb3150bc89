"""Finding the user's train function and judging its signature."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import linecache
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sweeper.call import load_file
from sweeper.errors import UsageError
from sweeper.experiment import hold_source
from sweeper.sweepfile import AS_SCRIPT
from sweeper.tree import Program

from .import_check import imported
from .session import Session

_NONE = inspect.Parameter.empty


@dataclass(frozen=True)
class TrainFunction:
    """The user's ``train(params, callbacks)`` or ``train(params, callbacks, run)``."""

    call: Callable[..., Any]
    takes_run: bool
    uses_keras: bool
    """Does it get Keras callbacks, and a process prepared for Keras?

    One with a third argument, ``run``, may do without, unless its module has imported Keras or
    names it: decided once, so that no trial depends on what another one has imported.
    """


def load_session(session: Session) -> TrainFunction:
    """Import what the session trains, as :func:`load_train_function`; hold on to its text."""
    began = time.time()
    train = load_train_function(session.path, session.module, session.function, session.place)
    path = session.path or sys.modules[str(session.module)].__file__
    hold_source(Program.at(path), began)
    return train


def load_train_function(
    path: str | None, module: str | None, function: str, place: str | None = None
) -> TrainFunction:
    """Import the train module and return its train function.

    A file is imported with its directory on ``sys.path``; a module from ``place``, by default the
    current directory.

    Raises ``UsageError`` if the function is missing or cannot be called as we will call it;
    whatever the module itself raises while it is imported passes through.
    """
    loaded, where = _import(path, module, place)
    found = getattr(loaded, function, None)
    if found is None:
        near = sorted(n for n, v in vars(loaded).items() if inspect.isfunction(v) and n[0] != "_")
        raise UsageError(
            f"{where}: expected a function {function}(params, callbacks), found "
            + (f"only {', '.join(near)}" if near else "no function at all")
            + f"; define {function}, name another one (`program: {where}:NAME`), "
            f"or run the file as a script: `{AS_SCRIPT}`"
        )
    takes_run = _takes_run(found, function, where)
    uses_keras = not takes_run or "keras" in sys.modules or _names_keras(loaded)
    return TrainFunction(found, takes_run, uses_keras)


def _import(path: str | None, module: str | None, place: str | None) -> tuple[Any, str]:
    sys.path.insert(0, os.getcwd())  # only now: what we need of our own is loaded
    if path is None:
        assert module is not None  # session_of has seen to that
        if place:
            sys.path.insert(0, place)
        return importlib.import_module(module), module
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"{path}: expected the train module, found no such file here")
    sys.path.insert(0, str(file.parent))
    return load_file(path), path


def _takes_run(function: Any, name: str, where: str) -> bool:
    mends = (
        f"give it these parameters, name another function (`program: {where}:NAME`), "
        f"or run the file as a script: `{AS_SCRIPT}`"
    )
    expected = f"expected {name}(params, callbacks) or {name}(params, callbacks, run)"
    if not callable(function):
        found = f"{type(function).__name__} {name!r}"
        raise UsageError(f"{where}: {expected}, found {found}; {mends}")
    try:
        signature = inspect.signature(function)
    except ValueError:
        return False
    shown = f"{name}{signature}"
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"{_place(function, where)}: {expected}, found async {shown}; {mends}")
    for count in (3, 2):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        if count == 3:
            return _third_is_run(signature)
        if "run" not in signature.parameters:  # else it is the second, where the callbacks are
            return False
    raise UsageError(f"{_place(function, where)}: {expected}, found {shown}; {mends}")


def _third_is_run(signature: inspect.Signature) -> bool:
    """A third parameter that has a default and another name is the user's own."""
    found = signature.parameters.values()
    positional = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) < 3 or positional[2].name == "run" or positional[2].default is _NONE


def _place(function: Any, where: str) -> str:
    """``file:line`` of the function's ``def``, wherever it was imported from."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return where
    lines = linecache.getlines(code.co_filename)
    line = code.co_firstlineno
    # With decorators it is the first of these that Python counts from.
    while line <= len(lines) and not lines[line - 1].lstrip().startswith(("def ", "async ")):
        line += 1
    return f"{code.co_filename}:{line if line <= len(lines) else code.co_firstlineno}"


def _names_keras(module: ModuleType) -> bool:
    try:
        nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    except (OSError, TypeError, SyntaxError):
        return False
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names.update(node.name for node in nodes if isinstance(node, ast.alias))
    names.update(imported(nodes))
    return "keras" in names and importlib.util.find_spec("keras") is not None
