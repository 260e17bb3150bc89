"""Runs when a script's Python starts: what the script logs to W&B reaches its sweep as well.

Lives in a stranger's process, perhaps in another environment: it needs the standard library alone,
and whatever goes wrong here goes unseen.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

# Modules of wandb with a class whose ``log`` is what ``wandb.log`` and ``run.log`` call; a
# disabled run has its own.
_HOOKED = {"wandb.sdk.wandb_run": "Run", "wandb.sdk.lib.noop_run": "NoopRun"}
_files: list[int] = []  # how many local modules were told of, each time


class _Finder:
    """Finds nothing itself: lets the others find wandb's modules, then adds to what they load."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _HOOKED:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                with contextlib.suppress(Exception):
                    _hook(spec.loader, _HOOKED[name])
                return spec
        return None


def _hook(loader: Any, name: str) -> None:
    load = loader.exec_module

    def exec_module(module: Any) -> None:
        load(module)
        with contextlib.suppress(Exception):
            kind = getattr(module, name)
            if "log" in vars(kind):
                kind.log = _told(kind.log)

    loader.exec_module = exec_module


def _told(log: Any) -> Any:
    """``Run.log`` that tells the sweep what was logged, once W&B has taken it."""
    waiting: dict[str, Any] = {}  # logged with commit=False: belongs to the next that is not

    @functools.wraps(log)
    def told(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        result = log(self, data, *args, **kwargs)
        with contextlib.suppress(Exception):
            given = dict(zip(("step", "commit"), args), **kwargs)  # noqa: B905 (Python 3.9)
            waiting.update(_numbers(data))
            if given.get("commit") is not False and waiting:
                line = dict(waiting)
                waiting.clear()
                # W&B's epochs count from 0 as often as from 1: the sweep counts for itself.
                line.pop("epoch", None)
                if given.get("step") is not None:
                    line["step"] = float(given["step"])
                _append(line)
        return result

    return told


def _numbers(data: Any) -> dict[str, Any]:
    """What is a number in ``data``; groups stay groups."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found[str(name)] = _numbers(value)
        elif (
            hasattr(value, "__float__")
            and not isinstance(value, type)
            and tuple(getattr(value, "shape", ()) or ()) == ()
        ):
            with contextlib.suppress(Exception):
                found[str(name)] = float(value)
    return found


def tell_modules(at_exit: bool = False) -> None:
    """Say which local modules this process has loaded: at its first report, and at its end."""
    root = os.environ.get("SWEEPER_PROGRAM_ROOT")
    if not root or (_files and not at_exit):
        return
    standard = os.path.dirname(os.path.realpath(os.__file__))
    found = []
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):  # a lazy module would load itself for an attribute
            file = os.path.realpath(object.__getattribute__(module, "__dict__")["__file__"])
            installed = "site-packages" in file or "dist-packages" in file
            if file.startswith(root + os.sep) and not installed and not file.startswith(standard):
                found.append(file)
    _files.append(len(found))
    with contextlib.suppress(Exception):
        _write({"sweeper": "modules", "files": found})


def _append(line: dict[str, Any]) -> None:
    tell_modules()
    _write(line)


def _write(line: dict[str, Any]) -> None:
    """One write: lines of several processes do not mix."""
    path = os.environ["SWEEPER_REPORT_FILE"]
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def _chain() -> None:
    """Run the ``sitecustomize`` that would have run without this one."""
    here = os.path.realpath(os.path.dirname(__file__))
    others = [place for place in sys.path if os.path.realpath(place) != here]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    if os.environ.get("SWEEPER_REPORT_FILE"):
        sys.meta_path.insert(0, _Finder())
        sys.modules["_sweeper_hook"] = sys.modules["sitecustomize"]  # for sweeper.report
        atexit.register(tell_modules, at_exit=True)
    _chain()
