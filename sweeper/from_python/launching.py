"""``sweeper.launch(train, …)``: what ``sweeper launch FILE`` does, from a script or notebook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.call import plain
from sweeper.errors import LaunchReached, RunBusy, UsageError
from sweeper.raytune import check_request
from sweeper.results import best_row, index_sweep, plain_json, rank
from sweeper.sweepfile import Sweep, check_launchable, load_sweep, to_yaml
from sweeper.tree import Tree, files, living_owners
from sweeper.worker import MARK

from .carry import carry

# A process of its own: this one may have threads and GPUs, of which a fork has only a part.
_COMMAND = """\
import sys
sys.path[:1] = filter(None, sys.path[:1])  # a random.py here is no part of sweeper
from sweeper.worker import die_with_parent
die_with_parent(15)
from sweeper.cli.main import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Launched:
    """What came of a launch: its exit code, the best trial, and the base directory.

    ``best`` is what ``sweeper best --json`` says of the first; None where none is ranked.
    """

    exit_code: int
    best: dict[str, Any] | None
    directory: Path


def launch(
    train: Callable[..., Any],
    sweep: Mapping[str, Any] | None = None,
    /,
    *,
    address: str | None = None,
    **keys: Any,
) -> Launched:
    """Run the trials of a sweep of ``train``; again = resume.

    ``sweep`` is a sweep as a dict, W&B's too; ``keys`` (``method``, ``metric``, ``parameters`` …)
    are those of the sweep file and win. ``train`` is ``train(params, callbacks[, run])``, W&B's
    ``train()``, or ``train(config)``: a function of a module, a script or a notebook cell.
    ``address`` is a running Ray cluster's. Raises ``UsageError`` for what cannot be launched,
    ``RunBusy`` while another process is launching this sweep.
    """
    if MARK in os.environ:
        why = "a trial has come to sweeper.launch: put it below `if __name__ == '__main__':`"
        raise LaunchReached(why)
    document = plain({**(sweep or {}), **keys})
    if not isinstance(document.get("parameters", {}), Mapping):
        raise UsageError("sweeper.launch: expected `parameters` to be a dict of parameters")
    carried = carry(train)
    for key in ("program", "command"):  # W&B's agent, too, leaves them alone for a function
        document.pop(key, None)
    if carried.name is None and "name" not in document:
        raise UsageError("sweeper.launch: a notebook's sweep needs a name: launch(…, name='mnist')")
    if "name" in document:
        document.setdefault("sweep_name", document["name"])
    place = carried.file or Path.cwd() / f"{carried.name or document['name']}.py"

    def loaded(program: str) -> Sweep:
        command = {"command": carried.command} if carried.command else {}
        text = to_yaml({**document, "program": program, **command})
        return load_sweep(place, text=text)

    found = loaded(carried.program)
    home = Tree(found.base_dir).home(found.sweep_name)
    if carried.cells is not None:
        if living_owners(home):  # whose trials import them
            raise RunBusy(f"{home}: this sweep is being launched already: wait for it, or stop it")
        files.make_directory(home, parents=True)
        file = home / carried.program.partition(":")[0]
        files.write_bytes(file, carried.cells.encode())
        found = loaded(str(home / carried.program))
    check_launchable(found)
    check_request(found, address)
    files.make_directory(home, parents=True)
    files.write_bytes(home / "sweep.yaml", found.to_yaml().encode())
    words = ["launch", str(home / "sweep.yaml"), *(["--address", address] if address else [])]
    code = _run(words, carried.place)
    index = index_sweep(found)
    best = rank(index.entries, index.metric, top=1) if index.metric else []
    row = plain_json(best_row(best[0], index.repeated)) if best else None
    return Launched(code, row, found.base_dir)


def _run(words: list[str], place: str | None) -> int:
    """Run the command line to its end, Ctrl-C passed on; its exit code."""
    path = os.pathsep.join(filter(None, [place, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *words],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **({"PYTHONPATH": path} if path else {})},
        start_new_session=True,
    )
    interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)
        else:
            break
    if interrupted:
        raise KeyboardInterrupt
    return code
