"""``--on ray-job``: the launch as a job of a Ray cluster, with the code of this directory."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep
from sweeper.tree import Tree

from .request import Request, refuse_store

MOST_BYTES = 500 * 1024 * 1024  # what Ray takes as a working directory (RAY_RUNTIME_ENV limits it)


def ray_job_request(
    sweep: Sweep, words: Sequence[str], address: str | None, token: Path
) -> Request:
    """The job that launches ``sweep`` on the cluster whose dashboard is at ``address``.

    It ships the current directory without what git ignores and without the storage. ``token`` is
    where Ray keeps its own. Raises UsageError where that directory is too large for Ray, or the
    storage would lie in Ray's copy of it.
    """
    refuse_store(sweep)
    here = Path.cwd()
    storage = Path(os.path.abspath(sweep.storage))
    home = Tree(storage / sweep.name).home(sweep.sweep_name)
    own = [f"/{storage.relative_to(here)}"] if here in storage.parents else []
    left_out = sorted({*_ignored(here), *own})
    size = _size(here, left_out)
    if size > MOST_BYTES:
        raise UsageError(
            f"{here}: expected at most {MOST_BYTES >> 20} MB of code for Ray to ship, found "
            f"{size >> 20} MB: name what trials do not need in .gitignore, or launch from a "
            "directory of its own"
        )
    spec = Path(os.path.abspath(words[0]))
    if spec.is_relative_to(here):
        words = [str(spec.relative_to(here)), *words[1:]]  # where the job has it
    launch = ["sweeper", "launch", *words, "-y", "--address", "auto", "--storage", str(storage)]
    where = [] if address is None else ["--address", address]
    command = ["ray", "job", "submit", "--no-wait", "--log-color=false"]
    command += ["--working-dir", str(here), *where]
    if left_out:
        command += ["--runtime-env-json", json.dumps({"excludes": left_out})]
    command += ["--", *launch]
    # A cluster that `ray start` has begun wants the token, and Ray offers it only where told to.
    has_token = token.is_file() and "RAY_AUTH_MODE" not in os.environ
    environment = {"RAY_AUTH_MODE": "token"} if has_token else {}
    asked = shlex.join([*(f"{name}={value}" for name, value in environment.items()), "ray", "job"])
    of_it = shlex.join([*where, "JOB"])
    return Request(
        text=shlex.join(command) + "\n",
        path=home / "ray-job.sh",
        command=tuple(command),
        job=r"Job '(\S+)' submitted",
        environment=environment,
        needs="pip install 'ray[default]'",
        then=(
            f"shipped: {here}, {size / 1e6:.1f} MB; the tree: {storage}, which every node must see",
            f"to follow: {asked} logs --follow {of_it}",
            f"to end it: {asked} stop {of_it}",
        ),
    )


def _ignored(here: Path) -> list[str]:
    """What git ignores here, as patterns from the top; nothing where there is no git."""
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--directory"]
    try:
        found = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return [f"/{name.rstrip('/')}" for name in found.stdout.splitlines()]


def _size(here: Path, left_out: Sequence[str]) -> int:
    skipped = {str(here / name[1:]) for name in left_out}
    total = 0
    for place, directories, names in os.walk(here):
        directories[:] = [d for d in directories if os.path.join(place, d) not in skipped]
        for name in names:
            path = os.path.join(place, name)
            if path not in skipped and os.path.exists(path):
                total += os.stat(path).st_size
    return total
