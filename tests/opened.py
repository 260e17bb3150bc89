"""A sweep's run as a worker opens it, for tests without one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.experiment import Origin, Run, Settings, open_trial
from sweeper.experiment.provenance import main_program
from sweeper.sweepfile import Sweep, Trial, default_monitored
from sweeper.tree import Monitored, Program, Tree


def open_run(
    base: Path | str,
    params: Mapping[str, Any],
    *,
    monitored: Monitored | None = None,
    sweep: str = "s",
    trial: int = 0,
    replicate: int = 0,
    seed: int = 1,
    program: Program | None = None,
    settings: Mapping[str, Any] = {},
    **options: Any,
) -> Run:
    """The run of a trial; ``settings`` are those of Settings.parse, ``options`` of open_trial."""
    groups = default_monitored(params) if monitored is None else monitored
    origin = Origin(seed, sweep, trial, replicate, program or main_program())
    tree = Tree(base).of(params)
    options = {"anew": True, **options}
    return open_trial(tree, params, groups, origin, Settings.parse(**settings), **options)


def open_run_of(sweep: Sweep, trial: Trial, **options: Any) -> Run:
    """The same, of a trial of this sweep."""
    return open_run(
        sweep.base_dir, trial.params, monitored=sweep.monitored, sweep=sweep.sweep_name,
        trial=trial.index, replicate=trial.replicate, seed=trial.seed, program=Program.of(sweep),
        **options,
    )  # fmt: skip
