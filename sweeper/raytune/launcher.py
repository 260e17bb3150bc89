"""Launching a sweep: ask the tree what is finished, hand the rest to Ray Tune."""

from __future__ import annotations

import contextlib
from functools import partial

from sweeper.errors import SweeperError, TreeError
from sweeper.experiment import interrupt_run
from sweeper.search import check_installed
from sweeper.sweepfile import Sweep, check_command, check_early_terminate, check_program
from sweeper.tree import Control, Tree, living_owners, remove_left
from sweeper.worker import session_of

from . import cluster
from .disk import DiskUsage
from .driver import Launch, drive
from .guardian import Ending, Guardian, Listener
from .machine import room_for
from .signals import LaunchSignals
from .storage import acquire_sweep, check_join, check_storage, refuse_if_launching


def check_request(sweep: Sweep, address: str | None, join: bool = False) -> None:
    """Refuse what needs no Ray to be refused; ``address`` and ``join`` are as in ``Launch``.

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


def run_launch(launch: Launch, listener: Listener, signals: LaunchSignals, *, wait: bool) -> Ending:
    """Run the trials on Ray Tune and return how the launch ended.

    We ``wait`` until others leave room on this machine. Nothing is written before the train module,
    the resources and the storage are known to be good. Ray is not started where earlier launches
    have spent the budget of disk.

    Raises ``UsageError`` for a request that cannot be carried out, ``RunBusy`` when another
    process is launching this sweep.
    """
    sweep, address, join = launch.sweep, launch.address, launch.join
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
        room_for(sweep, launch.total, wait, listener.warn, look)
        if address is None
        else contextlib.nullcontext()
    )
    ending = Ending("`sweeper stop` was asked for", early=True)
    with contextlib.suppress(_Stopped), waiting, here as gpus:
        waiting.close()
        if wait:
            check_request(sweep, address, join)  # it may be another world by now
        guardian = Guardian(session, listener, signals)
        try:
            ending = guardian.run(partial(drive, launch, session, disk, gpus), address)
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
