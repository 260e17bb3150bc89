"""Launching a sweep: ask the tree what is finished, hand the rest to Ray Tune."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sweeper.errors import RunBusy, UsageError
from sweeper.sweepfile import (
    ADAPTIVE_METHODS,
    Sweep,
    check_early_terminate,
    check_program,
    script_call,
)
from sweeper.tree import Lease, PlannedTrial, RunRecord, Tree, files, living_owner
from sweeper.worker import INTERPRETER, JSON_FILE, ServerControl, Session, end_marked, session_of

from . import cluster
from .signals import signals_caught
from .stop_conditions import StopConditions

if TYPE_CHECKING:
    from sweeper.search import AdaptivePlan

logger = logging.getLogger("sweeper.raytune")

LOST_NODE_RETRIES = 3


class Listener(Protocol):
    """Who is told how a launch goes, on the driver's main thread."""

    def started(self, total: int | None) -> None:
        """Trials are about to run: ``total`` of them, None if their number is not known."""

    def trial_started(self, trial: int) -> None:
        """A worker has taken the trial."""

    def trial_reported(self, trial: int, epoch: int, value: float | None, run: str) -> None:
        """The trial has ended an epoch, with this value of the sweep's metric."""

    def trial_ended(
        self, trial: int, end: str, result: dict[str, Any], value: float | None
    ) -> None:
        """The trial has ended: finished, stopped, failed, out-of-memory, timed-out or lost.

        ``value`` is its run's value of the metric, None if it failed or has none.
        """


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


def launch(
    sweep: Sweep,
    plan: Iterator[PlannedTrial],
    listener: Listener,
    *,
    score: Callable[[RunRecord], float | None],
    total: int | None = None,
    address: str | None = None,
    verbose: bool = False,
) -> Ending:
    """Run the new and resumed trials of ``plan`` on Ray Tune and return how it ended.

    An adaptive sweep goes on with trials that its searcher or its population chooses, by what
    ``score`` says that a run gave. ``total`` is the number of trials that will run, if known;
    ``address`` is a running Ray cluster's. Nothing is written before the train module, the
    resources and the storage are known to be good. Ray is not started where earlier launches have
    spent the budget of disk.

    Raises ``UsageError`` for a request that cannot be carried out, ``RunBusy`` when another
    process is launching this sweep.
    """
    check_program(sweep)
    check_early_terminate(sweep)
    check_storage(sweep.base_dir)
    tree = Tree(sweep.base_dir)
    home = tree.paths.sweep(sweep.sweep_name)
    refuse_if_launching(home)
    progress = StopConditions(sweep)
    _count_disk(sweep, tree, home, progress)
    if progress.winding_down():
        return Ending(progress.reason, progress.early, progress.again)
    session = session_of(sweep, cluster.passed_on())
    progress.script = session.mode == "script"
    adaptive = _adaptive(sweep, tree, list(plan), score, progress) if sweep.adaptive else None
    chosen: Iterator[PlannedTrial | None] = plan if adaptive is None else adaptive
    todo = (item for item in chosen if item is None or item.state in ("new", "resumed"))

    def learn(trial: int, run: RunRecord | None) -> float | None:
        value = None if run is None else score(run)
        progress.scored(trial, value)
        if adaptive is not None:
            adaptive.ended(trial, value)
        return value

    with signals_caught() as stop, contextlib.ExitStack() as stack:
        try:
            # The server imports the train module beside Ray's start: both take seconds.
            stack.callback(shutil.rmtree, session.directory, ignore_errors=True)
            stop.at_once = partial(_end_all, session)
            server = ServerControl(session)
            stack.callback(server.close)
            cpus = _local_cpus(sweep, address)
            ray = stack.enter_context(cluster.ray_running(session, address, cpus, verbose))
            stack.callback(server.close)  # before Ray goes: training stops at once
            stop.install()
            importlib.import_module("ray.tune")  # takes seconds too
            server.wait_ready()
            slots = cluster.check_resources(ray, sweep.resources.cpu, sweep.resources.gpu)
            stack.callback(_acquire(home).release)
            tree.tidy()
            files.write_bytes(home / "sweep.yaml", sweep.to_yaml().encode())
            stop.after(sweep.budget.wall)
            listener.started(total)
            slots = min(slots, sweep.parallel or slots, total or slots)
            _tune(
                sweep, session, todo, progress, listener, learn, slots, tree, adaptive,
                lambda: stop.received,
            )  # fmt: skip
        except BaseException:
            # Ray's native code may turn what a signal handler raises into an error of its own.
            if not stop.received:
                raise
    if stop.received == signal.SIGALRM:
        return Ending(f"the budget of {sweep.budget.wall:g} s is spent", early=True)
    if stop.received:
        return Ending(signum=stop.received)
    if progress.fatal:
        raise UsageError(progress.fatal)
    return Ending(progress.reason, progress.early, progress.again)


