"""Whether a program is a train function or a script: told from its syntax tree, never run.

A file with ``train(params, callbacks)`` is called; every other one is run as W&B's agent runs it,
though it may have a ``train`` of its own: most scripts have.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Mode = Literal["function", "script"]
Fit = Literal["sure", "maybe", "no"]
_Def = ast.FunctionDef | ast.AsyncFunctionDef

_PARAMS = re.compile(
    r"_*([a-z]\w*_)?(hyper_?)?(params?|parameters?|hparams?|hps?|config|conf|cfg|p|args"
    r"|options|opts?|settings)(_dict)?_*\Z",
    re.I,
)
_CALLBACKS = re.compile(r"_*([a-z]\w*_)?(callbacks?|cbs?)_*\Z", re.I)

# Calls by which a file shows that it is run: by their last name, and by their whole one.
_RUNNING = {"ArgumentParser", "parse_args", "parse_known_args", "fit", "backward"}
_RUNNING_WHOLE = {
    *("wandb.init", "wandb.log", "wandb.agent", "sys.exit"),
    *("sweeper.report", "sweeper.params", "sweeper.callbacks"),
    *("fire.Fire", "typer.run", "tyro.cli", "app.run", "tf.app.run", "asyncio.run"),
}
# Decorators that make a function a command of its own: click's, Typer's, Hydra's, Sacred's.
_COMMANDS = {"command", "main", "automain"}
_COMMAND = "is a command of its own"
_LONGEST = 80  # characters of a signature that is shown


@dataclass(frozen=True)
class DetectedMode:
    """How a program is run, and ``why``; the reason is empty where nobody would doubt it."""

    mode: Mode
    why: str = ""


def detect_mode(source: bytes, name: str = "train") -> DetectedMode:
    """How the Python file ``source`` is run if its sweep says no more than its name.

    ``function`` where it has a function ``name`` at module level that is meant to be called with
    ``(params, callbacks)`` or ``(params, callbacks, run)``: by the names of its parameters, or
    because it can be called so and the file does not run itself. What is no Python is a script.
    """
    tree = parse(source)
    if tree is None:
        return DetectedMode("script")
    statements = list(_statements(tree.body))
    found: dict[Fit, tuple[str, int, str]] = {}
    for statement in statements:
        for fit, what, why in _bindings(statement, name):
            found[fit] = what, statement.lineno, why
    if not found or "sure" in found:
        return DetectedMode("function" if found else "script")
    runs = _runs_itself(statements, name)
    if "maybe" in found:
        what, line, _ = found["maybe"]
        if runs is not None:
            why = f"is taken for its own, as the file runs itself (line {runs})"
            return DetectedMode("script", f"{what} (line {line}) {why}")
        why = "is called, as the file runs nothing itself"
        return DetectedMode("function", f"{what} (line {line}) {why}")
    what, line, why = found["no"]
    if runs is None and why != _COMMAND and _inert(statements):
        # Run as a script it would do nothing: its signature is wrong.
        return DetectedMode("function")
    return DetectedMode("script", f"{what} (line {line}) {why}")


def parse(source: bytes) -> ast.Module | None:
    """The syntax tree of a Python file; None if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user's doubtful escapes
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the file is imported, branches and loops included."""
    for statement in body:
        yield statement
        if isinstance(statement, (_Def, ast.ClassDef)):
            continue
        skipped = statement.body if isinstance(statement, ast.If) and _never(statement) else []
        for child in ast.iter_child_nodes(statement):
            inner = [child]
            if isinstance(child, (ast.ExceptHandler, ast.match_case)):
                inner = list(child.body)
            yield from _statements(
                [s for s in inner if isinstance(s, ast.stmt) and s not in skipped]
            )


def _never(branch: ast.If) -> bool:
    """Whether an import does not enter the branch: ``__main__``'s, or for type checkers only."""
    test = branch.test
    return is_guard(branch) or dotted(test).rpartition(".")[2] == "TYPE_CHECKING"


def is_guard(statement: ast.stmt) -> bool:
    """Whether it is ``if __name__ == "__main__":``, however written."""
    if not isinstance(statement, ast.If):
        return False
    for node in ast.walk(statement.test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.In)):
            parts = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            if any(isinstance(part, ast.Name) and part.id == "__name__" for part in parts):
                return True
    return False


