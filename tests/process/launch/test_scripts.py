"""Launching scripts as a user does, W&B's files and scripts among them, on real Ray."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import time

import pytest

from tests.process.launch.launcher import Launcher

needs_wandb = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="wandb is not installed"
)

# Neither the script nor its sweeps know of us.
TRAIN = """
import argparse
import time
import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float, default=0.01)
parser.add_argument("--epochs", type=int, default=2)
args = parser.parse_args()

run = wandb.init(project="a-project", config=args)
loss = 1.0
for epoch in range(run.config.epochs):
    time.sleep(0.1)
    loss *= 1 - wandb.config.learning_rate
    wandb.log({"epoch": epoch, "val_loss": loss})
run.finish()
"""
GRID = """
program: train.py
method: grid
metric:
  name: val_loss
  goal: minimize
parameters:
  learning_rate:
    values: [0.1, 0.5]
"""
HYPERBAND = """
program: train.py
method: random
run_cap: 4
metric:
  name: val_loss
  goal: minimize
early_terminate:
  type: hyperband
  min_iter: 2
  eta: 2
parameters:
  learning_rate:
    distribution: uniform
    min: 0.1
    max: 0.6
  epochs:
    value: 30
command:
  - ${env}
  - ${interpreter}
  - ${program}
  - ${args}
"""


def prepare(launcher: Launcher, sweep: str, script: str, name: str = "train.py") -> None:
    launcher.file.write_text(sweep)
    (launcher.directory / name).write_text(script)


@needs_wandb
def test_hyperband_stops_random_wandb_scripts(launcher: Launcher, address: str) -> None:
    prepare(launcher, HYPERBAND, TRAIN)
    done = launcher.run("--address", address, "-j", "1")
    assert done.returncode == 0, done.stderr
    records = launcher.records()
    stopped = [record for record in records if record.status == "stopped"]
    assert len(records) == 4
    assert stopped
    for record in records:
        if record in stopped:  # while it ran, not when it was over
            assert 2 <= len(record.rows) < 28
            *_, last = record.paths.output.read_text().splitlines()
            assert last == "sweeper: stopped early by early_terminate (hyperband)"
        else:
            assert len(record.rows) == 30
    best = max(records, key=lambda record: record.params["learning_rate"])
    assert best.status == "finished"
    assert launcher.left() == []


# As W&B's documentation writes them: `train` is the script's own.
OWN_TRAIN = """
import wandb

def train(config=None):
    with wandb.init(config=config):
        config = wandb.config
        for epoch in range(2):
            wandb.log({"epoch": epoch, "val_loss": (1 - config.learning_rate) ** (epoch + 1)})

if __name__ == "__main__":
    train()
"""

# As PyTorch's examples are written, without a guard: whoever imports it runs it.
PYTORCH_LIKE = """
import argparse
import sweeper

def train(args, model, device, train_loader, optimizer, epoch):
    sweeper.report(epoch=epoch, val_loss=(1 - args.learning_rate) ** epoch)

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", type=float, required=True)
    args = parser.parse_args()
    for epoch in range(1, 3):
        train(args, None, "cpu", [], None, epoch)

main()
"""


@pytest.mark.parametrize(
    "script",
    [pytest.param(OWN_TRAIN, marks=needs_wandb), PYTORCH_LIKE],
    ids=["wandb", "pytorch"],
)
def test_scripts_with_a_train_function_of_their_own(
    launcher: Launcher, address: str, script: str
) -> None:
    prepare(launcher, GRID, script)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "2 finished"
    found = {
        r.params["learning_rate"]: [row["val_loss"] for row in r.rows] for r in launcher.records()
    }
    assert found == {0.1: [0.9, 0.9**2], 0.5: [0.5, 0.25]}
    assert done.stdout.startswith("best: trial 1  val_loss=0.25 (epoch 2)")
    assert not (launcher.directory / "wandb").exists()


MUTE = "program: train.py\nmethod: grid\nmetric: {name: loss}\nparameters: {x: {values: [1]}}\n"


def test_what_is_wrong_with_a_script_is_said(launcher: Launcher, address: str) -> None:
    prepare(launcher, MUTE, "import sweeper\nsweeper.report(acc=1)\n")
    done = launcher.run("--address", address)
    assert done.returncode == 2
    assert "trial 0 ended without reporting 'loss': found acc; log it in the script" in done.stderr
    assert "or define train(params, callbacks)" in done.stderr

    prepare(launcher, MUTE.replace("[1]", "[2]"), "print('busy')\nraise ValueError('too big')\n")
    done = launcher.run("--address", address)
    assert done.returncode == 3
    assert "ScriptFailed: exit code 1: ValueError: too big" in done.stderr
    (failed,) = (record for record in launcher.records() if record.status == "failed")
    assert failed.paths.output.read_text().startswith("busy\n")
    assert len(failed.provenance["attempts"]) == 2


# It will not end when it is asked to, nor will its child.
STUBBORN = """
trap '' TERM
sleep 600 &
echo '{"loss": 1}' >> "$SWEEPER_REPORT_FILE"
echo '{"loss": 0.5}' >> "$SWEEPER_REPORT_FILE"
while true; do sleep 0.1; done
"""
STUBBORN_SWEEP = """
command: [sh, "${program}"]
program: job.sh
method: grid
metric: {name: loss}
parameters: {x: {values: [1, 2]}}
"""


def started(launcher: Launcher, *words: str) -> subprocess.Popen[str]:
    prepare(launcher, STUBBORN_SWEEP + "retry: {max: 0}\n", STUBBORN, "job.sh")
    process = launcher.start("-j", "1", *words)
    launcher.wait_for(lambda records: sum(len(record.rows) for record in records) == 2)
    return process


def test_an_interrupt_ends_scripts(launcher: Launcher, address: str) -> None:
    process = started(launcher, "--address", address)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert time.monotonic() - began < 20
    assert launcher.left() == []
    (record,) = launcher.records()
    assert record.status == "interrupted"
    assert record.provenance["attempts"][-1]["ended"] == "interrupted: stopped"
    assert record.paths.output.read_text() == "sweeper: interrupted: the launch has ended\n"


def test_scripts_end_with_a_driver_that_is_killed(launcher: Launcher, address: str) -> None:
    process = started(launcher, "--address", address)
    process.kill()
    process.communicate()
    assert launcher.left() == []


def test_a_script_that_takes_too_long(launcher: Launcher, address: str) -> None:
    text = "import signal, sweeper, time, sys\nsweeper.report(loss=1)\n"
    text += "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('asked')))\ntime.sleep(60)\n"
    prepare(launcher, MUTE + "budget: {trial: 3s}\n", text)
    done = launcher.run("--address", address)
    assert done.returncode == 3, done.stderr
    (record,) = launcher.records()
    assert record.status == "timed-out"
    said = "sweeper: timed-out: ran for 3 s, its budget\n"
    assert record.paths.output.read_text() == f"asked\n{said}"
    assert [row["loss"] for row in record.rows] == [1.0]
