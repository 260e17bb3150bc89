"""Launching a sweep: ask the tree what is finished, hand the rest to Ray Tune."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sweeper.errors import SweeperError, TreeError
from sweeper.experiment import interrupt_run
from sweeper.search import ScoreFunction, check_installed
from sweeper.sweepfile import Sweep, check_command, check_early_terminate, check_program
from sweeper.tree import Choices, Control, PlannedTrial, Tree, WarmStart, living_owners, remove_left
from sweeper.worker import session_of

from . import cluster
from .disk import DiskUsage
from .driver import Driver
from .guardian import Ending, Guardian
from .listener import Listener
from .machine import room_for
from .signals import LaunchSignals
from .storage import acquire_sweep, check_join, check_storage, refuse_if_launching


def check_request(sweep: Sweep, address: str | None, join: bool = False) -> None:
    """Refuse what needs no Ray to be refused; ``address`` and ``join`` are as in ``launch``.

    Raises ``UsageError``, ``RunBusy`` when another process is launching this sweep.
    """
    check_program(sweep)
    if address is None:
        check_command(sweep)
    check_early_terminate(sweep)
    check_installed(sweep.method)
    check_storage(sweep, address)
    home = Tree(sweep.base_dir).home(sweep.sweep_name)
    if join:
        check_join(sweep, home)
    else:
        refuse_if_launching(home)
    session_of(sweep)


def launch(
    sweep: Sweep,
    plan: Iterator[PlannedTrial],
    listener: Listener,
    signals: LaunchSignals,
    *,
    score: ScoreFunction,
    choices: Choices,
    warm_start: WarmStart,
    total: int | None = None,
    address: str | None = None,
    join: bool = False,
    wait: bool = False,
    verbose: bool = False,
) -> Ending:
    """Run the new and resumed trials of ``plan`` on Ray Tune and return how it ended.

    An adaptive sweep goes on with trials that its searcher or its population chooses, by what
    ``score`` says that a run gave, and by ``warm_start``, what is known from elsewhere. ``choices``
    are what ``plan`` was made with. ``total`` is the number of trials that will run, if known;
    ``address`` is a running Ray cluster's. We ``join`` other launches of the sweep, and do what
    none of them does or has done. We ``wait`` until others leave room on this machine. Nothing is
    written before the train module, the resources and the storage are known to be good. Ray is not
    started where earlier launches have spent the budget of disk.

    Raises ``UsageError`` for a request that cannot be carried out, ``RunBusy`` when another
    process is launching this sweep.
    """
    check_request(sweep, address, join)
    tree = Tree(sweep.base_dir)
    home = tree.home(sweep.sweep_name)
    disk = DiskUsage(sweep, tree)
    if disk.spent:
        with acquire_sweep(sweep, home, join):
            disk.prune()  # a lower checkpoint.top may make room
    if disk.spent:
        return Ending(disk.spent, early=True, again=False)
    session = session_of(sweep, cluster.passed_on())
    waiting = contextlib.ExitStack()  # seen, and stopped, as others are
    lease = waiting.enter_context(acquire_sweep(sweep, home, join)) if wait else None

    def look() -> None:
        if lease is not None and Control.read(home).stop(lease.number):
            raise _Stopped

    here = (
        room_for(sweep, total, wait, listener.warn, look)
        if address is None
        else contextlib.nullcontext()
    )
    ending = Ending("`sweeper stop` was asked for", early=True)
    with contextlib.suppress(_Stopped), waiting, here as gpus:
        waiting.close()
        if wait:
            check_request(sweep, address, join)  # it may be another world by now
        driver = Driver(
            sweep=sweep,
            plan=plan,
            session=session,
            disk=disk,
            score=score,
            choices=choices,
            warm_start=warm_start,
            total=total,
            address=address,
            join=join,
            gpus=gpus,
            verbose=verbose,
        )
        guardian = Guardian(session, listener, signals)
        try:
            ending = guardian.run(driver.run, address)
        finally:  # what the driver and children leave, who are killed
            with contextlib.suppress(TreeError):
                tree.remove_staging()
                remove_left(home)
    if ending.cut_off:
        with contextlib.suppress(TreeError):
            _say_interrupted(tree, sweep.sweep_name, ending.cut_off, elsewhere=address is not None)
    ending.again = sweep.budget.disk is None or not DiskUsage(sweep, tree).spent
    return ending


class _Stopped(Exception):
    """While it waits."""


def _say_interrupted(tree: Tree, sweep_name: str, why: str, elsewhere: bool) -> None:
    """In the runs of train functions, which were killed; a script's keeper has done it.

    Those ``elsewhere``, on a cluster's nodes, seem to live on for a while: they are ours where
    nobody else launches the sweep.
    """
    home = tree.home(sweep_name)
    for record in tree.runs_of(sweep_name):
        attempts = record.provenance.get("attempts")
        if record.outcome is None and attempts and attempts[-1].get("ended") is None:
            with contextlib.suppress(SweeperError):
                interrupt_run(record.path, why, take_over=elsewhere and not living_owners(home))
