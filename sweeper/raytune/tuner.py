"""Ray Tune's tuner for a launch. Importing this imports Ray Tune, which takes seconds."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import ray.air._internal.usage
from ray import tune
from ray.tune.schedulers import TrialScheduler

from sweeper.sweepfile import Sweep
from sweeper.tree import Lease, files
from sweeper.worker import Session

from .trial_requests import sweep_request
from .tune_callback import LaunchCallback
from .tune_searcher import TuneSearcher
from .tune_trainable import SweepTrainable


def resources(cpu: float, config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What a trial takes, on none of the nodes that its ``config`` says to avoid."""
    avoid = ",".join(config.get("avoid", ()))
    where = {"bundle_label_selector": [{"ray.io/node-id": f"!in({avoid})"}]} if avoid else {}
    return tune.PlacementGroupFactory([{"CPU": cpu, "GPU": config["gpu"]}], **where)


def make_tuner(
    sweep: Sweep,
    session: Session,
    slots: int,
    room: int,
    lease: Lease,
    scratch: Path,
    searcher: TuneSearcher,
    scheduler: TrialScheduler | None,
    callback: LaunchCallback,
) -> tune.Tuner:
    """The tuner that begins with ``slots`` trials at a time, and has ``room`` for more.

    ``scratch`` is a directory of its own.

    ``lease`` is the launch's, of the sweep: without it no worker opens a run.
    """
    # It would import W&B, to count who uses it, which leaves directories in /tmp.
    ray.air._internal.usage.tag_callbacks = lambda callbacks: False
    workers = scratch / "workers"  # each that is up leaves a file there
    files.make_directory(workers, parents=True)
    shared = {**sweep_request(sweep), "slots": slots, "workers": str(workers)}
    shared["lease"] = [str(lease.directory), lease.number]  # where a trial has none of its own
    trainable = tune.with_parameters(
        SweepTrainable, session=session.to_json(), sweep=json.dumps(shared)
    )
    return tune.Tuner(
        tune.with_resources(trainable, partial(resources, sweep.resources.cpu)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=room,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=0),  # see Faults
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_frequency=0, checkpoint_at_end=False
            ),
        ),
    )
