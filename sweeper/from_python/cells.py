"""What a function needs of a notebook's cells, as a module, and of a script's.

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
from sweeper.sweepfile import is_guard

_HEAD = "# What {} needs of the notebook's cells, written by sweeper.launch.\n\n"
_LAUNCHES = ("sweeper.launch", "launch", "wandb.agent", "wandb.sweep")
_ALWAYS = ("sys.path", "os.environ")  # what imports depend on, though nothing names it
_NOW = ("class", "listcomp", "setcomp", "dictcomp", "genexpr")  # scopes that run where they stand
_CHANGE = ("append", "extend", "insert", "add", "update", "setdefault", "pop", "remove", "clear")
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


def set_too_late(text: str, name: str) -> set[str]:
    """What the function ``name`` needs and a script sets where a trial that imports it never comes.

    That is below its ``__main__`` guard and after its first launch.
    """
    body = [(node, _text(text, node)) for node in ast.parse(text).body]
    guarded, launched = [], False
    for node, lines in body:
        guard = isinstance(node, ast.If) and is_guard(node)
        launched |= not guard and not isinstance(node, _SIMPLE) and _launches(node)
        if guard or launched:
            guarded.append((node, lines))
    uses: dict[str, set[str]] = {}
    imported: set[str] = set()
    for node, lines in body:
        if (node, lines) not in guarded:
            one = _statement(node, lines)
            imported |= one.binds if isinstance(node, (ast.Import, ast.ImportFrom)) else set()
            for bound in one.binds:
                uses.setdefault(bound, set()).update(one.now | one.late)
    needed = _closure({name}, uses)
    begun = {used for node, lines in guarded for used in _statement(node, lines).now}
    called = _closure(begun, uses) - needed
    guarded += [one for one in body if getattr(one[0], "name", "") in called]
    found = {changed for node, lines in guarded for changed in _sets(node, lines)}
    return (found - imported) & needed


def _sets(node: ast.stmt, text: str) -> set[str]:
    """The module's names that a statement sets or changes, in the functions that it defines too."""
    table = symtable.symtable(text, "a script", "exec")
    sets = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    inner, local = list(table.get_children()), set()
    for one in inner:
        inner += one.get_children()
        for symbol in one.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                sets.add(symbol.get_name())
            elif symbol.is_local():
                local.add(symbol.get_name())
    changed: set[str] = set()
    for part in ast.walk(node):
        stored = isinstance(getattr(part, "ctx", None), (ast.Store, ast.Del))
        method = part.func if isinstance(part, ast.Call) else None
        if isinstance(method, ast.Attribute) and method.attr in _CHANGE:
            changed |= _root(method)
        elif stored and not isinstance(part, ast.Name):
            changed |= _root(part)
    return sets | (changed - local)


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
        for call in (call for call in ast.walk(node) if isinstance(call, ast.Call)):
            if ast.unparse(call.func) == "get_ipython().run_cell_magic":
                yield from _statements(str(ast.literal_eval(call.args[2])))  # `%%time`
        if _launches(node):
            continue
        yield _statement(node, _text(cell, node))


def _launches(node: ast.AST) -> bool:
    calls = (call for call in ast.walk(node) if isinstance(call, ast.Call))
    return any(ast.unparse(call.func) in _LAUNCHES for call in calls)


def _text(cell: str, node: ast.stmt) -> str:
    decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
    lines = ast.get_source_segment(cell, node) or ""
    return "\n".join([*(f"@{ast.unparse(one)}" for one in decorators), lines])


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
