"""Every path of a run, each with a name, and the names of runs and experiments."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import files

_RUN_NAME = re.compile(r"run--([0-9]{2}(?:-[0-9]{2}){2}--[0-9]{2}-[0-9]{2})(?:-([0-9]{1,15}))?")
_EXPERIMENT = re.compile(r"exp(-[0-9]+)+")


class _Below:
    """What lies below a ``root`` under this name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, paths: RunPaths, kind: type) -> Path:
        return paths.root / self.name


@dataclass(frozen=True)
class RunPaths:
    """The files of one run; ``root`` is its directory, absolute."""

    root: Path

    hyperparameters = _Below("hyperparameters.json")
    provenance = _Below("run.json")
    training_logs = _Below("training-logs.csv")
    performances = _Below("performances.json")
    outcome = _Below("outcome.json")
    models = _Below("models")
    backup = _Below("backup")
    output = _Below("output.log")
    git_diff = _Below("git.diff")
    aside = _Below("aside")  # torn and foreign files are moved there, never deleted
    work = _Below("work")  # where a trial of `cwd: run` starts: its own, but for the links in it

    @property
    def others(self) -> list[str]:
        """The names of what is none of these, nor W&B's: files of the user's own."""
        own = (".", "lease.")
        names = [n for n in files.names(self.root) if n not in OWN and n != "wandb"]
        for place, _, found in os.walk(self.work):
            names += [n for n in found if not os.path.islink(os.path.join(place, n))]
        return [n for n in names if not n.startswith(own)]


OWN = frozenset(path.name for path in vars(RunPaths).values() if isinstance(path, _Below))
"""What sweeper itself reads and writes in a run, but for leases."""


def is_experiment_name(name: str) -> bool:
    """Is this how an experiment's directory is called?"""
    return _EXPERIMENT.fullmatch(name) is not None


def is_run_name(name: str) -> bool:
    """Is this how a run's directory is called?"""
    return _RUN_NAME.fullmatch(name) is not None


def run_order(name: str) -> tuple[str, int]:
    """The key that sorts run names by age: ``-2`` comes before ``-10``."""
    match = _RUN_NAME.fullmatch(name)
    return (match[1], int(match[2] or 1)) if match else (name, 0)


def next_run_name(existing: list[str], now: datetime) -> str:
    """The name of a new run beside ``existing``: later than all of them, whatever the clock says.

    A clock that jumped back would otherwise make the newest run look like an old one.
    """
    stamp = f"{now:%y-%m-%d--%H-%M}"
    latest = max((run_order(name) for name in existing if is_run_name(name)), default=("", 0))
    if latest[0] >= stamp:
        return f"run--{latest[0]}-{latest[1] + 1}"
    return f"run--{stamp}"
