"""The cells of a notebook as a module: what a function needs of them, and no more.

A cell that tries the function, plots or installs would run in every trial.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweeper.errors import UsageError

_HEAD = "# What {} needs of the notebook's cells, written by sweeper.launch.\n\n"
_LAUNCHES = ("sweeper.launch", "launch", "wandb.agent", "wandb.sweep")
_ALWAYS = ("sys.path", "os.environ")  # what imports depend on, though nothing names it
_NOW = ("class", "listcomp", "setcomp", "dictcomp", "genexpr")  # scopes that run where they stand
_SIMPLE = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class _Statement:
    """One statement of a cell, and the names that it ``binds``, ``changes``, and needs.

    ``now`` when it runs, ``late`` when what it defines is called. A ``simple`` one makes the names
    that it binds anew, so that what was bound before is not needed for its sake.
    """

    text: str
    binds: set[str]
    changes: set[str]
    now: set[str]
    late: set[str]
    simple: bool
    always: bool


def cells_of() -> list[str] | None:
    """The cells that have run in this process; None outside IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return None if shell is None else list(shell.history_manager.input_hist_parsed)


def module_text(cells: Iterable[str], name: str) -> str:
    """The module with the statements of ``cells`` that the function ``name`` needs, in order.

    Raises UsageError for names that it needs and no cell defines.
    """
    statements = [one for cell in cells for one in _statements(cell)]
    uses: dict[str, set[str]] = {}  # a name -> those that what it stands for may use
    for one in statements:
        for bound in one.binds | one.changes:
            uses.setdefault(bound, set()).update(one.now | one.late)
    alive = _closure({name}, uses)
    kept = []
    for one in reversed(statements):
        if one.always or (one.binds | one.changes) & alive:
            kept.append(one)
            if one.simple:
                alive -= one.binds
            alive |= _closure(one.now, uses)
    text = _HEAD.format(name) + "".join(f"{one.text}\n" for one in reversed(kept))
    known = {bound for one in kept for bound in one.binds} | set(dir(builtins))
    needed = {used for one in kept for used in one.now | one.late}
    unknown = sorted(needed - known - {"__name__", "__file__"})
    if unknown and not any("import *" in one.text for one in kept):
        raise UsageError(
            f"sweeper.launch: {name} needs {', '.join(unknown)}, which no cell of this notebook "
            "defines at its top level: define it in one, or inside the function"
        )
    return text


def _closure(names: set[str], uses: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = set(names)
    while todo:
        found |= todo
        todo = {used for one in todo for used in uses.get(one, ())} - found
    return found


def _statements(cell: str) -> Iterable[_Statement]:
    try:
        body = ast.parse(cell).body
    except SyntaxError:  # never ran
        return
    for node in body:
        calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
        for call in calls:
            if ast.unparse(call.func) == "get_ipython().run_cell_magic":
                yield from _statements(str(ast.literal_eval(call.args[2])))  # `%%time`
        if any(ast.unparse(call.func) in _LAUNCHES for call in calls):
            continue
        lines = [ast.get_source_segment(cell, node) or ""]
        decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
        text = "\n".join([*(f"@{ast.unparse(one)}" for one in decorators), *lines])
        yield _statement(node, text)


def _statement(node: ast.stmt, text: str) -> _Statement:
    table = symtable.symtable(text, "a cell", "exec")
    symbols = table.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    now = {s.get_name() for s in symbols if s.is_referenced()}
    late: set[str] = set()
    for child in table.get_children():
        _look_into(child, now, late)
    changes: set[str] = set()
    for part in ast.walk(node):
        stored = isinstance(getattr(part, "ctx", None), (ast.Store, ast.Del))
        if isinstance(part, ast.AugAssign) or (stored and not isinstance(part, ast.Name)):
            changes |= _root(getattr(part, "target", part))
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            called = part.value.func
            changes |= _root(called) if isinstance(called, ast.Attribute) else set()
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    assigns = isinstance(node, (ast.Assign, ast.AnnAssign)) and not changes
    assigns = assigns and all(isinstance(t, (ast.Name, ast.Tuple)) for t in targets)
    simple = (isinstance(node, _SIMPLE) and "import *" not in text) or assigns
    if isinstance(node, _SIMPLE):
        changes = set()
    always = "import *" in text or any(
        isinstance(part, ast.Attribute) and ast.unparse(part) in _ALWAYS
        for part in ast.walk(node)
        if not isinstance(node, _SIMPLE) and not assigns
    )
    return _Statement(text, binds, changes, now, late, simple, always)


def _look_into(table: symtable.SymbolTable, now: set[str], late: set[str]) -> None:
    runs = table.get_type() == "class" or table.get_name().strip("<>") in _NOW
    used = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    (now if runs else late).update(used)
    for child in table.get_children():
        _look_into(child, now if runs else late, late)


def _root(node: ast.AST | None) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
