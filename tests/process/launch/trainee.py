"""Train functions for the launch tests: no TensorFlow, and they do as their parameters say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from sweeper.worker import MARK


def train(params: Mapping[str, Any], callbacks: list[Any], run: Any) -> None:
    """Report ``epochs`` epochs, one each ``delay`` seconds, continuing where a backup ends."""
    do = params["do"]
    if params["x"] in do.get("silent", ()):
        return
    saved = run.restore()
    state = Path(run.path / "aside-state")
    state.mkdir(exist_ok=True)
    first = 1 + (int((saved / "epoch").read_text()) if saved else 0)
    for epoch in range(first, do.get("epochs", 3) + 1):
        time.sleep(do.get("delay", 0))
        if epoch == 3:
            _misbehave(params["x"], do, run)
        print(f"trial {params['x']} epoch {epoch}", flush=True)
        name = do.get("instead", {}).get(str(params["x"]), "loss")
        run.report(epoch=epoch, **{name: float(params["x"]) / epoch})
        (state / "epoch").write_text(str(epoch))
        if do.get("saves", True):
            run.save(state)
    if params["x"] in do.get("loses_worker", ()) and run.attempt == 1:
        _lose_worker(run)


def _misbehave(x: int, do: Mapping[str, Any], run: Any) -> None:
    if x in do.get("raises", ()):
        raise ValueError(f"trial {x} was told to fail")
    if x in do.get("dies_once", ()) and run.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if x in do.get("dies", ()):
        os.kill(os.getpid(), signal.SIGSEGV)
    if x in do.get("hangs", ()):
        time.sleep(1000)


def _lose_worker(run: Any) -> None:
    """Kill Tune's actor once the run has its outcome, before anybody can hear of that."""
    here, name = f"-{os.environ[MARK]}", "ray::ResourceTrainable"
    actors = [
        str(process.pid)
        for process in psutil.process_iter()
        if process.name().startswith(name) and process.cwd().endswith(here)
    ]
    wait = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]):\n    time.sleep(0.01)\n"
    kill = "for pid in sys.argv[2:]:\n    os.kill(int(pid), 9)\n"
    assert actors
    for pid in actors:
        os.kill(int(pid), signal.SIGSTOP)
    words = [sys.executable, "-c", wait + kill, str(run.path / "outcome.json"), *actors]
    subprocess.Popen(words, start_new_session=True)
