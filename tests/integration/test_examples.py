"""The example sweeps, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.sweepfile import Sweep, load_sweep

SWEEPS = Path(__file__).parents[2] / "sweeps"
FILES = sorted(SWEEPS.glob("*.yaml"))


def sweeper(*words: object, timeout: float = 60) -> str:
    command = [sys.executable, "-m", "sweeper", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(*words: object) -> Any:
    return json.loads(sweeper(*words, "--json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_example_is_a_valid_sweep_with_its_train_module(path: Path) -> None:
    sweep = load_sweep(path)
    assert sweep.warnings == ()
    assert sweep.program is not None
    assert sweep.program.path == path.with_suffix(".py")
    assert sweep.program.path.is_file()
    assert sweep.metric is not None
    assert sweep.size() == len({json.dumps(trial.params) for trial in sweep.trials()})


def test_digits_has_the_parameters_of_the_seed() -> None:
    trials = list(load_sweep(SWEEPS / "digits.yaml").trials())
    assert len(trials) == 8
    for trial in trials:
        assert list(trial.params) == [
            "debug", "training", "processing", "model", "comment", "author",
        ]  # fmt: skip
        assert set(trial.params["training"]) == {"batch_size", "epochs", "learning-rate"}
        assert set(trial.params["processing"]) == {"width", "height"}
        assert set(trial.params["model"]) == {
            "conv_0", "conv_1", "kernel_0", "kernel_1", "pool_size", "dropout_0", "dense",
            "dropout_1", "num_classes",
        }  # fmt: skip


def test_quadratic(tmp_path: Path) -> None:
    path = SWEEPS / "quadratic.yaml"
    sweeper("launch", path, "--storage", tmp_path, timeout=120)
    status = read("status", path, "--storage", tmp_path)
    assert status["counts"]["finished"] == 12
    assert [trial["epochs"] for trial in status["trials"]] == [10] * 12
    best = read("best", path, "--storage", tmp_path)["trials"]
    assert best[0]["value"] < 0.1
    assert sweeper("logs", path, best[0]["trial"], "--storage", tmp_path).startswith("stopped at")
    assert {t["state"] for t in read("plan", path, "--storage", tmp_path)["trials"]} == {"reused"}


EVALUATE = """
import json, sys
import keras
sys.path.insert(0, sys.argv[1])
import digits
best = json.load(sys.stdin)["trials"][0]
processing = best["params"]["processing"]
_, _, x, y = digits.get_data(processing["height"], processing["width"])
model = keras.models.load_model(best["checkpoint"])
print(json.dumps(model.evaluate(x, y, verbose=0, return_dict=True)))
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The digits sweep, launched with two trials at once."""
    storage = tmp_path_factory.mktemp("digits")
    path = SWEEPS / "digits.yaml"
    sweeper("launch", path, "--storage", storage, "-j", 2, timeout=280)
    return load_sweep(path, storage=storage)


def test_digits_learns(digits: Sweep) -> None:
    best = read("best", SWEEPS / "digits.yaml", "--storage", digits.storage)
    assert (best["metric"], best["goal"]) == ("val_accuracy", "maximize")
    assert best["trials"][0]["value"] > 0.97


def test_digits_leaves_the_tree_of_the_seed(digits: Sweep) -> None:
    runs = sorted(digits.base_dir.glob("exp-*-*-*/run--*"))
    assert len(runs) == 8
    for run in runs:
        names = {path.name for path in run.iterdir()}
        assert names >= {
            "hyperparameters.json", "performances.json", "training-logs.csv", "run.json",
            "outcome.json", "models", "output.log",
        }  # fmt: skip
        assert "backup" not in names
        assert len((run / "training-logs.csv").read_text().splitlines()) == 1 + 6
        assert json.loads((run / "outcome.json").read_text())["outcome"] == "finished"
        assert "Epoch 6/6" in (run / "output.log").read_text()
    home = digits.base_dir / "sweeps" / "digits"
    assert {"sweep.yaml", "summary.json", "summary.csv"} <= {path.name for path in home.iterdir()}


def test_the_best_checkpoint_evaluates_to_what_was_recorded(digits: Sweep) -> None:
    best = sweeper("best", digits.base_dir, "--json")
    command = [sys.executable, "-c", EVALUATE, str(SWEEPS)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command,
        input=best,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    recorded = json.loads(best)["trials"][0]["metrics"]
    assert found["accuracy"] == pytest.approx(recorded["val_accuracy"], abs=1e-6)
    assert found["loss"] == pytest.approx(recorded["val_loss"], rel=1e-4)
