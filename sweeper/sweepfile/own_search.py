"""A program that starts a search of its own in every trial: told from its syntax tree, never run.

Followed is what runs for certain: the statements of the file, in order, and its own functions that
they call by name. What stands under a condition is left alone: many a script has a switch for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .function_or_script import dotted, is_guard, parse

_AGENT, _WANDB_SWEEP = "W&B's own agent", "a sweep of W&B's own"
_CALLS = {"wandb.agent": _AGENT, "wandb.sweep": _WANDB_SWEEP}
_COMMANDS = {
    ("wandb", "agent"): _AGENT,
    ("wandb", "sweep"): _WANDB_SWEEP,
    ("sweeper", "launch"): "a launch of sweeper's",
}
_RUNNERS = ("run", "call", "check_call", "check_output", "Popen")
_RUNNERS_WHOLE = {"os.system", *(f"subprocess.{name}" for name in _RUNNERS)}
# What may be meant, a search within each trial: a call, or a method of what a call has made.
_SEARCHES = {"ray.tune.run": "a search of Ray Tune's"}
_OPTUNA = ("create_study", "load_study")
_KERAS_TUNER = ("RandomSearch", "BayesianOptimization", "Hyperband", "GridSearch")
_MAKERS = {
    **{f"optuna.{name}": ("optimize", "a search of Optuna's") for name in _OPTUNA},
    **{f"keras_tuner.{name}": ("search", "a search of KerasTuner's") for name in _KERAS_TUNER},
    "ray.tune.Tuner": ("fit", "a search of Ray Tune's"),
}
_EXITS = {"sys.exit", "exit", "quit", "os._exit"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class OwnSearch:
    """``call``, in the line ``line``, starts ``what``, which is to call the file's ``function``.

    ``sure``: each run of the file comes there. ``meant``: a search within a trial may be wanted.
    """

    call: str
    line: int
    what: str
    sure: bool
    meant: bool = False
    function: str = ""


def find_own_search(source: bytes, function: str | None) -> OwnSearch | None:
    """The search that the Python file ``source`` starts in each trial; None if none is seen.

    Without a ``function`` it is run as a script, else imported, and the function called.
    """
    tree = parse(source)
    if tree is None:
        return None
    reader = _Reader(tree, as_script=function is None)
    reader.run(tree.body, True)
    if function in reader.functions:
        reader.run(reader.functions[function].body, True)
    found = [f for f in reader.found if f.sure or not f.meant]
    return min(found, key=lambda f: (f.meant, not f.sure, f.what == _WANDB_SWEEP), default=None)


def started_by(words: list[str]) -> str:
    """What a command starts that is no trial: a launch, an agent; empty for all others."""
    words = [word.rpartition("/")[2] for word in words[:1]] + words[1:]
    if words and words[0].startswith("python") and words[1:2] == ["-m"]:
        words = words[2:]
    return _COMMANDS.get((words[0], words[1]), "") if len(words) > 1 else ""


class _Reader:
    def __init__(self, tree: ast.Module, *, as_script: bool) -> None:
        self.as_script = as_script
        self.found: list[OwnSearch] = []
        self.functions = {s.name: s for s in tree.body if isinstance(s, _Function)}
        self._entered: set[tuple[str, bool]] = set()
        self._imported: dict[str, str] = {}  # what the file calls it -> what it is
        made: dict[str, set[str]] = {}  # a variable -> the calls whose results it is given
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    self._imported[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Assign):
                call = dotted(node.value.func) if isinstance(node.value, ast.Call) else ""
                for target in node.targets:
                    made.setdefault(dotted(target), set()).add(call)
        for name in (*self.functions, *made):
            self._imported.pop(name, None)  # the file's own, perhaps
        self._made = {name: calls.pop() for name, calls in made.items() if len(calls) == 1}

    def run(self, body: list[ast.stmt], sure: bool) -> bool:
        """Look at statements that run one after the other, ``sure``: for certain, so far.

        Returns whether what follows them is reached for certain.
        """
        for statement in body:
            if isinstance(statement, (_Function, ast.ClassDef)):
                continue
            for call in _calls(statement):
                sure = self._call(call, sure)
            if isinstance(statement, ast.If):
                if is_guard(statement):
                    sure = self.run(statement.body if self.as_script else statement.orelse, sure)
                    continue
            elif isinstance(statement, (ast.With, ast.AsyncWith)):
                sure = self.run(statement.body, sure)
                continue
            elif isinstance(statement, ast.Try):
                self.run(statement.orelse, self.run(statement.body, sure))
                self.run(statement.finalbody, sure)
            elif isinstance(statement, (ast.For, ast.AsyncFor, ast.While)):
                self.run(statement.body, False)
            elif isinstance(statement, (ast.Return, ast.Raise)) or _may_leave([statement]):
                return False
            sure = sure and not _may_leave([statement])
        return sure

    def _call(self, node: ast.Call, sure: bool) -> bool:
        name, words = self._name(dotted(node.func)), _words(node)
        if what := _CALLS.get(name):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "function")]
            function = next((a.id for a in given if isinstance(a, ast.Name)), "")
            self.found.append(OwnSearch(name, node.lineno, what, sure, function=function))
            return sure
        if name in _RUNNERS_WHOLE and (what := started_by(words)):
            self.found.append(OwnSearch(name, node.lineno, what, sure))
        elif what := _SEARCHES.get(name) or self._searcher(node.func):
            shown = ast.unparse(node.func)
            self.found.append(OwnSearch(shown, node.lineno, what, sure, meant=True))
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self._enter(dotted(argument), False)  # `app.run(main)`, `Process(target=main)`
        return self._enter(dotted(node.func), sure)

    def _enter(self, name: str, sure: bool) -> bool:
        """Look at a function of the file's own that is called, or handed to a call."""
        if name not in self.functions:
            return sure
        body = self.functions[name].body
        if (name, sure) not in self._entered:
            self._entered.add((name, sure))
            self.run(body, sure)
        return sure and not _may_leave(body, returns=False)

    def _searcher(self, called: ast.expr) -> str:
        """What starts with this method of an object that one of the libraries has made."""
        if not isinstance(called, ast.Attribute):
            return ""
        made = self._made.get(dotted(called.value), "")
        if isinstance(called.value, ast.Call):
            made = dotted(called.value.func)
        method, what = _MAKERS.get(self._name(made), ("", ""))
        return what if called.attr == method else ""

    def _name(self, called: str) -> str:
        """``wandb.agent``, however the file calls it; what it does not import has no name."""
        first, dot, rest = called.partition(".")
        return self._imported.get(first, "") + dot + rest


def _may_leave(body: list[ast.stmt], returns: bool = True) -> bool:
    """Whether a statement may end the file, or with ``returns`` the function that it is in."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, (_Function, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Return) and returns:
            return True
        if isinstance(node, ast.Call) and dotted(node.func) in _EXITS:
            return True
        todo += ast.iter_child_nodes(node)
    return False


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls made for certain as the statement itself runs, not the statements in it."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.BoolOp):
            children = children[1:2]  # after the operator; the rest may be skipped
        elif isinstance(node, ast.IfExp):
            children = [node.test]
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            children = [node.generators[0].iter]
        later = (ast.stmt, ast.Lambda, ast.ExceptHandler, ast.match_case)
        todo += reversed([child for child in children if not isinstance(child, later)])


def _words(node: ast.Call) -> list[str]:
    """The words of the command that a call starts, as far as they are written there."""
    given = node.args[0] if node.args else None
    if isinstance(given, ast.Constant):
        return str(given.value).split()
    words: list[str] = []
    for word in given.elts if isinstance(given, (ast.List, ast.Tuple)) else ():
        if not isinstance(word, ast.Constant):
            break
        words.append(str(word.value))
    return words
