"""The driver: the process of a launch that has Ray, and hands the trials to Ray Tune."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sweeper import store
from sweeper.errors import TreeError, UsageError
from sweeper.experiment import can_have_child, child_of_trial, end_trial
from sweeper.sweepfile import ADAPTIVE_METHODS, Sweep
from sweeper.tree import GONE, Choices, Claims, PlannedTrial, Tree, WarmStart, count_start
from sweeper.worker import ServerControl, Session, import_in_doubt

from . import cluster
from .asked import Asked
from .disk import DiskUsage
from .faults import Faults
from .gpu_share import GpuShare
from .guardian import GuardianListener
from .shared_plan import SharedPlan
from .stop_conditions import StopConditions
from .storage import acquire_sweep
from .trial_requests import trial_request

if TYPE_CHECKING:
    from sweeper.search import AdaptivePlan, Race, ScoreFunction

logger = logging.getLogger("sweeper.raytune")


@dataclass(frozen=True)
class Launch:
    """What is launched: the new and resumed trials of ``plan``, which was made with ``choices``.

    An adaptive sweep goes on with trials that its searcher or its population chooses, by what
    ``score`` says that a run gave, and by ``warm_start``, what is known from elsewhere. ``total``
    is the number of trials that will run, if known; ``address`` is a running Ray cluster's. We
    ``join`` other launches of the sweep, and do what none of them does or has done.
    """

    sweep: Sweep
    plan: Iterator[PlannedTrial]
    score: ScoreFunction
    choices: Choices
    warm_start: WarmStart
    total: int | None
    address: str | None
    join: bool
    verbose: bool


def drive(
    launch: Launch,
    session: Session,
    disk: DiskUsage,
    gpus: int | None,
    server: ServerControl,
    guardian: GuardianListener,
) -> None:
    """Run the trials of the launch, and tell the ``guardian`` how it goes and how it ended.

    ``gpus`` is how many of this machine are the launch's, None if it wants none.
    """
    sweep = launch.sweep
    store.connect(sweep.base_dir)
    planned_on = sweep.base_dir.exists()
    tree = Tree(sweep.base_dir)
    home = tree.home(sweep.sweep_name)
    conditions = StopConditions(sweep, partial(count_start, home))
    conditions.script = session.mode == "script"
    claims = Claims(sweep, home)
    planned = list(launch.plan) if sweep.adaptive else []
    adaptive = _adaptive(launch, planned, tree, conditions, claims) if sweep.adaptive else None
    chosen: Iterator[PlannedTrial | None] = launch.plan if adaptive is None else adaptive
    learner: AdaptivePlan | Race | None = adaptive
    if sweep.race:
        from sweeper.search import Race

        drop = partial(drop_trial, sweep, guardian)
        chosen = learner = Race(sweep, chosen, planned, launch.score, drop, adaptive)
    todo = SharedPlan(chosen, sweep, tree, launch.choices, claims, conditions.winding_down)
    if import_in_doubt(sweep, session):
        server.wait_ready()
    with cluster.ray_running(
        session, launch.address, _local_cpus(launch), gpus, launch.verbose, server.look
    ) as ray:
        server.look()
        from .tune_callback import LaunchCallback  # Ray Tune takes seconds too
        from .tune_schedulers import scheduler_for
        from .tune_searcher import TuneSearcher
        from .tuner import make_tuner

        server.wait_ready()
        share = GpuShare(sweep, ray, guardian.warn)
        for run in tree.runs_of(sweep.sweep_name) if share.auto else ():
            share.learn(run)
        slots = min(n for n in (share.slots, sweep.parallel, launch.total) if n)
        if planned_on and not sweep.base_dir.exists():
            raise TreeError(f"{sweep.base_dir} {GONE}")
        with acquire_sweep(sweep, home, launch.join, slots) as lease:
            tree.tidy()
            if launch.choices != Choices():
                launch.choices.write(tree, sweep.sweep_name)
            launch.warm_start.write(tree, sweep)
            most = [n for n in (launch.total, sweep.budget.trials) if n is not None]
            guardian.started(min(most, default=None))
            scratch = home / "ray" / str(lease.number)
            disk.prune()
            request = partial(trial_request, sweep, session.mode, claims)
            searcher = TuneSearcher(todo, request, conditions, share)
            cpu = sweep.resources.cpu
            able = partial(cluster.able_nodes, ray, cpu)
            faults = Faults(conditions, lambda: able(share.part), scratch / "workers")
            searcher.avoid = faults.left_out.keys()
            searcher.limit = sweep.parallel
            asked = Asked(sweep, lease, todo, searcher, conditions, disk, adaptive, guardian)
            searcher.look = asked.look
            ray_log = cluster.where_ray_logs(ray, launch.address)
            callback = LaunchCallback(
                searcher, conditions, faults, disk, guardian, tree, launch.score, learner,
                ray_log, lease, claims, asked, share,
            )  # fmt: skip
            todo.ended = callback.ended_before
            scheduler = scheduler_for(sweep, tree, adaptive)
            tuner = make_tuner(
                sweep, session, slots, share.room, lease, scratch, searcher, scheduler, callback
            )
            try:
                tuner.fit()
                callback.all_ended()
            except Exception as error:  # Tune's view is an opinion: the tree is the record
                lease.check()
                logger.warning("Ray Tune ended early: %s", error)
            finally:
                claims.release_all()
        if conditions.fatal:
            raise UsageError(conditions.fatal)
        guardian.ended(conditions.reason, conditions.early, None)


def _adaptive(
    launch: Launch,
    planned: list[PlannedTrial],
    tree: Tree,
    conditions: StopConditions,
    claims: Claims,
) -> AdaptivePlan:
    from sweeper.search import AdaptivePlan, Population, searcher_for

    sweep = launch.sweep
    searcher = searcher_for(sweep) if sweep.method in ADAPTIVE_METHODS else None
    if not sweep.makes_trials:
        return AdaptivePlan(sweep, tree, searcher, planned, launch.score, claims, launch.warm_start)
    return Population(
        sweep, tree, searcher, planned, launch.score, conditions.has_room, can_have_child,
        partial(child_of_trial, sweep, tree), launch.warm_start,
    )  # fmt: skip


def _local_cpus(launch: Launch) -> float | None:
    """``-j 4`` on two cores means four at once, as it does for make."""
    sweep = launch.sweep
    if launch.address is not None or not sweep.parallel or sweep.resources.gpu:
        return None
    return max(sweep.parallel * sweep.resources.cpu, float(len(os.sched_getaffinity(0))))


def drop_trial(sweep: Sweep, listener: GuardianListener, item: PlannedTrial, why: str) -> None:
    """Close the run of a trial that the race has decided against: no launch begins it again."""
    end_trial(item, sweep, "pruned", by="driver", why=f"pruned: {why}")
    listener.trial_ended(item.trial.index, "pruned", {"error": why}, None)
