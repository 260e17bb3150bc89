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

from .request import Request

NOTICE_SECONDS = 90  # before the walltime ends: a backup of the epoch, and the run's end
# TERM comes to the shell alone. Whether it came of the walltime, which asks to go on, or of scancel
# is told by the time that is left: SLURM_JOB_END_TIME is Slurm's own (22.05 and later).
_BODY = """\
cd {directory}
{launch} &
launch=$!
trap 'kill -TERM "$launch" 2>/dev/null' TERM
wait "$launch"; code=$?
while kill -0 "$launch" 2>/dev/null; do wait "$launch"; code=$?; done
trap - TERM
if [ "$code" = 143 ] && [ "${{SLURM_JOB_END_TIME:-0}}" -gt 0 ] &&
    [ $((SLURM_JOB_END_TIME - $(date +%s))) -le {soon} ]; then
    scontrol requeue "$SLURM_JOB_ID"  # the walltime is over and the sweep is not
fi
exit "$code"
"""


def slurm_request(
    sweep: Sweep, words: Sequence[str], members: int, given: Iterable[str] = ()
) -> Request:
    """The batch file of ``members`` joined launches of ``sweep``, and its ``sbatch``.

    ``words`` are a launch's own, ``given`` are ``--sbatch`` options, ``key=value`` or ``key``;
    they count more than the sweep file's `slurm`, which counts more than ours.
    """
    home = Tree(sweep.base_dir).home(sweep.sweep_name)
    resources = sweep.resources
    together = int(1 / resources.gpu + 1e-9) if 0 < resources.gpu < 1 else 1
    ours: dict[str, Any] = {
        "job-name": f"sweep-{sweep.sweep_name}",
        "array": f"0-{members - 1}",
        "ntasks": 1,
        "cpus-per-task": max(1, math.ceil(resources.cpu * together)),
        "gres": f"gpu:{math.ceil(resources.gpu)}" if resources.gpu else False,
        "requeue": True,
        "signal": f"B:TERM@{NOTICE_SECONDS}",
        "open-mode": "append",
        "output": str(home / "slurm-%A_%a.log"),
    }
    asked = dict(sweep.slurm)
    for name in asked.pop("skip", ()):
        ours.pop(name, None)
    lines = _directives({**ours, **asked, **_options(given)})
    launch = [sys.executable, "-m", "sweeper", "launch", "--join", "-y", "-j", str(together)]
    body = _BODY.format(
        directory=shlex.quote(str(Path.cwd())),
        launch=shlex.join([*launch, *words]),
        soon=NOTICE_SECONDS + 60,
    )
    path = home / "slurm.sbatch"
    return Request(
        text="\n".join(["#!/bin/bash", *lines, "", body]),
        path=path,
        command=("sbatch", "--parsable", str(path)),
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