def _bindings(statement: ast.stmt, name: str) -> Iterator[tuple[Fit, str, str]]:
    """How well what the statement binds to ``name`` can be the train function, what it is, and
    why not. What is surely no function counts for nothing: a module, data, a loop's variable.
    """
    if isinstance(statement, _Def) and statement.name == name:
        shown = ast.unparse(statement.args)
        if len(shown) > _LONGEST:
            shown = shown[: _LONGEST - 1] + "…"
        prefix = "async " if isinstance(statement, ast.AsyncFunctionDef) else ""
        fit, why = _fit(statement)
        yield fit, f"its {prefix}{name}({shown})", why
    elif isinstance(statement, ast.ClassDef) and statement.name == name:
        yield "maybe", f"its class {name}", ""
    elif isinstance(statement, ast.ImportFrom):
        if name in (alias.asname or alias.name for alias in statement.names):
            yield "maybe", f"the {name} that it imports", ""
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        able = (ast.Name, ast.Attribute, ast.Call, ast.Lambda, ast.IfExp, ast.Subscript)
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if named and isinstance(statement.value, able):
            yield "maybe", f"the {name} that it assigns", ""


def _fit(function: _Def) -> tuple[Fit, str]:
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    required = len(positional) - len(args.defaults)
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if dotted(called).rpartition(".")[2] in _COMMANDS:
            return "no", _COMMAND
    if isinstance(function, ast.AsyncFunctionDef):
        return "no", "is async, which nobody awaits"
    most = 3 if args.vararg else min(3, len(positional))
    if required > most or most < 2 or None in args.kw_defaults:
        return "no", "does not take (params, callbacks)"
    names = [arg.arg for arg in positional[:2]]
    if len(names) == 2 and names_params(names[0]) and names_callbacks(names[1]):
        return "sure", ""
    if required >= 2 or args.vararg:
        return "maybe", ""
    return "no", "is not meant for (params, callbacks)"


def names_params(name: str) -> bool:
    """Whether a parameter of this name is meant to be given a trial's parameters."""
    return _PARAMS.match(name) is not None


def names_callbacks(name: str) -> bool:
    """Whether a parameter of this name is meant to be given Keras callbacks."""
    return _CALLBACKS.match(name) is not None


def _runs_itself(statements: list[ast.stmt], name: str) -> int | None:
    """The line by which the file shows that it is run rather than imported; None if there is none.

    The ``__main__`` guard, a use of ``name``, a statement that calls one of its own functions, or
    what only a script does: parse arguments, log to W&B, fit a model.
    """
    own = {s.name for s in statements if isinstance(s, _Def)}
    for statement in statements:
        if is_guard(statement):
            return statement.lineno
        rebinds = any(True for _ in _bindings(statement, name))
        for node in _expressions(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used = node.id == name and not rebinds
                if used or (isinstance(statement, ast.Expr) and node.id in own):
                    return node.lineno
            called = dotted(node.func) if isinstance(node, ast.Call) else ""
            if called in _RUNNING_WHOLE or called.rpartition(".")[2] in _RUNNING:
                return statement.lineno
            if isinstance(node, ast.Attribute) and dotted(node) == "sys.argv":
                return node.lineno
    return None


def _inert(statements: list[ast.stmt]) -> bool:
    """Whether the file only defines: no statement but definitions, imports and assignments, and
    no call of its own functions in these.
    """
    own = {s.name for s in statements if isinstance(s, _Def)}
    for statement in statements:
        if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
            return False
        if isinstance(statement, (ast.For, ast.While, ast.With)):
            return False
        if any(isinstance(node, ast.Name) and node.id in own for node in _expressions(statement)):
            return False
    return True


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that are evaluated as the statement itself runs, not the statements in it."""
    later = (ast.stmt, ast.Lambda, ast.ExceptHandler, ast.match_case)
    todo: list[ast.AST] = [] if isinstance(statement, (_Def, ast.ClassDef)) else [statement]
    while todo:
        inner = [n for n in ast.iter_child_nodes(todo.pop()) if not isinstance(n, later)]
        todo += inner
        yield from inner


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a name or attribute; what is before a call is left out: ``make().fit`` is
    ``.fit``.
    """
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""
