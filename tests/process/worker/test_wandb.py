"""Scripts written for W&B, unchanged, with the real ``wandb``: no account, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.worker.script import INJECTED
from tests.process.worker.conftest import Stage

pytest.importorskip("wandb")


def rows(stage: Stage) -> list[dict[str, Any]]:
    return stage.record.rows


# As W&B's page on sweeps teaches it: defaults from argparse, the sweep's values win.
TAUGHT = """
import argparse
import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1.0)
parser.add_argument("--width", type=int, default=1)
parser.add_argument("--depth", type=int, default=3)
args = parser.parse_args()

with wandb.init(project="my-project", entity="nobody", config=vars(args)) as run:
    run.config.update(args)
    assert (run.config.lr, wandb.config["width"], run.config.depth) == (0.25, 8, 3)
    assert args.lr == 0.25
    for epoch in range(3):
        for batch in range(50):
            run.log({"batch loss": batch})
        wandb.log({"epoch": epoch, "loss": run.config.lr / (epoch + 1), "acc": 0.5})
    run.summary["best"] = 1
    assert run.sweep_id == "case" and run.name.startswith("exp-")
"""


def test_a_script_as_the_docs_teach_it(stage: Stage) -> None:
    stage.write("train.py", TAUGHT)
    reports, end = stage.run(1)
    assert end["outcome"] == "finished", stage.output
    assert [r["iteration"] for r in reports] == [1, 2, 3]
    each = [
        {"epoch": epoch, "acc": 0.5, "batch loss": 49.0, "loss": 0.25 / epoch}
        for epoch in (1, 2, 3)
    ]
    assert rows(stage) == [*each[:2], {**each[2], "best": 1.0}]
    # Kept for `wandb sync`, with what the sweep has set.
    (kept,) = (stage.record.path / "wandb").glob("offline-run-*")
    assert list(kept.glob("*.wandb"))
    assert "wandb:" not in stage.output.replace("wandb: WARNING", "")


# Without arguments, as a quarter of the sweep files in the wild run their scripts.
EVERY_KIND = """
import numpy as np, wandb

wandb.init(config={"lr": 9, "model": {"depth": 1, "width": 2}})
assert wandb.config.lr == 0.5, wandb.config
wandb.log({"acc": np.float32(0.5), "group": {"deep": np.int64(2)}}, commit=False)
wandb.log({"name": "x", "histogram": wandb.Histogram([1, 2]), "array": np.ones(3)}, commit=False)
wandb.log({"loss": np.array(2.0)})
wandb.log({"loss": 1}, 10)
wandb.log({"acc": True}, step=10)
wandb.log({"loss": 0.5, "acc": 1.0}, step=11)
wandb.log({"final": 7, "row": np.ones((1, 1)), "group": {"in": {"one": np.array([3])}}}, step=11)
try:
    wandb.log("no dictionary")
except Exception as error:
    print(type(error).__name__)
wandb.log({"loss": np.ones((1, 1), np.float32), "last": 1}, commit=False)
"""


def test_every_way_to_log(stage: Stage) -> None:
    stage.write("train.py", EVERY_KIND, command=["${env}", "python", "${program}"])
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    _, end = stage.run(env=env)
    assert end["outcome"] == "finished", stage.output
    first, *middle, last = rows(stage)
    assert first == {"epoch": 1, "acc": 0.5, "group.deep": 2.0, "loss": 2.0}
    assert [row["loss"] for row in middle] == [1.0, 0.5]
    assert [row["acc"] for row in rows(stage)[:3]] == [0.5, 1.0, 1.0]
    assert middle[-1].items() >= {"final": 7.0, "row": 1.0, "group.in.one": 3.0}.items()
    assert last["last"] == 1.0
    assert "TypeError" in stage.output


IN_THE_SUMMARY = """
import wandb
run = wandb.init()
run.define_metric("acc", summary="max")
run.define_metric("val.*", summary="min")
for epoch in range(3):
    run.log({"acc": 1 - abs(epoch - 1) / 2, "val": {"loss": abs(epoch - 1)}, "lr": 0.5})
    run.log({"media": wandb.Histogram([1, 2])})
    run.summary["best_acc"] = 0.75
    wandb.run.summary.update({"lr": 0.25, "text": "x"})
