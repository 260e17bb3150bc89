"""Where a run comes from: versions, git, program, host. No environment variables, no secrets."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from sweeper.tree import Monitored, Program, groups_as_stored

from .source import Source, current_source

FORMAT = 1
"""The format of run.json."""

SMALL_DIFF_BYTES = 100_000
"""A larger diff of the working tree is not saved."""

_GIT_SECONDS = 5.0
# A repository may be a stranger's: its configuration must not run programs.
_RUNS_NOTHING = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "protocol.allow=never")
_PLAIN_DIFF = ("--no-color", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True)
class Origin:
    """Whose run it is, and on what it runs; a run of a script or notebook has no sweep."""

    seed: int
    sweep: str | None = None
    trial: int | None = None
    replicate: int = 0
    program: Program | None = None
    cpus: float | None = None
    gpus: list[str] | None = None


def now() -> str:
    """This moment in UTC, as ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


@functools.lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Python and the libraries whose versions matter, as installed; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in ("sweeper", "tensorflow", "keras", "ray", "numpy", "jax", "torch"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@functools.lru_cache(maxsize=8)
def git_state(directory: Path) -> tuple[dict[str, Any] | None, bytes]:
    """Commit, branch and whether dirty, and the diff when it is small; (None, b"") without git."""
    try:
        head = _git(directory, "rev-parse", "HEAD").decode().strip()
        branch = _git(directory, "rev-parse", "--abbrev-ref", "HEAD").decode().strip()
        filters = _filters_off(directory)
        dirty = bool(_git(directory, "status", "--porcelain", settings=filters).strip())
        diff = _git(directory, "diff", "HEAD", *_PLAIN_DIFF, settings=filters) if dirty else b""
    except (OSError, subprocess.SubprocessError):
        return None, b""
    state = {"commit": head, "branch": branch, "dirty": dirty}
    return state, diff if len(diff) <= SMALL_DIFF_BYTES else b""


def _git_environment() -> dict[str, str]:
    """This process's, without what points git elsewhere or to programs (a hook of git sets some).

    Where it may look, and what the user trusts, stays.
    """
    kept = ("GIT_CEILING_DIRECTORIES", "GIT_CONFIG_NOSYSTEM", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
    return {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in kept}


def _filters_off(directory: Path) -> list[str]:
    """Settings without the filters of the repository's own configuration; the user's stay."""
    names = ["config", "--show-scope", "--name-only", "--get-regexp", r"^filter\."]
    try:
        found = _git(directory, *names).decode(errors="surrogateescape").splitlines()
    except subprocess.CalledProcessError:  # there are none
        return []
    own = [line.partition("\t")[2] for line in found if not line.startswith(("system", "global"))]
    return [f"{key}=" for key in own]


def _git(directory: Path, *arguments: str, settings: Sequence[str] = ()) -> bytes:
    options = [word for setting in (*_RUNS_NOTHING, *settings) for word in ("-c", setting)]
    return subprocess.run(
        ["git", *options, "-C", str(directory), *arguments],
        check=True,
        timeout=_GIT_SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**_git_environment(), "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"},
    ).stdout


def main_program() -> Program:
    """The script that this process runs; no file in a notebook or an interactive session."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Program.at(os.path.abspath(file) if file and os.path.isfile(file) else None)


def gpu_names() -> list[str]:
    """The GPUs that TensorFlow sees, if it is loaded already; asking loads nothing."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return []
    names = []
    with contextlib.suppress(Exception):  # provenance must never stop a run
        for device in tensorflow.config.list_physical_devices("GPU"):
            details = tensorflow.config.experimental.get_device_details(device)
            names.append(str(details.get("device_name", device.name)))
    return names


def new_record(
    base: Path, monitored: Monitored, origin: Origin, parent: Mapping[str, Any] | None
) -> tuple[dict[str, Any], bytes]:
    """run.json of a run made now in the tree ``base``, and its program's git diff.

    With a ``parent`` no attempt has begun yet.
    """
    program, source = origin.program, source_of(origin)
    if origin.sweep is None:  # a notebook lives long; a sweep's worker asks once
        git_state.cache_clear()
    git, diff = git_state(Path(program.root) if program else Path.cwd())
    found = versions()
    record = {
        "format": FORMAT,
        "sweep": origin.sweep,
        "trial": origin.trial,
        "replicate": origin.replicate,
        "parent": None if parent is None else dict(parent),
        "seed": origin.seed,
        "monitored": groups_as_stored(monitored),
        "sweeper": found.get("sweeper"),
        "python": found["python"],
        "versions": {k: v for k, v in found.items() if k not in ("sweeper", "python")},
        "git": git,
        "program": program and {**program.to_json(), "sha256": source and source.sha256},
        "attempts": [attempt(1, origin, base, source)] if parent is None else [],
    }
    return record, diff


def source_of(origin: Origin) -> Source | None:
    """The text that runs now; None where it is not known what runs."""
    program = origin.program
    return None if program is None else current_source(program, alone=origin.sweep is None)


def attempt(number: int, origin: Origin, base: Path, source: Source | None) -> dict[str, Any]:
    """The entry of run.json for an attempt that starts now; its ``source`` is kept."""
    return {
        "number": number,
        "start": now(),
        "end": None,
        "ended": None,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cpus": len(os.sched_getaffinity(0)) if origin.cpus is None else origin.cpus,
        "gpus": gpu_names() if origin.gpus is None else origin.gpus,
        "resumed_from_epoch": None,
        "source": source and source.keep(base),
        "command_line": shlex.join([sys.executable, *sys.argv]),
    }


def parent_name(parent: Any) -> str | None:
    """``exp-…/run--…`` for the ``parent`` of a run.json."""
    return f"{parent['experiment']}/{parent['run']}" if isinstance(parent, dict) else None