def _adaptive(
    sweep: Sweep,
    tree: Tree,
    planned: list[PlannedTrial],
    score: Callable[[RunRecord], float | None],
    progress: StopConditions,
) -> AdaptivePlan:
    from sweeper.search import AdaptivePlan, searcher_for

    searcher = searcher_for(sweep) if sweep.method in ADAPTIVE_METHODS else None
    if sweep.early_terminate is None or not sweep.early_terminate.makes_trials:
        return AdaptivePlan(sweep, tree, searcher, planned, score)
    from sweeper.search import Population

    from .population_runs import PopulationRuns

    children = PopulationRuns(sweep, tree, _program(sweep))
    return Population(sweep, tree, searcher, planned, score, progress.has_room, children)


def _count_disk(sweep: Sweep, tree: Tree, home: Path, progress: StopConditions) -> None:
    """Wind down before the start when the runs of earlier launches take all that they may."""
    from .disk import Disk, taken

    if sweep.budget.disk is None or taken(sweep, tree) < sweep.budget.disk:
        return
    lease = _acquire(home)
    try:
        progress.takes(Disk(sweep, tree).spent)  # a lower checkpoint.top may make room
    finally:
        lease.release()


def _end_all(session: Session) -> None:
    end_marked(session.token)
    shutil.rmtree(session.directory, ignore_errors=True)


def refuse_if_launching(home: Path) -> None:
    """Raise ``RunBusy`` if a living process launches the sweep of this directory."""
    owner = living_owner(home)
    if owner is not None:
        raise RunBusy(
            f"{home}: this sweep is being launched already, by process {owner.get('pid')} on "
            f"{owner.get('host')}: wait for it, or stop it and launch again"
        )


def _acquire(home: Path) -> Lease:
    try:
        home.mkdir(parents=True, exist_ok=True)
        return Lease.acquire(home)
    except OSError as error:
        raise _unwritable(home) from error
    except RunBusy:
        refuse_if_launching(home)
        raise


def check_storage(base: Path) -> None:
    """Raise ``UsageError`` if the tree cannot be written below ``base``; writes nothing."""
    place = base
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"{place}: expected a directory to store the tree in, found a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(place)


def _unwritable(place: Path) -> UsageError:
    return UsageError(
        f"{place}: expected a directory that can be written, found that it cannot; "
        "choose another with --storage or `storage:`"
    )


def _local_cpus(sweep: Sweep, address: str | None) -> float | None:
    """``-j 4`` on two cores means four at once, as it does for make."""
    if address is not None or not sweep.parallel or sweep.resources.gpu:
        return None
    return max(sweep.parallel * sweep.resources.cpu, float(len(os.sched_getaffinity(0))))


