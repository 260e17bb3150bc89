"""New runs: made whole in a hidden directory, then given their name.

So a run is seen whole or not at all, and has an owner from the beginning.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError
from sweeper.tree import (
    STAGING,
    Lease,
    Monitored,
    RunPaths,
    Tree,
    files,
    group_canonicals,
    next_run_name,
    plain,
)

from .provenance import Origin, new_record


@dataclass(frozen=True)
class Staged:
    """A whole run that nobody sees yet, in a hidden directory."""

    path: Path
    record: dict[str, Any]
    params: dict[str, Any]
    lease: Lease
    diff: bytes


@contextlib.contextmanager
def stage(
    tree: Tree,
    params: Mapping[str, Any],
    monitored: Monitored,
    origin: Origin,
    parent: Mapping[str, Any] | None = None,
    anew: bool = False,
) -> Iterator[Staged]:
    """A whole run in a hidden directory, owned by us; removed unless it is published.

    With a ``parent`` (as run.json has it) it is made for another process, which begins its first
    attempt. ``anew`` is as in :meth:`Tree.make`.
    """
    group_canonicals(params, monitored)  # complain before anything is written
    tree.check()
    stored = plain(params, allow_nan=True)
    files.check_json(stored)
    tree.make(anew)
    record, diff = new_record(tree.base, monitored, origin, parent)
    path = tree.base / f"{STAGING}{os.getpid()}-{os.urandom(6).hex()}"
    files.make_directory(path)
    lease: Lease | None = None
    try:
        lease = Lease.create(path)
        paths = RunPaths(path)
        files.write_json(paths.hyperparameters, stored)
        files.write_json(paths.provenance, record)
        yield Staged(path, record, dict(params), lease, diff)
    finally:
        if lease is not None and lease.directory == path:
            lease.release()
        files.remove(path)


def publish(tree: Tree, monitored: Monitored, staged: Staged) -> Path:
    """Give the staged run its name, in the experiment of its parameters."""
    while True:
        experiment = tree.find(staged.params, monitored)
        with locked(tree.base / experiment):
            if tree.find(staged.params, monitored) == experiment:
                return give_name(tree, experiment, staged)


def give_name(tree: Tree, experiment: str, staged: Staged) -> Path:
    """Give the staged run its name: from now on others see it, and it is whole."""
    directory = tree.base / experiment
    files.sync_directory(staged.path)
    existing = files.names(directory)
    while True:
        name = next_run_name(existing, datetime.now())
        files.make_directory(directory)
        if files.move(staged.path, directory / name):
            break
        existing.append(name)
    files.sync_directory(directory)
    staged.lease.directory = directory / name
    if staged.diff:
        files.write_shared(RunPaths(directory / name).git_diff, staged.diff)
    return directory / name


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One process at a time decides what is new in an experiment.

    The lock goes with the process, so a crash leaves nothing behind. Storage without locks works
    too: leases and unique names still hold, and open_trial looks again.
    """
    files.make_directory(directory)
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise TreeError(f"{directory}: cannot be opened: {error}") from error
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
