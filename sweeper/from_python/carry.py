"""How a function reaches the processes of its trials: by its name in a module, a file, or cells."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile import call_command, names_callbacks, names_params

from .cells import cells_of, module_text, set_too_late

_SHAPES = "train(params, callbacks), train(params, callbacks, run), train(config) or train()"
_BUILDER = re.compile(r"\bhp\.(Int|Float|Choice|Boolean|Fixed)\(")
_NONE = inspect.Parameter.empty


@dataclass(frozen=True)
class Carried:
    """What a sweep file says of a function: ``program``, and the ``command`` if it has one.

    ``cells`` is the text of the module that is yet to be written there; ``place`` belongs on the
    import path; ``name`` is what the sweep is called by default, None for a notebook without name.
    """

    program: str
    command: list[str] | None
    file: Path | None
    name: str | None
    place: str | None = None
    cells: str | None = None


def carry(train: Callable[..., Any]) -> Carried:
    """Name ``train`` so that every process of a launch finds it.

    Raises UsageError for a function that has no such name (a lambda, a nested one, a method), or
    is not called as a trial is.
    """
    name = _name(train)
    shape = _shape(train, name)
    module = sys.modules.get(train.__module__)
    if module is None or vars(module).get(name) is not train:
        raise UsageError(
            f"sweeper.launch: expected a function that its module knows by its name, but {name} of "
            f"{train.__module__} is another one: launch that, or give this one a name of its own"
        )
    spec = getattr(module, "__spec__", None)
    dotted = spec.name if spec is not None else module.__name__
    main = module.__name__ == "__main__"
    file = _file(module)
    arguments = sys.argv[1:] if main and file else []
    if main and file and (late := set_too_late(file.read_text(encoding="utf-8-sig"), name)):
        raise UsageError(
            f"sweeper.launch: {name} needs {', '.join(sorted(late))}, which {file.name} sets below "
            "`if __name__ == '__main__':` or after a launch, to where no trial comes: set it "
            "before, or make it a parameter"
        )
    command = None if shape is None else call_command(shape, arguments)
    called = "" if command else f":{name}"
    if file is None:
        shell = cells_of()
        if shell is None:
            raise UsageError(
                f"sweeper.launch: {name} stands in no file: write it to one, and launch from there"
            )
        session = os.environ.get("JPY_SESSION_NAME", "")
        stem = Path(session).stem if session.endswith(".ipynb") else None
        text = module_text(shell, name)
        return Carried(f"notebook.py{called}", command, None, stem, cells=text)
    program, place = str(file), None
    if "." in dotted:  # of a package, which may import its neighbours relatively
        program = dotted
        up = len(dotted.split(".")) - (file.stem != "__init__")
        place = str(file.parents[up])
    return Carried(f"{program}{called}", command, file, file.stem, place)


def _name(train: Any) -> str:
    what = ""
    if not inspect.isfunction(train):
        what = f"{type(train).__name__} {train!r:.60}"
    elif train.__name__ == "<lambda>":
        what = "a lambda"
    elif "<locals>" in train.__qualname__:
        what = f"{train.__name__}, which is defined inside another function"
    elif "." in train.__qualname__:
        what = f"the method {train.__qualname__}"
    if what:
        raise UsageError(
            "sweeper.launch: expected a function that a trial's process can find by its name, "
            f"found {what}: write a `def` at the top level of a file or cell"
        )
    return str(train.__name__)


def _shape(train: Callable[..., Any], name: str) -> str | None:
    """``train()`` or ``train(config)`` of a function that is not given callbacks."""
    parameters = inspect.signature(train).parameters.values()
    given = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is _NONE for p in given)
    keywords = any(p.kind == p.KEYWORD_ONLY and p.default is _NONE for p in parameters)
    if keywords or required > 3 or inspect.iscoroutinefunction(train):
        shown = f"{name}{inspect.signature(train)}"
        raise UsageError(f"sweeper.launch: expected {_SHAPES}, found {shown}")
    if required >= 2 or (len(given) >= 2 and names_callbacks(given[1].name)):
        return None
    if given and given[0].name == "hp" and _BUILDER.search(_source(train)):
        raise UsageError(
            f"sweeper.launch: {name}(hp) builds a model for KerasTuner, and does not say on what "
            "to train it: write train(params, callbacks) that does both; `sweeper convert --from "
            "keras-tuner FILE` prints its search space"
        )
    if required == 1 or (given and given[0].default is None and names_params(given[0].name)):
        return f"{name}(config)"
    return f"{name}()"


def _source(train: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(train)
    except OSError:
        return ""


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file and file.endswith(".py") and os.path.isfile(file) else None
