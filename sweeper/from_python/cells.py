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
_SPOIL = ("shuffle", "setattr", "delattr")  # change what they are given
_SIMPLE = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class _Statement:
    """One statement of a cell, and the names that it ``binds``, ``changes``, and needs.

    ``now`` when it runs, ``late`` when what it defines is called. A ``simple`` one makes the names
    that it binds anew, so that what was bound before is not needed for its sake. ``calls``: what it
    calls by name, with the names that it hands over; ``sets``: what a function sets of its module
    when it is called, with an empty name among them where it changes what it is given.
    """

    text: str
    binds: set[str]
    changes: set[str]
    now: set[str]
    late: set[str]
    simple: bool
    always: bool
    calls: list[tuple[str, set[str]]]
    sets: set[str]


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
    called = _closure({name}, _uses(statements))  # by the function itself, in a trial
    sets = {bound: one.sets for one in statements if one.sets for bound in one.binds - called}
    for one in statements:
        for function, given in one.calls:
            changed = sets.get(function, {""} if function in _SPOIL else set())
            one.changes |= (changed - {""}) | (given if "" in changed else set())
    uses = _uses(statements)
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
    reached, late, launched = [], [], False
    imported: set[str] = set()
    for node in ast.parse(text).body:
        guard = isinstance(node, ast.If) and is_guard(node)
        launched |= not guard and not isinstance(node, _SIMPLE) and _launches(node)
        lines = _text(text, node)
        if guard or launched:
            late.append((_statement(node, lines), _sets(node, lines)))
            continue
        reached.append(_statement(node, lines))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imported |= reached[-1].binds
    uses = _uses(reached)
    needed = _closure({name}, uses)
    called = _closure({used for one, _ in late for used in one.now}, uses) - needed
    found = {changed for _, sets in late for changed in sets}
    found |= {changed for one in reached if one.binds & called for changed in one.sets}
    return (found - imported) & needed


def _uses(statements: Iterable[_Statement]) -> dict[str, set[str]]:
    """A name -> those that what it stands for may use."""
    uses: dict[str, set[str]] = {}
    for one in statements:
        for bound in one.binds | one.changes:
            uses.setdefault(bound, set()).update(one.now | one.late)
    return uses


def _sets(node: ast.stmt, text: str) -> set[str]:
    """The module's names that a statement sets or changes, in the functions that it defines too.

    An empty one where a function changes what it is given.
    """
    table = symtable.symtable(text, "a script", "exec")
    sets = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    inner: list[symtable.SymbolTable] = list(table.get_children())
    local, given = set(), set()
    for one in inner:
        inner += one.get_children()
        for symbol in one.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                sets.add(symbol.get_name())
            elif symbol.is_local():
                local.add(symbol.get_name())
                given |= {symbol.get_name()} if symbol.is_parameter() else set()
    changed = _stored_into(node)
    for part in ast.walk(node):
        method = part.func if isinstance(part, ast.Call) else None
        if isinstance(method, ast.Attribute) and method.attr in _CHANGE:
            changed |= _root(method)
    return sets | (changed - local) | ({""} if changed & given else set())


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
    changes = _stored_into(node)
    for part in ast.walk(node):
        if isinstance(part, ast.AugAssign):
            changes |= _root(part.target)
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
    calls, sets = [], set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        sets = _sets(node, text) - {node.name}
    elif not isinstance(node, _SIMPLE):
        for part in (part for part in ast.walk(node) if isinstance(part, ast.Call)):
            words = [*part.args, *(word.value for word in part.keywords)]
            given = {root for word in words for root in _root(word)}
            calls.append((ast.unparse(part.func).rpartition(".")[2], given))
    return _Statement(text, binds, changes, now, late, simple, always, calls, sets)


def _look_into(table: symtable.SymbolTable, now: set[str], late: set[str]) -> None:
    runs = table.get_type() == "class" or table.get_name().strip("<>") in _NOW
    used = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    (now if runs else late).update(used)
    for child in table.get_children():
        _look_into(child, now if runs else late, late)


def _stored_into(node: ast.AST) -> set[str]:
    """The names of what is set a part of: ``x`` of ``x.y = 1`` and ``del x[0]``."""
    parts = (one for one in ast.walk(node) if isinstance(one, (ast.Attribute, ast.Subscript)))
    return {root for one in parts if not isinstance(one.ctx, ast.Load) for root in _root(one)}


def _root(node: ast.AST | None) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
