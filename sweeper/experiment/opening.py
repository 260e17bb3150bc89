"""Opening runs, new ones and those that exist, so that each has exactly one owner."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper import store
from sweeper.errors import TreeError
from sweeper.tree import (
    Lease,
    Monitored,
    PlannedTrial,
    Program,
    ProgramCheck,
    RunPaths,
    RunRecord,
    Tree,
    files,
    is_self,
    living_owner,
    plain,
    runs_of_replicate,
    runs_of_trial,
    silent_until,
    trial_state,
)

from .child_runs import go_on_from
from .output import add_line
from .provenance import Origin, attempt, source_of
from .run import Run
from .settings import Settings
from .staging import give_name, locked, publish, stage

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep

log = logging.getLogger("sweeper.experiment")


def new_run(
    tree: Tree, params: Mapping[str, Any], monitored: Monitored, origin: Origin, settings: Settings
) -> Run:
    """Make a run of ``params``; for a sweep's trial see :func:`open_trial`."""
    with stage(tree, params, monitored, origin, anew=True) as staged:
        path = publish(tree, monitored, staged)
        return Run(RunPaths(path), staged.record, staged.params, staged.lease, settings)


def open_trial(
    tree: Tree,
    params: Mapping[str, Any],
    monitored: Monitored,
    origin: Origin,
    settings: Settings,
    *,
    passed_over: Collection[str] = (),
    continues: str | None = None,
    take_over: bool = False,
    guard: files.Guard = lambda: None,
    anew: bool = False,
) -> Run:
    """Continue the unfinished run of a sweep's trial, or make its first one.

    Where a good one lies in the tree that one is given, ``reopened``: nothing is trained twice.
    ``passed_over`` are runs (names) that are not the trial's; a new run goes on where
    ``continues``, a failed one of these, was backed up. ``guard`` raises where no run is to be
    opened any more; ``anew`` makes the tree, too. Raises RunBusy if a living process owns it and
    not ``take_over``, TreeError where a run cannot be read that may be the trial's.
    """
    while True:
        guard()
        experiment = tree.find(params, monitored)
        directory = tree.base / experiment
        if files.exists(directory):
            with locked(directory):
                state, record = _there(tree, experiment, origin, passed_over)
                if record is not None:
                    if state == "reused":
                        return reopen(record, settings)
                    try:
                        run = continue_run(record, settings, origin, params, take_over)
                    except TreeError:
                        if files.exists(record.path):
                            raise
                        continue  # its maker found that another had made one before
                    if run is not None:
                        return run
                    continue  # it ended in this very moment: look again
        with stage(tree, params, monitored, origin, anew=anew) as staged, locked(directory):
            if tree.find(params, monitored) != experiment:
                continue
            if _there(tree, experiment, origin, passed_over)[1] is not None:
                continue
            if continues is not None:
                go_on_from(RunRecord(tree.base, experiment, continues), staged)
            path = give_name(tree, experiment, staged)
            run = Run(RunPaths(path), staged.record, staged.params, staged.lease, settings)
            rivals, _ = _runs_there(tree, experiment, origin, passed_over)
            oldest = next(r for r in rivals if r.outcome is None and r.sweep == origin.sweep)
            if oldest.path == run.path:
                return run
            # Only where the storage has no locks: two made the trial's run, the older one stays.
            # Out of sight first, and owned until then: nobody shall continue what is removed.
            hidden = staged.path.with_name(f"{staged.path.name}-lost")
            files.move(run.path, hidden)
            run.lease.release()
            files.remove(hidden)


def continue_run(
    record: RunRecord,
    settings: Settings,
    origin: Origin | None,
    params: Mapping[str, Any] | None = None,
    take_over: bool = False,
) -> Run | None:
    """Own an existing run and start another attempt; None if it has an outcome.

    Without an ``origin`` no attempt is started: the run is only to be closed. Raises RunBusy, and
    TreeError if its provenance cannot be read.
    """
    paths = record.paths
    _refuse_foreign(record)
    attempts = record.attempts
    if not {"attempts", "seed"} <= record.provenance.keys():
        raise TreeError(f"{paths.provenance}: expected the run's provenance, found a torn file")
    numbers = [a.get("number", 0) for a in attempts]
    why = _why_it_stopped(living_owner(paths.root))
    lease = Lease.acquire(paths.root, take_over=take_over, at_least=max(numbers, default=0) + 1)
    try:
        fresh = RunRecord.at(paths.root)
        if fresh.outcome is not None:
            lease.release()
            return None
        _mend(fresh, params)
        entry = dict(fresh.provenance)
        if origin is None:
            return Run(paths, entry, fresh.params, lease, settings)
        if attempts and attempts[-1].get("ended") is None:
            add_line(paths.output, f"interrupted: {why}", lease.check)
            attempts[-1] = {**attempts[-1], "ended": f"interrupted: {why}"}
        mine = attempt(lease.number, origin, record.base, source_of(origin))
        entry["attempts"] = [*attempts, mine]
        run = Run(paths, entry, dict(params or fresh.params), lease, settings)
        mine["resumed_from_epoch"] = run.resumed_epoch
        files.write_json(paths.provenance, entry, guard=lease.check)
        return run
    except BaseException:
        lease.release()
        raise


