"""Making new runs and opening existing ones, so that each has exactly one owner."""

from __future__ import annotations

import contextlib
import fcntl
import logging
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
    RunRecord,
    Tree,
    files,
    group_canonicals,
    groups_as_stored,
    next_run_name,
    plain,
    runs_of_trial,
    trial_state,
)

from . import provenance
from .run import Run, close_attempt
from .settings import Settings

log = logging.getLogger("sweeper.experiment")


@dataclass(frozen=True)
class Origin:
    """Whose run it is, and on what it runs; a run of a script or notebook has no sweep."""

    seed: int
    sweep: str | None = None
    trial: int | None = None
    replicate: int = 0
    program: str | None = None
    cpus: float | None = None
    gpus: list[str] | None = None


@dataclass(frozen=True)
class Staged:
    """A whole run that nobody sees yet, in a hidden directory."""

    path: Path
    record: dict[str, Any]
    params: dict[str, Any]
    lease: Lease
    diff: bytes


def new_run(
    tree: Tree, params: Mapping[str, Any], monitored: Monitored, origin: Origin, settings: Settings
) -> Run:
    """Make a run of ``params``; for a sweep's trial see :func:`open_trial`."""
    with stage(tree, params, monitored, origin) as staged:
        path = publish(tree, monitored, staged)
        return Run(RunPaths(path), staged.record, staged.params, staged.lease, settings)


def publish(tree: Tree, monitored: Monitored, staged: Staged) -> Path:
    """Give the staged run its name, in the experiment of its parameters."""
    while True:
        experiment = tree.find(staged.params, monitored)
        with _locked(tree.paths.experiment(experiment)):
            if tree.find(staged.params, monitored) == experiment:
                return _publish(tree, experiment, staged)


def open_trial(
    tree: Tree, params: Mapping[str, Any], monitored: Monitored, origin: Origin,
    settings: Settings, *, take_over: bool = False,
) -> Run:  # fmt: skip
    """Continue the unfinished run of a sweep's trial, or make its first one.

    Raises RunBusy if a living process owns it and not ``take_over``.
    """
    while True:
        experiment = tree.find(params, monitored)
        directory = tree.paths.experiment(experiment)
        if files.exists(directory):
            with _locked(directory):
                record = _unfinished(tree, experiment, origin)
                if record is not None:
                    try:
                        run = continue_run(
                            record, settings, params=params, take_over=take_over, origin=origin
                        )
                    except TreeError:
                        if files.exists(record.path):
                            raise
                        continue  # its maker found that another had made one before
                    if run is not None:
                        return run
                    continue  # it ended in this very moment: look again
        with stage(tree, params, monitored, origin) as staged, _locked(directory):
            if tree.find(params, monitored) != experiment:
                continue
            if _unfinished(tree, experiment, origin) is not None:
                continue
            path = _publish(tree, experiment, staged)
            run = Run(RunPaths(path), staged.record, staged.params, staged.lease, settings)
            rival = _unfinished(tree, experiment, origin, oldest=True)
            if rival is None or rival.path == run.path:
                return run
            # Only where the storage has no locks: two made the trial's run, the older one stays.
            # Out of sight first, and owned until then: nobody shall continue what is removed.
            hidden = staged.path.with_name(f"{staged.path.name}-lost")
            files.move(run.path, hidden)
            run.lease.release()
            files.remove(hidden)


def continue_run(
    record: RunRecord, settings: Settings, *, params: Mapping[str, Any] | None = None,
    take_over: bool = False, origin: Origin | None = None, counts: bool = True,
) -> Run | None:  # fmt: skip
    """Own an existing run and start another attempt; None if it has an outcome.

    Without ``counts`` no attempt is started: the run is only to be closed. Raises RunBusy, and
    TreeError if its provenance cannot be read.
    """
    paths = record.paths
    attempts = record.provenance.get("attempts")
    if not isinstance(attempts, list):
        raise TreeError(f"{paths.provenance}: expected the run's provenance, found a torn file")
    numbers = [a.get("number", 0) for a in attempts if isinstance(a, dict)]
    lease = Lease.acquire(paths.root, take_over=take_over, at_least=max(numbers, default=0) + 1)
    try:
        fresh = RunRecord(record.base, record.experiment, record.run)
        if fresh.outcome is not None:
            lease.release()
            return None
        _mend(fresh, params)
        entry = dict(fresh.provenance)
        if not counts:
            return Run(paths, entry, fresh.params, lease, settings)
        close_attempt(attempts)
        attempt = provenance.attempt(
            lease.number,
            cpus=origin.cpus if origin else None,
            gpus=origin.gpus if origin else None,
            epoch=None,
        )
        entry["attempts"] = [*attempts, attempt]
        run = Run(paths, entry, dict(params or fresh.params), lease, settings)
        attempt["resumed_from_epoch"] = run.resumed_epoch
        files.write_json(paths.provenance, entry, guard=lease.check)
        return run
    except BaseException:
        lease.release()
        raise


