"""A program that is edited between launches: who is told, what runs again, what is kept."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from .conftest import Launcher

TRAIN = """
import time
from model import SCALE

def train(params, callbacks, run):
    import lazy
    for epoch in range(1, params.get("epochs", 1) + 1):
        time.sleep(params.get("delay", 0))
        run.report(epoch=epoch, loss=SCALE * params["x"] + lazy.SHIFT)
"""
SCRIPT = """
import argparse
import sweeper
from model import SCALE
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
sweeper.report(loss=SCALE * parser.parse_args().x)
import lazy
"""


def write(launcher: Launcher, **keys: object) -> None:
    for name, text in (("train", TRAIN), ("script", SCRIPT), ("model", "SCALE = 1\n")):
        (launcher.directory / f"{name}.py").write_text(text)
    (launcher.directory / "lazy.py").write_text("SHIFT = 0\n")
    parameters = {"x": {"values": [1, 2]}}
    launcher.write({}, program="train.py", parameters=parameters, **keys)


def kept(launcher: Launcher) -> list[dict[str, str]]:
    """What each text in ``programs/`` holds of the local modules."""
    folders = sorted((launcher.base / "programs").iterdir())
    return [{p.name: p.read_text() for p in folder.iterdir()} for folder in folders]


def test_an_edited_module_is_told_shown_and_run_again(launcher: Launcher, address: str) -> None:
    write(launcher)
    assert launcher.run("--address", address).returncode == 0
    assert any({"train.py", "model.py", "lazy.py"} == set(files) for files in kept(launcher))
    (launcher.directory / "lazy.py").write_text("SHIFT = 10\n")
    again = launcher.run("--address", address)
    assert "2 runs ran an older text of the program (changed since: lazy.py)" in again.stderr
    assert "2 reused" in again.stderr
    for command in ("status", "best", "plan"):
        assert "2 runs ran an older text" in launcher.run(command=command).stderr
    launcher.file, file = Path(f"{launcher.file}:0"), launcher.file
    diff = launcher.run(command="diff").stdout
    launcher.file = file
    assert "-SHIFT = 0\n+SHIFT = 10\n" in diff
    one = launcher.run("--address", address, "--rerun", "1")
    assert "1 new, 1 reused" in one.stderr
    assert "1 run ran an older text" in one.stderr
    rest = launcher.run("--address", address, "--rerun")
    assert "1 new, 1 reused" in rest.stderr
    assert "older text" not in rest.stderr
    assert [t["value"] for t in launcher.read("status")["trials"]] == [11, 12]
    assert len(launcher.records()) == 4


def test_the_modules_of_a_script_count_too(launcher: Launcher, address: str) -> None:
    command = ["${interpreter}", "script.py", "${args}"]
    write(launcher, command=command)
    assert launcher.run("--address", address).returncode == 0
    assert any({"script.py", "model.py", "lazy.py"} == set(files) for files in kept(launcher))
    (launcher.directory / "model.py").write_text("SCALE = 3\n")
    again = launcher.run("--address", address)
    assert "2 runs ran an older text of the program (changed since: model.py)" in again.stderr


@pytest.mark.slow
def test_a_rerun_that_is_interrupted_goes_on_without_being_told(launcher: Launcher) -> None:
    launcher.write({"epochs": 3, "delay": 0.4}, trials=3)
    assert launcher.run("-j", "2").returncode == 0
    launch = launcher.start("-j", "1", "--rerun", "all")
    launcher.wait_for(lambda runs: len(runs) == 5 and runs[-1].status != "pending")
    launch.send_signal(signal.SIGINT)
    _, err = launch.communicate(timeout=120)
    assert "to go on: sweeper launch" in err
    assert "--rerun" not in err
    again = launcher.run("-j", "2")
    assert "1 new, 1 resumed, 1 reused" in again.stderr
    assert [run.status for run in launcher.records()] == ["finished"] * 6


def test_what_another_program_has_made_is_refused(launcher: Launcher, address: str) -> None:
    write(launcher)
    assert launcher.run("--address", address).returncode == 0
    (launcher.directory / "other.py").write_text(TRAIN.replace("SCALE *", "100 + SCALE *"))
    launcher.write({}, program="other.py", parameters={"x": {"values": [1, 2, 3]}})
    refused = launcher.run("--address", address)
    assert refused.returncode == 2
    for word in ("/other.py, found 2 runs of ", "/train.py", "--name", "--rerun", "--reuse"):
        assert word in refused.stderr
    assert "left out: 2 runs of" in launcher.run(command="best").stderr
    assert launcher.read("status")["counts"]["pending"] == 3
    beside = launcher.run("--address", address, "--rerun")
    assert (beside.returncode, "3 new" in beside.stderr) == (0, True)
    assert [t["value"] for t in launcher.read("status")["trials"]] == [101, 102, 103]
    write(launcher)  # and the first one still has its own
    assert [t["value"] for t in launcher.read("status")["trials"]] == [1, 2]
