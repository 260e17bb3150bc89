"""What is asked of the place that runs a launch, and the asking."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeper import store
from sweeper.errors import SweeperError, UsageError
from sweeper.sweepfile import Sweep
from sweeper.tree import Tree, files


@dataclass(frozen=True)
class Request:
    """A launch somewhere else, whole before anything is done.

    ``text`` is what a person reads and ``--dry-run`` prints; it is kept at ``path``. ``command``
    submits it, with ``environment`` beside ours. ``output`` is where what it prints goes; None: it
    ends by itself, and ``job`` finds in what it says what it has made. ``then`` are lines to say
    afterwards, of that as JOB.
    """

    text: str
    path: Path
    command: tuple[str, ...]
    output: Path | None = None
    job: str = r"(?s)(.*)"
    needs: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    then: tuple[str, ...] = field(default=())


def sharing_a_gpu(sweep: Sweep) -> int:
    """How many trials have one GPU between them; 1 where each has its own, or none."""
    gpu = sweep.resources.gpu
    return int(1 / gpu + 1e-9) if 0 < gpu < 1 else 1


def refuse_store(sweep: Sweep) -> None:
    """Raise UsageError where the tree is in an object store: a cluster shares a directory."""
    if (there := store.address_of(sweep.base_dir)) is not None:
        raise UsageError(
            f"{there}: expected a directory that all nodes of a Ray cluster see: give --storage, "
            "or run `sweeper launch --join` on each machine"
        )


def detached_request(sweep: Sweep, words: Sequence[str]) -> Request:
    """``launch -d``: the launch with these ``words``, which goes on without a terminal."""
    home = Tree(sweep.base_dir).home(sweep.sweep_name)
    command = (sys.executable, "-m", "sweeper", "launch", *words)
    return Request(
        text=shlex.join(command) + "\n",
        path=home / "launch.sh",
        command=command,
        output=home / "launch.log",
        then=(f"what it says: {home / 'launch.log'}",),
    )


def submit(request: Request) -> str:
    """Do it, and give what the command said that it has made.

    Raises UsageError where there is no such command here, SweeperError where it refuses.
    """
    files.make_directory(request.path.parent, parents=True)
    files.write_bytes(request.path, request.text.encode())
    name = request.command[0]
    if shutil.which(name) is None:
        raise UsageError(
            f"{name}: expected the command here, found none: {request.needs}; "
            f"{request.path} is what it would have got"
        )
    if request.output is not None:
        with open(request.output, "ab") as output, open(os.devnull) as nothing:
            process = subprocess.Popen(
                request.command, stdin=nothing, stdout=output, stderr=output, start_new_session=True
            )
        return f"process {process.pid}"
    environment = {**os.environ, **request.environment}
    done = subprocess.run(
        request.command, capture_output=True, text=True, check=False, env=environment
    )
    said = (done.stdout + done.stderr).strip()
    if done.returncode:
        said = said.splitlines()[-1] if "Traceback" in said else said
        raise SweeperError(f"{name}: refuses {request.path} (exit code {done.returncode}): {said}")
    found = re.search(request.job, said)
    return found[1] if found else said
