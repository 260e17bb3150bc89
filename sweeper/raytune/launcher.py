"""Launching a sweep: ask the tree what is finished, hand the rest to Ray Tune."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sweeper.errors import SweeperError, UsageError
from sweeper.experiment import interrupt_run
from sweeper.search import check_installed
from sweeper.sweepfile import (
    ADAPTIVE_METHODS,
    Sweep,
    check_command,
    check_early_terminate,
    check_program,
)
from sweeper.tree import Choices, Lease, PlannedTrial, RunRecord, Tree, files
from sweeper.worker import ServerControl, Session, end_marked, import_in_doubt, session_of

from . import cluster
from .disk import DiskUsage
from .listener import Listener
from .signals import LaunchSignals
from .stop_conditions import StopConditions
from .storage import acquire_sweep, check_storage, refuse_if_launching
from .trial_requests import trial_request

if TYPE_CHECKING:
    from sweeper.search import AdaptivePlan

logger = logging.getLogger("sweeper.raytune")


@dataclass
class Ending:
    """How a launch ended, beyond what the tree tells.

    ``reason`` says why no further trial was started (a budget, the breaker, the target), ``early``
    whether that left trials undone, ``again`` whether the next launch would start some, ``signum``
    which signal ended it, 0 for none.
    """

    reason: str | None = None
    early: bool = False
    again: bool = True
    signum: int = 0


def check_request(sweep: Sweep, address: str | None) -> None:
    """Refuse what needs no Ray to be refused; ``address`` is a cluster's, as in ``launch``.

    Raises ``UsageError``, ``RunBusy`` when another process is launching this sweep.
    """
    check_program(sweep)
    if address is None:
        check_command(sweep)
    check_early_terminate(sweep)
    check_installed(sweep.method)
    check_storage(sweep.base_dir)
    refuse_if_launching(Tree(sweep.base_dir).paths.sweep(sweep.sweep_name))
    session_of(sweep)


def launch(
    sweep: Sweep,
    plan: Iterator[PlannedTrial],
    listener: Listener,
    *,
    score: Callable[[RunRecord], float | None],
    choices: Choices,
    total: int | None = None,
    address: str | None = None,
    verbose: bool = False,
) -> Ending:
    """Run the new and resumed trials of ``plan`` on Ray Tune and return how it ended.

    An adaptive sweep goes on with trials that its searcher or its population chooses, by what
    ``score`` says that a run gave. ``choices`` are what ``plan`` was made with. ``total`` is the
    number of trials that will run, if known; ``address`` is a running Ray cluster's. Nothing is
    written before the train module, the resources and the storage are known to be good. Ray is not
    started where earlier launches have spent the budget of disk.

    Raises ``UsageError`` for a request that cannot be carried out, ``RunBusy`` when another
    process is launching this sweep.
    """
    conditions = StopConditions(sweep)
    with LaunchSignals(listener) as signals, contextlib.ExitStack() as stack:
        try:
            check_request(sweep, address)
            tree = Tree(sweep.base_dir)
            home = tree.paths.sweep(sweep.sweep_name)
            disk = DiskUsage(sweep, tree)
            if sweep.budget.disk is not None and disk.used >= sweep.budget.disk:
                lease = acquire_sweep(home)
                try:
                    files.write_bytes(home / "sweep.yaml", sweep.to_yaml().encode())
                    disk.prune()  # a lower checkpoint.top may make room
                finally:
                    lease.release()
                conditions.disk_used(disk.used)
            if conditions.winding_down():
                return Ending(conditions.reason, conditions.early, conditions.again)
            session = session_of(sweep, cluster.passed_on())
            conditions.script = session.mode == "script"
            adaptive = (
                _adaptive(sweep, tree, list(plan), score, conditions) if sweep.adaptive else None
            )
            chosen: Iterator[PlannedTrial | None] = plan if adaptive is None else adaptive
            todo = (item for item in chosen if item is None or item.state in ("new", "resumed"))
            owned = stack.enter_context(contextlib.ExitStack())  # until nothing trains any more
            # The server imports the train module beside Ray's start: both take seconds.
            stack.callback(shutil.rmtree, session.directory, ignore_errors=True)
            signals.at_once = partial(_end_all, session)
            server = ServerControl(session)
            stack.callback(server.close)
            if import_in_doubt(sweep, session):
                server.wait_ready()
            cpus = _local_cpus(sweep, address)
            ray = stack.enter_context(
                cluster.ray_running(session, address, cpus, verbose, server.look)
            )
            stack.callback(server.close)  # before Ray goes: training stops at once
            stack.callback(listener.close)  # Ray takes SIGTERM's handler down as it goes
            signals.install()
            server.look()
            from .tune_callback import LaunchCallback  # Ray Tune takes seconds too
            from .tune_schedulers import scheduler_for
            from .tune_searcher import TuneSearcher
            from .tuner import make_tuner

            server.wait_ready()
            slots = cluster.check_resources(ray, sweep.resources.cpu, sweep.resources.gpu)
            lease = acquire_sweep(home)
            owned.callback(lease.release)
            owned.callback(_say_interrupted, tree, sweep.sweep_name, signals, lease)
            tree.tidy()
            files.write_bytes(home / "sweep.yaml", sweep.to_yaml().encode())
            if choices != Choices():
                choices.write(tree, sweep.sweep_name)
            signals.alarm_after(sweep.budget.wall)
            most = [n for n in (total, sweep.budget.trials) if n is not None]
            listener.started(min(most, default=None))
            slots = min(slots, sweep.parallel or slots, total or slots)
            shutil.rmtree(home / "ray", ignore_errors=True)  # of those who had the lease before
            scratch = home / "ray" / str(lease.number)
            disk.prune()
            searcher = TuneSearcher(todo, partial(trial_request, sweep, session.mode), conditions)
            ray_log = cluster.where_ray_logs(ray, address)
            callback = LaunchCallback(
                searcher, conditions, disk, listener, tree, score, adaptive, ray_log, lease
            )
            scheduler = scheduler_for(sweep, tree, adaptive)
            tuner = make_tuner(sweep, session, slots, lease, scratch, searcher, scheduler, callback)
            try:
                tuner.fit()
                if not signals.received:
                    callback.all_ended()
            except Exception as error:  # Tune's view is an opinion: the tree is the record
                lease.check()
                if not signals.received:
                    logger.warning("Ray Tune ended early: %s", error)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
                with contextlib.suppress(OSError):
                    scratch.parent.rmdir()
        except BaseException:
            # Ray's native code may turn what a signal handler raises into an error of its own.
            if not signals.received:
                raise
        finally:
            signals.unwinding = True
    if signals.received == signal.SIGALRM:
        return Ending(f"the budget of {sweep.budget.wall:g} s is spent", early=True)
    if signals.received:
        return Ending(signum=signals.received)
    if conditions.fatal:
        raise UsageError(conditions.fatal)
    return Ending(conditions.reason, conditions.early, conditions.again)


def _adaptive(
    sweep: Sweep,
    tree: Tree,
    planned: list[PlannedTrial],
    score: Callable[[RunRecord], float | None],
    conditions: StopConditions,
) -> AdaptivePlan:
    from sweeper.search import AdaptivePlan, Population, searcher_for

    searcher = searcher_for(sweep) if sweep.method in ADAPTIVE_METHODS else None
    if not sweep.makes_trials:
        return AdaptivePlan(sweep, tree, searcher, planned, score)
    from .population_runs import PopulationRuns

    children = PopulationRuns(sweep, tree)
    return Population(sweep, tree, searcher, planned, score, conditions.has_room, children)


def _say_interrupted(tree: Tree, sweep_name: str, signals: LaunchSignals, lease: Lease) -> None:
    """In the runs of train functions, which were killed; a script's keeper has done it."""
    if not signals.received or not lease.held:
        return
    why = f"the launch got {signal.Signals(signals.received).name}"
    if signals.received == signal.SIGALRM:
        why = "the budget of time is spent"
    for record in tree.runs_of(sweep_name):
        attempts = record.provenance.get("attempts")
        if record.outcome is None and attempts and attempts[-1].get("ended") is None:
            with contextlib.suppress(SweeperError):
                interrupt_run(record.path, why)


def _end_all(session: Session) -> None:
    session.end()
    end_marked(session.token)
    shutil.rmtree(session.directory, ignore_errors=True)


def _local_cpus(sweep: Sweep, address: str | None) -> float | None:
    """``-j 4`` on two cores means four at once, as it does for make."""
    if address is not None or not sweep.parallel or sweep.resources.gpu:
        return None
    return max(sweep.parallel * sweep.resources.cpu, float(len(os.sched_getaffinity(0))))