def _refuse_foreign(record: RunRecord) -> None:
    """Raise TreeError for a run that is a link, or that has one where we read or write."""
    if record.unreadable is not None:
        raise record.unreadable
    for directory in (record.paths.models, record.paths.backup, record.paths.aside):
        files.refuse_foreign(directory)


def _why_it_stopped(owner: dict[str, Any] | None) -> str:
    if owner is None:
        return "the process is gone"
    if is_self(owner):
        return "continued by the same process"
    sign = "was alive" if silent_until(owner) is None else "has given no sign of life for long"
    return f"taken over from process {owner.get('pid')} on {owner.get('host')}, which {sign}"


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


def _there(
    tree: Tree, experiment: str, origin: Origin, passed_over: Collection[str]
) -> tuple[str, RunRecord | None]:
    """The run that is the trial's, if there is one: ``reused`` as it is, or to be ``resumed``."""
    runs, unreadable = _runs_there(tree, experiment, origin, passed_over)
    state, record = trial_state(runs, str(origin.sweep), origin.trial)
    if unreadable is not None and state != "reused":
        raise unreadable
    return state, record if state in ("reused", "resumed") else None


def _runs_there(
    tree: Tree, experiment: str, origin: Origin, passed_over: Collection[str]
) -> tuple[list[RunRecord], TreeError | None]:
    left = [run for run in tree.runs(experiment) if run.run not in passed_over]
    runs, unreadable = runs_of_replicate(left, origin.replicate)
    if origin.program is not None and any(run.sweep != origin.sweep for run in runs):
        check = ProgramCheck(origin.program)  # since the plan was made others may have come
        runs = [r for r in runs if r.sweep == origin.sweep or check.belonging(r) != "other"]
    return runs_of_trial(runs, str(origin.sweep), origin.trial), unreadable


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
    run.performances.elapsed = elapsed
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
    error: dict[str, Any] | None = None,
    by: str = "driver",
    why: str | None = None,
    peak_memory: int | None = None,
) -> bool:
    """Give the run in ``path`` an outcome from outside, when its worker is gone or was stopped.

    Takes the run over: a worker that lives on loses it. Its output says so, with ``why`` or the
    error. False if it has an outcome already.
    """
    record = RunRecord.at(path)
    if record.outcome is not None:
        return False
    run = continue_run(record, Settings(), origin=None, take_over=True)
    if run is None:
        return False
    text = why or f"{outcome}: {(error or {}).get('message', '')}"
    add_line(run.paths.output, text, run.lease.check, make=True)
    run.note_peaks(peak_memory=peak_memory)
    if run.log.rows:  # its worker may have lost it between a row and the summary
        run.performances.write(run.elapsed)
    return run.close(outcome, error, by)


def end_trial(planned: PlannedTrial, sweep: Sweep, outcome: str, by: str, why: str) -> RunRecord:
    """Have the trial of ``sweep`` end with ``outcome``, whoever trains it; its ended run.

    One that has no run gets one, in which nothing was trained. A run that it has makes no other
    attempt for it: nothing of the program runs, and no text of it counts as run. Raises TreeError.
    """
    path = planned.run.path if planned.run is not None and planned.state != "other" else None
    if path is None:
        trial, program = planned.trial, Program.of(sweep)
        tree = Tree(sweep.base_dir).of(trial.params)
        origin = Origin(trial.seed, sweep.sweep_name, trial.index, trial.replicate, program=program)
        run = open_trial(
            tree, trial.params, sweep.monitored, origin, Settings(), take_over=True,
            passed_over=[run.run for run in planned.passed_over],
        )  # fmt: skip
        path = run.path
        if not run.reopened:
            run.interrupt(why)
    elif not store.unsent(path):  # else it is written here, and sent from here
        store.take(path)
    close_run(path, outcome, by=by, why=why)
    return RunRecord.at(path)


def interrupt_run(
    path: Path, why: str, peak_memory: int | None = None, take_over: bool = False
) -> None:
    """Say in the run in ``path``, whose worker is gone, what ended it; it can be continued.

    ``take_over``: nobody else has that worker, even if its machine cannot be asked. Raises RunBusy.
    """
    run = continue_run(RunRecord.at(path), Settings(), origin=None, take_over=take_over)
    if run is not None:
        add_line(run.paths.output, f"interrupted: {why}", run.lease.check)
        run.note_peaks(peak_memory=peak_memory)
        run.interrupt(why)
