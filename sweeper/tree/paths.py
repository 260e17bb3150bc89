"""Every path of a run and of a tree, each a property with a name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import files

_RUN_NAME = re.compile(r"run--([0-9]{2}(?:-[0-9]{2}){2}--[0-9]{2}-[0-9]{2})(?:-([0-9]{1,15}))?")


OWN = frozenset(
    (
        *("hyperparameters.json", "run.json", "performances.json", "outcome.json"),
        *("training-logs.csv", "output.log", "git.diff", "models", "backup", "aside", "work"),
    )
)
"""What sweeper itself reads and writes in a run, but for leases."""

_EXPERIMENT = re.compile(r"exp(-[0-9]+)+")


@dataclass(frozen=True)
class RunPaths:
    """The files of one run; ``root`` is its directory, absolute."""

    root: Path

    @property
    def hyperparameters(self) -> Path:
        """The whole parameter dict, as given."""
        return self.root / "hyperparameters.json"

    @property
    def provenance(self) -> Path:
        """Sweep, trial, seed, versions, attempts."""
        return self.root / "run.json"

    @property
    def training_logs(self) -> Path:
        """One row per epoch."""
        return self.root / "training-logs.csv"

    @property
    def performances(self) -> Path:
        """Best and last epoch, elapsed seconds."""
        return self.root / "performances.json"

    @property
    def outcome(self) -> Path:
        """How the run ended; absent while it has not."""
        return self.root / "outcome.json"

    @property
    def models(self) -> Path:
        """The saved models."""
        return self.root / "models"

    @property
    def backup(self) -> Path:
        """What the run resumes from; removed when it ends."""
        return self.root / "backup"

    @property
    def output(self) -> Path:
        """Standard output and error of the run."""
        return self.root / "output.log"

    @property
    def git_diff(self) -> Path:
        """The uncommitted changes of the working tree, when they are small."""
        return self.root / "git.diff"

    @property
    def aside(self) -> Path:
        """Where torn and foreign files are moved, never deleted."""
        return self.root / "aside"

    @property
    def work(self) -> Path:
        """Where a trial of `cwd: run` starts: its program's own, but for the links in it."""
        return self.root / "work"

    @property
    def others(self) -> list[str]:
        """The names of what is none of these, nor W&B's: files of the user's own."""
        own = (".", "lease.")
        names = [n for n in files.names(self.root) if n not in OWN and n != "wandb"]
        for place, _, found in os.walk(self.work):
            names += [n for n in found if not os.path.islink(os.path.join(place, n))]
        return [n for n in names if not n.startswith(own)]


@dataclass(frozen=True)
class TreePaths:
    """The directories of a tree; ``base`` is ``exp_base_dir``, absolute."""

    base: Path

    @property
    def debug(self) -> Path:
        """The tree of the runs whose parameters say ``debug: true``."""
        return self.base / "debug"

    @property
    def sweeps(self) -> Path:
        """What belongs to each sweep as a whole, by its name."""
        return self.base / "sweeps"

    @property
    def programs(self) -> Path:
        """The copies of programs and their modules, as runs have run them."""
        return self.base / "programs"

    def experiment(self, experiment: str) -> Path:
        """The directory of an experiment."""
        return self.base / experiment


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
