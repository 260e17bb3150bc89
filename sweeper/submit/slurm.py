"""``--on slurm``: an array of joined launches, as one batch file."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep
from sweeper.tree import Tree
from sweeper.wording import one_of

from .request import Request, sharing_a_gpu

NOTICE_SECONDS = 90  # before the walltime ends: a backup of the epoch, and the run's end
LEAST_SECONDS = 60
# TERM comes to the shell alone. A job that is cancelled or pre-empted does not run any more; one
# whose walltime is nearly over does, and is to go on, if it has had the time to do anything.
_BODY = """\
cd {directory}
{launch} &
launch=$!
trap 'kill -TERM "$launch" 2>/dev/null' TERM
wait "$launch"; code=$?
while kill -0 "$launch" 2>/dev/null; do wait "$launch"; code=$?; done
me=${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}${{SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}}
if [ "$code" = 143 ] && [ "$SECONDS" -gt {least} ] &&
    [ "$(squeue -h -j "$me" -o %T)" = RUNNING ]; then
    scontrol requeue "$me"
fi
exit "$code"
"""


def slurm_request(
    sweep: Sweep, words: Sequence[str], at_a_time: int, given: Iterable[str] = ()
) -> Request:
    """The batch file of joined launches of ``sweep``, ``at_a_time`` trials in all, and its sbatch.

    ``words`` are a launch's own, ``given`` are ``--sbatch`` options, ``key=value`` or ``key``;
    they count more than the sweep file's `slurm`, which counts more than ours. Raises UsageError
    for a population, which launches do not share.
    """
    if sweep.makes_trials and sweep.early_terminate is not None:
        raise UsageError(
            f"--on slurm: early_terminate: {{type: {sweep.early_terminate.type}}}: expected trials "
            "that do not begin from each other, as a population lives in one launch: submit a "
            "script that runs `sweeper launch` on one machine"
        )
    home = Tree(sweep.base_dir).home(sweep.sweep_name)
    resources = sweep.resources
    together = sharing_a_gpu(sweep)
    ours: dict[str, Any] = {
        "job-name": f"sweep-{sweep.sweep_name}",
        "array": f"0-{math.ceil(at_a_time / together) - 1}",
        "ntasks": 1,
        "cpus-per-task": max(1, math.ceil(resources.cpu * together)),
        "gres": f"gpu:{math.ceil(resources.gpu)}" if resources.gpu else False,
        "requeue": True,
        "signal": f"B:TERM@{NOTICE_SECONDS}",
        "open-mode": "append",
        "output": str(home / "slurm-%A_%a.log"),
    }
    asked = dict(sweep.slurm)
    skipped = set(asked.pop("skip", ()))
    if strange := sorted(skipped - ours.keys()):
        raise UsageError(f"slurm.skip: expected {one_of(ours)}, found {', '.join(strange)}")
    ours = {name: value for name, value in ours.items() if name not in skipped}
    lines = _directives({**ours, **asked, **_options(given)})
    launch = [sys.executable, "-m", "sweeper", "launch", "--join", "-y", "-j", str(together)]
    body = _BODY.format(
        directory=shlex.quote(str(Path.cwd())),
        launch=shlex.join([*launch, *words]),
        least=LEAST_SECONDS,
    )
    path = home / "slurm.sbatch"
    return Request(
        text="\n".join(["#!/bin/bash", *lines, "", body]),
        path=path,
        command=("sbatch", "--parsable", str(path)),
        job=r"(\d+)",
        needs="submit from a machine of the cluster",
        then=(f"what members say: {home}/slurm-JOB_MEMBER.log; to end them: scancel JOB",),
    )


def _options(given: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.lstrip("-").partition("=")
        if not name or "\n" in text:
            raise UsageError(f"--sbatch {text!r}: expected KEY=VALUE or KEY, as time=02:00:00")
        found[name] = value if equals else True
    return found


def _directives(options: Mapping[str, Any]) -> list[str]:
    return [
        f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={shlex.quote(str(value))}"
        for name, value in options.items()
        if value is not False and value is not None
    ]
