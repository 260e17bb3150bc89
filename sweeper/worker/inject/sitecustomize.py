"""Runs when a script's Python starts: seeds it, and the sweep hears of its fits and W&B's logs.

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
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

_begun: dict[str, tuple[Any, int]] = {}  # W&B runs that have not ended, and the process of each
known: list[str] = []  # W&B runs that have begun in this process, in order
told: set[str] = set()  # the names of what they have logged
# Logged with commit=False: belongs to what is logged next.
_waiting: dict[str, dict[str, Any]] = {}
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
_files: list[int] = []  # how many local modules were told of, each time


class Finder:
    """Finds nothing itself: lets the others find a module, then calls what is ``hooked`` to it."""

    def __init__(self, hooked: dict[str, Callable[[Any], None]]) -> None:
        self.hooked = hooked

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self.hooked:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                with contextlib.suppress(Exception):
                    _hook(spec.loader, self.hooked[name])
                return spec
        return None


def _hook(loader: Any, add: Callable[[Any], None]) -> None:
    load = loader.exec_module

    def exec_module(module: Any) -> None:
        load(module)
        with contextlib.suppress(Exception):
            add(module)

    loader.exec_module = exec_module


def _wrap(kind: str | None, wrappers: dict[str, Callable[[Any], Any]], module: Any) -> None:
    """Put a wrapper around what scripts call of a module of wandb, or of its class ``kind``."""
    place = getattr(module, kind, type) if kind else module
    missing = []
    for name, wrap in wrappers.items():
        if name in vars(place):
            setattr(place, name, wrap(vars(place)[name]))
        elif not hasattr(place, name):
            missing.append(name)
    if missing:
        where = f"{module.__name__}.{kind}" if kind else module.__name__
        names = ", ".join(missing)
        sys.stderr.write(
            f"sweeper: this version of wandb has no {names} in {where}: "
            "the sweep may not hear all that this script tells W&B\n"
        )


def _begins(init: Any) -> Any:
    """``wandb.init`` that tells the sweep which run has begun."""

    @functools.wraps(init)
    def begins(*args: Any, **kwargs: Any) -> Any:
        with contextlib.suppress(Exception):  # a fold's process may have cleared what is W&B's
            for name, value in json.loads(os.environ["SWEEPER_WANDB"]).items():
                os.environ.setdefault(name, value)
        run = init(*args, **kwargs)
        with contextlib.suppress(Exception):
            if _begun.get(run.id, (run, 0))[1] != os.getpid():
                _begun[run.id] = (run, os.getpid())
                atexit.unregister(_at_exit)
                atexit.register(_at_exit)  # so before wandb's own
                if processes := sys.modules.get("multiprocessing.util"):  # whose ends are others
                    processes.Finalize(None, _at_exit, exitpriority=0)
                labels = (kwargs.get(name) for name in ("group", "job_type", "name"))
                first = first_rank() and kwargs.get("mode") != "disabled"  # as other ranks do
                begun = {"swept": _swept(), "first": first, "labelled": any(labels)}
                _append({}, run, begun=begun)
        return run

    return begins


def _swept() -> bool:
    """Whether what W&B begins in this process has the sweep's parameters."""
    return "WANDB_SWEEP_PARAM_PATH" in os.environ


