"""Sweeps that begin in Python, as a user begins them: a script, a notebook, W&B's agent."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.process.launch.launcher import Launcher

needs_wandb = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="wandb is not installed"
)

# Neither has a guard: a trial imports the file up to its launch.
FIRST = """
def first(done):
    best = done.best()
    return {"params": best.params, "value": best.value, "epoch": best.epoch}
"""
SCRIPT = (
    FIRST
    + """
import json, os, sweeper, time

def train(params, callbacks, run):
    for epoch in range(1, 5):
        time.sleep(float(os.environ.get("SLOW", 0)))
        run.report(epoch=epoch, loss=params["x"] / epoch)

done = sweeper.launch(
    train,
    {"method": "grid", "metric": {"name": "loss", "goal": "minimize"}, "program": "no such.py"},
    parameters={"x": {"values": (1, 2)}},
    address=os.environ["CLUSTER"],
)
file = done.directory / "sweeps" / "case" / "sweep.yaml"
more = {"parameters.x.values": [1, 2, 3]}
again = sweeper.launch(file, more, parallel=2, address=os.environ["CLUSTER"])
assert len(again) == len(again.trials()) == 3
print(json.dumps([done.exit_code, first(done), str(done.directory)]))
"""
)
WANDB = (
    FIRST
    + """
import json, os, sys, sweeper, wandb
SCALE = int(sys.argv[1])

def train():
    run = wandb.init(project="p")
    for epoch in range(2):
        wandb.log({"loss": SCALE * wandb.config.x / (epoch + 1)})

done = sweeper.launch(
    train, method="grid", metric={"name": "loss", "goal": "minimize"},
    parameters={"x": {"values": [1, 2]}}, address=os.environ["CLUSTER"],
)
print(json.dumps([done.exit_code, first(done), str(done.directory)]))
"""
)
NOTEBOOK = (
    f"""
FIRST = {FIRST!r}"""
    + """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in (
    "import os, json, sweeper",
    FIRST,
    "SCALE = 3",
    "def train(config):\\n    sweeper.report(loss=config['x'] * SCALE)",
    "train({'x': 1 / 0})",
    "keys = dict(method='grid', metric={'name': 'loss'}, parameters={'x': {'values': [1, 2]}})",
    "sweeper.launch(train, **keys)",
    "done = sweeper.launch(train, name='cells', address=os.environ['CLUSTER'], **keys)",
    "print(json.dumps([done.exit_code, first(done), str(done.directory)]))",
):
    shell.run_cell(cell, store_history=True)
"""
)
AGENT = """
import wandb

def main():
    offset = 10
    wandb.login()

    def train(config=None):
        with wandb.init(config=config):
            wandb.log({"loss": wandb.config.x + offset})

    sweep = {
        "program": "other.py", "method": "random", "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"min": 0.0, "max": 1.0}},
    }
    wandb.agent(wandb.sweep(sweep, project="p"), function=train, count=2)
    raise SystemExit("what stands behind the agent was run")

if __name__ == "__main__":
    main()
"""


def start(
    launcher: Launcher, address: str, text: str, *words: str, **more: str
) -> subprocess.Popen[str]:
    file = launcher.directory / "case.py"
    file.write_text(text)
    environment = {**os.environ, "CLUSTER": address, **more}
    return subprocess.Popen(
        [sys.executable, str(file), *words],
        cwd=launcher.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # Not as in a background job, which ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(launcher: Launcher, address: str, text: str, *words: str) -> tuple[Any, str]:
    out, err = start(launcher, address, text, *words).communicate(timeout=240)
    return json.loads(out.splitlines()[-1]), out + err


def test_a_script_that_is_interrupted_resumes_when_it_is_run_again(
    launcher: Launcher, address: str
) -> None:
    process = start(launcher, address, SCRIPT, SLOW="1")
    launcher.wait_for(lambda records: any(record.rows for record in records))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert "KeyboardInterrupt" in err
    assert "to go on: sweeper launch" in err
    assert {record.status for record in launcher.records()} == {"interrupted"}
    (code, best, directory), said = run(launcher, address, SCRIPT)
    assert (code, directory) == (0, str(launcher.base))
    assert (best["params"], best["value"], best["epoch"]) == ({"x": 1}, 0.25, 4)
    assert "resumed" in said
    assert [len(record.rows) for record in launcher.records()] == [4, 4, 4]
    launcher.file = launcher.base / "sweeps" / "case" / "sweep.yaml"
    assert "3 reused" in launcher.run("--address", address).stderr
    assert launcher.left() == []


def test_a_launch_from_python_ends_with_its_process(launcher: Launcher, address: str) -> None:
    process = start(launcher, address, SCRIPT, SLOW="60")
    launcher.wait_for(lambda records: len(records) == 2, 60)
    process.kill()
    process.communicate(timeout=60)
    launcher.wait_for(lambda records: all(r.status == "interrupted" for r in records), 60)
    deadline = time.monotonic() + 60
    while launcher.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert launcher.left() == []


@needs_wandb
@pytest.mark.slow
def test_a_function_in_the_style_of_wandb_gets_its_parameters(
    launcher: Launcher, address: str
) -> None:
    (code, best, _), _ = run(launcher, address, WANDB, "5")
    assert (code, best["params"], best["value"]) == (0, {"x": 1}, 2.5)
    assert [len(record.rows) for record in launcher.records()] == [2, 2]


def test_a_function_of_a_notebooks_cell(launcher: Launcher, address: str) -> None:
    (code, best, directory), said = run(launcher, address, NOTEBOOK)
    assert "a notebook's sweep needs a name" in said
    assert (code, best["params"], best["value"]) == (0, {"x": 1}, 3.0)
    text = (launcher.base.parent / "cells" / "sweeps" / "cells" / "notebook.py").read_text()
    assert "1 / 0" not in text
    assert directory == str(launcher.base.parent / "cells")


@needs_wandb
def test_a_script_that_calls_wandbs_agent_is_launched_as_it_is(
    launcher: Launcher, address: str
) -> None:
    launcher.file = launcher.directory / "case.py"
    launcher.file.write_text(AGENT)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    assert "case.py:16: the function of wandb.agent(…) is called once" in done.stderr
    records = launcher.records()
    assert len(records) == 2
    for record in records:
        assert [row["loss"] for row in record.rows] == [record.params["x"] + 10]
        assert "what stands behind" not in record.paths.output.read_text()
    assert "2 reused" in launcher.run("--address", address).stderr
    launcher.file.write_text("import wandb\nwandb.agent('me/mine/ab12', print)\n")
    refused = launcher.run()
    assert refused.returncode == 2
    assert "case.py:2: the sweep me/mine/ab12 of wandb.agent is W&B's server's" in refused.stderr