def _tune(
    sweep: Sweep,
    session: Session,
    plan: Iterator[PlannedTrial | None],
    progress: StopConditions,
    listener: Listener,
    learn: Callable[[int, RunRecord | None], float | None],
    slots: int,
    tree: Tree,
    adaptive: AdaptivePlan | None,
    stopping: Callable[[], object],
) -> None:
    from ray import tune

    from sweeper.search import Population, stopping_rule

    from .disk import Disk
    from .tune_callback import LaunchCallback
    from .tune_schedulers import ReplaceByChild, StopByRule
    from .tune_searcher import TuneSearcher
    from .tune_trainable import SweepTrainable

    scratch = tree.paths.sweep(sweep.sweep_name) / "ray"
    shutil.rmtree(scratch, ignore_errors=True)  # a launch that was killed left it
    meeting = scratch / "workers"
    files.make_directory(meeting)
    shared = {**_shared(sweep), "slots": slots, "meeting": str(meeting)}
    searcher = TuneSearcher(plan, partial(_request, sweep, session.mode), progress)
    rule = stopping_rule(sweep)
    if rule is not None:
        for run, values in _earlier_values(sweep, tree):
            rule.learn(run, values)
    scheduler = StopByRule(rule) if rule else None
    if isinstance(adaptive, Population):
        scheduler = ReplaceByChild(adaptive)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(
                SweepTrainable, session=session.to_json(), sweep=json.dumps(shared)
            ),
            {"CPU": sweep.resources.cpu, "GPU": sweep.resources.gpu},
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=slots,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[
                LaunchCallback(searcher, progress, listener, Disk(sweep, tree), tree.base, learn)
            ],
            failure_config=tune.FailureConfig(max_failures=LOST_NODE_RETRIES),
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_frequency=0, checkpoint_at_end=False
            ),
        ),
    )
    try:
        tuner.fit()
    except Exception as error:  # Tune's view is an opinion: the tree is the record
        if not stopping():
            logger.warning("Ray Tune ended early: %s", error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _earlier_values(sweep: Sweep, tree: Tree) -> Iterator[tuple[str, list[float]]]:
    """The runs that the sweep has already, interrupted ones too: name, and metric by report."""
    assert sweep.metric is not None
    name = sweep.metric.name
    for place in (tree, tree.debug):
        for record in place.all_runs():
            if record.sweep == sweep.sweep_name:
                values = [row[name] for row in record.rows if name in row]
                yield f"{record.experiment}/{record.run}", values


def _shared(sweep: Sweep) -> dict[str, Any]:
    """What every trial of the sweep has in common, as the trainable and its child read it."""
    return {
        "base": str(sweep.base_dir),
        "sweep": sweep.sweep_name,
        "monitored": sweep.monitored,
        "checkpoint": checkpoint_params(sweep),
        "metric": sweep.metric.name if sweep.metric else None,
        "program": _program(sweep),
        "cpus": sweep.resources.cpu,
        "retries": sweep.retry.max,
        "time_limit": sweep.budget.trial,
        "every_report": sweep.early_terminate is not None,
    }


def _program(sweep: Sweep) -> str:
    """What runs, for the record: the program, else the first file that the command names."""
    if sweep.program is not None:
        return str(sweep.program.path or sweep.program.module)
    words = [str(word) for word in sweep.command or ()]
    return next((str(Path(word).resolve()) for word in words if Path(word).is_file()), words[0])


def _request(sweep: Sweep, mode: str, planned: PlannedTrial) -> dict[str, Any]:
    trial = planned.trial
    request: dict[str, Any] = {
        "trial": trial.index,
        "params": trial.params,
        "replicate": trial.replicate,
        "seed": trial.seed,
    }
    if mode == "script":
        request["argv"] = script_call(
            sweep,
            trial.params,
            json_path=JSON_FILE,
            environ=os.environ,
            interpreter=INTERPRETER,
        ).argv
    return request


def checkpoint_params(sweep: Sweep) -> dict[str, Any]:
    """``checkpoint_params`` of the experiment manager: the sweep's metric unless it says other."""
    params = {name: value for name, value in sweep.checkpoint.items() if name != "top"}
    metric = sweep.metric
    if metric and params.setdefault("monitor", metric.name) == metric.name:
        params.setdefault("mode", metric.goal[:3])
    return params
