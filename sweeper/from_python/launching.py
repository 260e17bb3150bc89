"""``sweeper.launch(…)``: what ``sweeper launch FILE`` does, from a script or notebook."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from sweeper.call import plain
from sweeper.errors import LaunchReached, RunBusy, UsageError
from sweeper.raytune import check_request
from sweeper.results import SweepResults, index_sweep, load_target
from sweeper.sweepfile import Sweep, check_launchable, load_sweep, to_yaml
from sweeper.tree import Tree, files, living_owners
from sweeper.worker import MARK

from .carry import carry
from .wandb_script import sweep_of_script

# A process of its own: this one may have threads and GPUs, of which a fork has only a part.
_COMMAND = """\
import sys
sys.path[:1] = filter(None, sys.path[:1])  # a random.py here is no part of sweeper
from sweeper.worker import die_with_parent
die_with_parent(15)
from sweeper.cli.main import main
sys.exit(main())
"""


class Launched(SweepResults):
    """What came of a launch, as :func:`sweeper.load` has it; its exit code, the base directory."""

    def __init__(self, sweep: Sweep, exit_code: int) -> None:
        super().__init__([index_sweep(sweep)])
        self.exit_code = exit_code
        self.directory = sweep.base_dir


def launch(
    what: Callable[..., Any] | str | os.PathLike[str],
    sweep: Mapping[str, Any] | None = None,
    /,
    *,
    address: str | None = None,
    **keys: Any,
) -> Launched:
    """Run the trials of a sweep: of a file, or of a train function; again = resume.

    Of a file ``keys`` (``parallel=2``, ``run_cap=20`` …) replace its own; ``sweep`` has those whose
    names are dotted, as on the command line: ``{"parameters.training.epochs.value": 3}``. Of a
    function ``sweep`` is a sweep as a dict, W&B's too; ``keys`` (``method``, ``metric``,
    ``parameters`` …) are those of the sweep file and win. The function is
    ``train(params, callbacks[, run])``, W&B's ``train()``, or ``train(config)``, of a module, a
    script or a notebook cell.
    ``address`` is a running Ray cluster's. Raises ``UsageError`` for what cannot be launched,
    ``RunBusy`` while another process is launching this sweep, ``KeyboardInterrupt`` after Ctrl-C.
    """
    if MARK in os.environ:
        why = "a trial has come to sweeper.launch: put it below `if __name__ == '__main__':`"
        raise LaunchReached(why)
    document = plain({**(sweep or {}), **keys})
    if isinstance(what, (str, os.PathLike)):
        file = Path(what)
        overrides = [f"{key}={json.dumps(value)}" for key, value in document.items()]
        asked = sweep_of_script(file) if file.suffix == ".py" else None
        found = load_target(file, overrides, asked and asked[0])
        return _launch(found, [str(file), *overrides], address)
    if not isinstance(document.get("parameters", {}), Mapping):
        raise UsageError("sweeper.launch: expected `parameters` to be a dict of parameters")
    carried = carry(what)
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
    return _launch(found, [], address, carried.place)


def _launch(
    sweep: Sweep, words: list[str], address: str | None, place: str | None = None
) -> Launched:
    """Launch what ``words`` say; without any ``sweep``, which is then put into its tree."""
    check_launchable(sweep)
    check_request(sweep, address)
    if not words:
        home = Tree(sweep.base_dir).home(sweep.sweep_name)
        files.make_directory(home, parents=True)
        files.write_bytes(home / "sweep.yaml", sweep.to_yaml().encode())
        words = [str(home / "sweep.yaml")]
    code = _run(["launch", *words, *(["--address", address] if address else [])], place)
    return Launched(sweep, code)


def _run(words: list[str], place: str | None) -> int:
    """Run the command line to its end, Ctrl-C passed on; its exit code."""
    path = os.pathsep.join(filter(None, [place, os.environ.get("PYTHONPATH")]))
    show = _cell()
    frames, write = os.pipe()
    env = {**os.environ, **({"PYTHONPATH": path} if path else {})}
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *words],
        stdin=subprocess.DEVNULL,
        env={**env, "SWEEPER_FRAMES": str(write)} if show else env,
        pass_fds=[write] if show else [],
        start_new_session=True,
    )
    os.close(write)
    interrupted = False
    with open(frames, "rb", buffering=0) as drawn:
        while True:
            try:
                while show and process.poll() is None:
                    if select.select([drawn], [], [], 0.2)[0] and (text := drawn.read(1 << 16)):
                        show(text)
                code = process.wait()
            except KeyboardInterrupt:
                interrupted = True
                process.send_signal(signal.SIGINT)
            else:
                break
    if interrupted:
        raise KeyboardInterrupt
    return code


def _cell() -> Callable[[bytes], None] | None:
    """Shows frames, each a line of JSON, in the cell of a notebook that runs; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if not hasattr(shell, "kernel"):
        return None
    display = importlib.import_module("IPython.display")
    handle = display.display(display.HTML(""), display_id=True)

    def show(frames: bytes) -> None:
        with contextlib.suppress(ValueError, IndexError):  # one that is cut: the next is whole
            frame = json.loads(frames.splitlines()[-1])
            handle.update(display.HTML(f"<pre>{escape(frame)}</pre>"))

    return show