def _mend(record: RunRecord, params: Mapping[str, Any] | None) -> None:
    """Clear away what a killed owner left: scratch, staged backups, torn files (set aside)."""
    paths = record.paths
    for directory in (paths.root, paths.models):
        files.remove_scratch(directory)
    for name in files.names(paths.backup):
        if name.startswith("."):
            files.remove(paths.backup / name)
    for path in record.torn:
        if path == paths.training_logs or not files.exists(path):
            continue  # its whole rows are used, and it is mended when the next row is written
        log.warning("%s is torn; it was moved to %s", path, files.set_aside(path, paths.aside))
    if not files.exists(paths.hyperparameters) and params is not None:
        files.write_json(paths.hyperparameters, plain(params, allow_nan=True))
        vars(record).pop("params", None)


def _unfinished(
    tree: Tree, experiment: str, origin: Origin, oldest: bool = False
) -> RunRecord | None:
    if origin.sweep is None:
        return None
    runs = [
        run
        for run in tree.runs(experiment)
        if run.replicate == origin.replicate and run.sweep == origin.sweep
    ]
    runs = runs_of_trial(runs, origin.sweep, origin.trial)
    if oldest:
        return next((run for run in runs if run.outcome is None), None)
    state, record = trial_state(runs, origin.sweep, True, origin.trial)
    return record if state == "resumed" else None


@contextlib.contextmanager
def stage(
    tree: Tree, params: Mapping[str, Any], monitored: Monitored, origin: Origin,
    parent: Mapping[str, Any] | None = None,
) -> Iterator[Staged]:  # fmt: skip
    """A whole run in a hidden directory, owned by us; removed unless it is published.

    With a ``parent`` (as run.json has it) it is made for another process, which begins its first
    attempt.
    """
    group_canonicals(params, monitored)  # complain before anything is written
    stored = plain(params, allow_nan=True)
    program = origin.program
    if origin.sweep is None:  # a notebook lives long; a sweep's worker asks once
        provenance.git_state.cache_clear()
    git, diff = provenance.git_state(Path(program).parent if program else Path.cwd())
    found = provenance.versions()
    record: dict[str, Any] = {
        "format": provenance.FORMAT,
        "sweep": origin.sweep,
        "trial": origin.trial,
        "replicate": origin.replicate,
        "parent": None if parent is None else dict(parent),
        "seed": origin.seed,
        "monitored": groups_as_stored(monitored),
        "sweeper": found.get("sweeper"),
        "python": found["python"],
        "versions": {k: v for k, v in found.items() if k not in ("sweeper", "python")},
        "git": git,
        "program": provenance.program_state(program) if program else None,
        "attempts": [],
    }
    if parent is None:
        attempt = provenance.attempt(1, cpus=origin.cpus, gpus=origin.gpus, epoch=None)
        record["attempts"].append(attempt)
    files.make_directory(tree.base)
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


def _publish(tree: Tree, experiment: str, staged: Staged) -> Path:
    """Give the staged run its name: from now on others see it, and it is whole."""
    directory = tree.paths.experiment(experiment)
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
def _locked(directory: Path) -> Iterator[None]:
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


def adopt_run(path: Path, lease: Lease | int, settings: Settings, *, elapsed: float) -> Run:
    """The run that this trial has opened already, as it is now; no new attempt is started.

    Two processes of a trial take turns in writing into its run. The one that opened it keeps the
    lease alive and takes the run back with its ``lease``; the other one writes with the lease's
    number only. ``elapsed``: seconds of all attempts so far. Raises LeaseLost.
    """
    if isinstance(lease, int):
        lease = Lease(path, lease)
        lease.pid = 0  # not ours to give back
    lease.check()
    record = RunRecord.at(path)
    run = Run(record.paths, dict(record.provenance), record.params, lease, settings)
    run._elapsed_before = elapsed
    return run


def reopen(record: RunRecord, settings: Settings) -> Run:
    """A run that is over, to look at: its callbacks train nothing, and nothing is written."""
    lease = Lease(record.path, 0)
    run = Run(record.paths, dict(record.provenance), record.params, lease, settings)
    run.closed = run.reopened = True
    run.resumed_epoch = run.log.last_epoch
    return run


def close_run(
    path: Path,
    outcome: str,
    error: BaseException | dict[str, Any] | None = None,
    by: str = "driver",
) -> bool:
    """Give the run in ``path`` an outcome from outside, when its worker is gone or was stopped.

    Takes the run over: a worker that lives on loses it. False if it has an outcome already.
    """
    record = RunRecord.at(path)
    if record.outcome is not None:
        return False
    run = continue_run(record, Settings(), take_over=True, counts=False)
    return run is not None and run.close(outcome, error, by)