def first_rank() -> bool:
    """Whether this process is the first, or the only one, of a distributed training."""
    with contextlib.suppress(Exception):
        distributed = sys.modules["torch.distributed"]
        if distributed.is_initialized():
            return bool(distributed.get_rank() == 0)
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def _logs(log: Any) -> Any:
    """``Run.log`` that tells the sweep what was logged, once W&B has taken it."""

    @functools.wraps(log)
    def logs(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        result = log(self, data, *args, **kwargs)
        with contextlib.suppress(Exception):
            given = dict(zip(("step", "commit"), args), **kwargs)  # noqa: B905 (Python 3.9)
            waiting = _waiting.setdefault(self.id, {})
            waiting.update(numbers(data))
            if given.get("step") is not None:
                waiting["step"] = float(given["step"])
            if given.get("commit") is not False:
                _flush(self)
        return result

    return logs


def _flush(run: Any) -> None:
    line = _waiting.pop(run.id, {})
    if line.keys() - {"step"}:
        _append(line, run)


def _ends(method: Any) -> Any:
    """A method that ends a run, and before tells the sweep what is in the run's summary."""

    @functools.wraps(method)
    def ends(self: Any, *args: Any, **kwargs: Any) -> Any:
        with contextlib.suppress(Exception):
            _end(self)
        return method(self, *args, **kwargs)

    return ends


def _end(run: Any) -> None:
    if _begun.get(run.id, (run, 0))[1] != os.getpid():
        return  # ended already, or begun by the process that we are a fork of
    del _begun[run.id]
    _flush(run)
    summary: dict[str, Any] = {}
    with contextlib.suppress(Exception):
        # At once where it can be, not asking W&B's helper for each name.
        held = getattr(type(run.summary), "_as_dict", dict)(run.summary)
        own = ("_step", "_runtime", "_timestamp", "_wandb")
        summary = numbers({name: value for name, value in held.items() if name not in own})
    _append(summary, run, ended=True)


def _at_exit() -> None:
    for run, _ in list(_begun.values()):
        with contextlib.suppress(Exception):
            _end(run)


def _names_sweep(sweep_id: Any) -> Any:
    """``Run.sweep_id``, which W&B knows of its own sweeps alone."""

    def named(self: Any) -> Any:
        return sweep_id.fget(self) or (os.environ.get("SWEEPER_SWEEP") if _swept() else None)

    return property(named, doc=sweep_id.__doc__)


# What is added to a module as it is loaded. A disabled run of wandb has a class of its own.
_HOOKED: dict[str, Callable[[Any], None]] = {
    "wandb.sdk.wandb_init": functools.partial(_wrap, None, {"init": _begins}),
    "wandb.sdk.wandb_run": functools.partial(
        _wrap,
        "Run",
        {"log": _logs, "finish": _ends, "__exit__": _ends, "sweep_id": _names_sweep},
    ),
    "wandb.sdk.lib.noop_run": functools.partial(_wrap, "NoopRun", {"log": _logs, "finish": _ends}),
}


def numbers(data: Any, prefix: str = "") -> dict[str, float]:
    """What is a number in ``data``, and in its groups as ``group.name``."""
    found: dict[str, float] = {}
    for name, value in data.items():
        name = f"{prefix}{name}"
        if isinstance(value, dict):
            if "_type" not in value:  # else it is W&B's word for an image or the like
                found |= numbers(value, f"{name}.")
        elif hasattr(value, "__float__") and not isinstance(value, type):
            with contextlib.suppress(Exception):
                if shape := tuple(getattr(value, "shape", ()) or ()):
                    if any(size != 1 for size in shape):
                        continue
                    value = value if hasattr(value, "item") else value.numpy()
                value = value.item() if hasattr(value, "item") else value
                found[name] = float(value)
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
        write({"sweeper": "modules", "files": found})


def _append(metrics: dict[str, Any], run: Any, **news: Any) -> None:
    """Tell the sweep what a W&B run says."""
    metrics.pop("epoch", None)  # W&B's count from 0 as often as from 1: the sweep counts for itself
    if "begun" in news:
        known.append(run.id)
    told.update(metrics)
    if fits := sys.modules.get("sweeper.script_fit"):
        fits.hear(metrics, run.id, ended="ended" in news)
    line = {**metrics, "sweeper": {"wandb": run.id, "pid": os.getpid(), **news}}
    tell_modules()
    write(line)


def write(line: dict[str, Any]) -> None:
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
        sys.meta_path.insert(0, Finder(_HOOKED))
        sys.modules["_sweeper_hook"] = sys.modules["sitecustomize"]  # for sweeper.report
        atexit.register(tell_modules, at_exit=True)
        with contextlib.suppress(Exception):
            import _sweeper_seed  # type: ignore[import-not-found]

            _HOOKED.update(dict.fromkeys(_sweeper_seed.LOADED, _sweeper_seed.loaded))
            _sweeper_seed.begin(_RANKS)
        with contextlib.suppress(Exception):
            import _sweeper_scalars  # type: ignore[import-not-found]

            _HOOKED.update(_sweeper_scalars.LOADED)
        if os.environ.get("SWEEPER_HOOK") != "off":
            with contextlib.suppress(Exception):
                import _sweeper_keras  # type: ignore[import-not-found]

                _HOOKED.update(_sweeper_keras.LOADED)
                _sweeper_keras.begin(_sweeper_seed.runs_own_file())
    _chain()