run.summary["deep"] = {"one": 1}
run.summary["deep"]["one"] = 2
"""

HEARD = {
    **{"acc": 0.5, "acc.max": 1.0, "best_acc": 0.75, "deep.one": 2.0},
    **{"lr": 0.25, "val.loss": 1.0, "val.loss.min": 0.0},
}


@pytest.mark.parametrize("name", ["best_acc", "acc.max", "deep.one"])
def test_a_metric_in_the_summary(stage: Stage, name: str) -> None:
    stage.write("train.py", IN_THE_SUMMARY, metric={"name": name})
    _, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    assert rows(stage) == [{"epoch": 1, **HEARD}]


def test_what_the_summary_says_of_a_metric_comes_last(stage: Stage) -> None:
    script = "import wandb; run = wandb.init(); run.log({'loss': 2}); run.log({'loss': 3})"
    stage.write("train.py", f"{script}; run.summary['loss'] = 1")
    assert stage.run()[1]["outcome"] == "finished", stage.output
    assert [row["loss"] for row in rows(stage)] == [2.0, 3.0, 1.0]


DISABLED = """
import wandb

class Tensor:  # as of a framework that is not installed here
    shape = ()
    def __float__(self): return 0.75
    def __getattr__(self, name): raise AttributeError(name)

run = wandb.init()
run.log({"a": Tensor()})
run.summary["loss"] = 3
"""


def test_a_disabled_run_is_heard(stage: Stage) -> None:
    stage.write("train.py", DISABLED)
    assert stage.run(env={"WANDB_MODE": "disabled"})[1]["outcome"] == "finished", stage.output
    assert rows(stage) == [{"epoch": 1, "a": 0.75, "loss": 3.0}]


CALLBACK = """
import sweeper
import wandb
import numpy as np
from wandb.integration.keras import WandbMetricsLogger
ours = sweeper.callbacks() if sweeper.params()["width"] == 9 else []
import keras
run = wandb.init()
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((8, 2))
model.fit(x, x.sum(1), epochs=2, verbose=0, callbacks=[*ours, WandbMetricsLogger()])
run.log({"loss": 5.0})
"""


@pytest.mark.slow
def test_wandbs_keras_callback_alone_and_beside_ours(stage: Stage) -> None:
    widths = {"width": {"values": [8, 9]}}
    stage.write("train.py", CALLBACK, parameters=widths, metric={"name": "epoch/loss"})
    assert stage.run(0)[1]["outcome"] == "finished", stage.output
    assert [set(row) - {"loss"} for row in rows(stage)] == [
        {"epoch", "epoch/epoch", "epoch/learning_rate", "epoch/loss"}
    ] * 2
    assert rows(stage)[1]["loss"] == 5.0
    storage = str(stage.directory / "ours")
    stage.write("train.py", CALLBACK, parameters=widths, storage=storage)
    assert stage.run(1)[1]["outcome"] == "finished"
    (log,) = Path(storage).glob("case/exp-*/run--*/training-logs.csv")
    # Two writers would have left more: what W&B hears is no row beside those of our callbacks.
    assert [line.split(",")[0] for line in log.read_text().splitlines()] == ["epoch", "1", "2"]


def run_python(code: str, directory: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(INJECTED), str(directory)])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **env},
    )


def test_another_sitecustomize_runs_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.theirs = __file__\n")
    done = run_python("import sys, sitecustomize; print(sys.theirs, sitecustomize)", tmp_path)
    assert done.stdout.count(str(tmp_path / "sitecustomize.py")) == 2, done.stderr


def test_the_start_of_python_stays_light(tmp_path: Path) -> None:
    code = "import sys, json; print(json.dumps(sorted(sys.modules)))"
    done = run_python(code, tmp_path, SWEEPER_REPORT_FILE=str(tmp_path / "r"))
    loaded = json.loads(done.stdout)
    assert "sitecustomize" in loaded
    assert not [name for name in loaded if name.split(".")[0] in ("sweeper", "wandb", "numpy")]


def test_a_wandb_of_other_names_is_said_once(tmp_path: Path) -> None:
    sdk = tmp_path / "wandb" / "sdk"
    sdk.mkdir(parents=True)
    (sdk / "__init__.py").touch()
    (sdk.parent / "__init__.py").touch()
    (sdk / "wandb_run.py").write_text("class Run:\n    id = 'a'\n    def log(self, data): pass\n")
    code = "from wandb.sdk.wandb_run import Run; Run().log({'loss': 1}); print('through')"
    done = run_python(code, tmp_path, SWEEPER_REPORT_FILE=str(tmp_path / "r"))
    assert done.stdout == "through\n"
    assert done.stderr == (
        "sweeper: this version of wandb has no finish, __exit__, sweep_id in "
        "wandb.sdk.wandb_run.Run: the sweep may not hear all that this script tells W&B\n"
    )
    assert json.loads((tmp_path / "r").read_text())["loss"] == 1.0


def test_a_report_file_that_is_gone_does_not_hurt(tmp_path: Path) -> None:
    code = "import wandb; run = wandb.init(mode='disabled'); run.log({'loss': 1}); print('through')"
    done = run_python(code, tmp_path, SWEEPER_REPORT_FILE=str(tmp_path / "no" / "file"))
    assert done.stdout == "through\n", done.stderr
    assert done.stderr == ""
