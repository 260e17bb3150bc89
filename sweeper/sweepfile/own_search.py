"""A program that starts W&B's agent in every trial: told from its syntax tree, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .function_or_script import dotted, is_guard, parse

AGENT, WANDB_SWEEP = "W&B's own agent", "a sweep of W&B's own"
_CALLS = {"wandb.agent": AGENT, "wandb.sweep": WANDB_SWEEP}
_COMMANDS = {
    ("wandb", "agent"): AGENT,
    ("wandb", "sweep"): WANDB_SWEEP,
    ("sweeper", "launch"): "a launch of sweeper's",
}
_EXITS = {"sys.exit", "exit", "quit", "os._exit"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SKIPS = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp)


class OwnSearch(NamedTuple):
    """``call``, in the line ``line``, starts ``what``, which is to call the file's ``function``."""

    call: str
    line: int
    what: str
    function: str


def find_own_search(source: bytes, function: str | None) -> OwnSearch | None:
    """The search that each run of the Python file ``source`` starts for certain, or None.

    Without a ``function`` it is run as a script, else imported, and the function called. What
    stands under a condition is left alone: many a script has a switch for it.
    """
    tree = parse(source)
    if tree is None:
        return None
    functions = {s.name: s for s in tree.body if isinstance(s, _Function)}
    calls = list(_calls(tree.body, functions, as_script=function is None))
    if function in functions:
        calls += _calls(functions[function].body, functions, as_script=False)
    for name in _CALLS:
        for call in calls:
            if dotted(call.func) == name:
                given = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "function")]
                called = next((a.id for a in given if isinstance(a, ast.Name)), "")
                return OwnSearch(name, call.lineno, _CALLS[name], called)
    return None


def _calls(
    body: Sequence[ast.stmt], functions: Mapping[str, _Function], *, as_script: bool
) -> Iterator[ast.Call]:
    """The calls that these statements make for certain, and those of the functions they call."""
    for statement in body:
        if isinstance(statement, (_Function, ast.ClassDef)):
            continue
        nodes = list(ast.walk(statement))
        if isinstance(statement, ast.If) and is_guard(statement):
            yield from _calls(
                statement.body if as_script else statement.orelse, functions, as_script=as_script
            )
        elif isinstance(statement, (ast.With, ast.Try)):
            yield from _calls(statement.body, functions, as_script=as_script)
        elif isinstance(statement, (ast.Expr, ast.Assign)):
            for call in () if any(isinstance(n, _SKIPS) for n in nodes) else tuple(nodes):
                if not isinstance(call, ast.Call):
                    continue
                yield call
                if (name := dotted(call.func)) in functions:
                    others = {key: one for key, one in functions.items() if key != name}
                    yield from _calls(functions[name].body, others, as_script=as_script)
                    nodes += filter(_exits, ast.walk(functions[name]))
        if any(isinstance(node, ast.Return) or _exits(node) for node in nodes):
            return


def _exits(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func) in _EXITS


def started_by(words: list[str]) -> str:
    """What a command starts that is no trial: a launch, an agent; empty for all others."""
    words = [word.rpartition("/")[2] for word in words[:1]] + words[1:]
    if words and words[0].startswith("python") and words[1:2] == ["-m"]:
        words = words[2:]
    return _COMMANDS.get((words[0], words[1]), "") if len(words) > 1 else ""
