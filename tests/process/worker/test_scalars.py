"""Scalars that a script writes for TensorBoard: rows, unless it tells them otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.process.worker.conftest import Stage

WRITERS = """
from tensorboardX import SummaryWriter
train, held = SummaryWriter("logs/train"), SummaryWriter(logdir="logs/held")
for epoch in range(3):
    train.add_scalar("loss", 1 / (epoch + 1), epoch)
    held.add_scalar("loss", 2 / (epoch + 1), global_step=epoch)
    held.add_scalars("acc", {"a": 0.5, "b": 0.25}, epoch)
held.add_hparams({"lr": 1}, {"hparam/best": 7})
"""
METRIC = {"name": "held/loss", "goal": "minimize"}


def rows(stage: Stage, text: str, **keys: Any) -> list[dict[str, float]]:
    stage.write("job.py", text, **keys)
    _, end = stage.run()
    assert end["outcome"] == "finished", (end, stage.output)
    return stage.record.rows


def test_what_goes_to_several_directories_is_told_apart(stage: Stage) -> None:
    found = rows(stage, WRITERS, metric=METRIC)
    assert [row["held/loss"] for row in found] == [2.0, 1.0, 2 / 3]
    assert [row["train/loss"] for row in found] == [1.0, 0.5, 1 / 3]
    assert {"held/acc/a", "held/acc/b", "hparam/best"} < found[-1].keys()


BOTH = """
import sweeper
from tensorboardX import SummaryWriter
writer = SummaryWriter()
for epoch in range(3):
    writer.add_scalar("loss", 9, epoch)
    writer.add_scalar("lr", 0.1, epoch)
    {}
"""


@pytest.mark.parametrize(
    "tell",
    ["sweeper.report(loss=epoch)", "print('loss is', epoch, flush=True)"],
    ids=["reports", "prints"],
)
def test_what_the_script_tells_itself_comes_before(stage: Stage, tell: str) -> None:
    metric = {"name": "loss", "goal": "minimize"}
    if "print" in tell:
        metric["pattern"] = r"loss is (\d)"
    found = rows(stage, BOTH.format(tell), metric=metric)
    assert [row["loss"] for row in found] == [0.0, 1.0, 2.0]
    assert found[0]["lr"] == 0.1


def test_it_counts_where_nothing_else_does(stage: Stage) -> None:
    assert [row["loss"] for row in rows(stage, BOTH.format("pass"))] == [9.0] * 3


KERAS = """
import keras, numpy as np
x = np.linspace(0, 1, 64, dtype="float32").reshape(16, 4)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
{board}
fit = model.fit(x, x[:, :1], epochs=3, verbose=0, validation_split=0.25, callbacks=board)
print("HISTORY", fit.history["val_loss"])
for epoch, value in enumerate(fit.history["val_loss"]):
    writer.add_scalar("val_loss", value + 1, epoch)
writer.add_scalar("test", 5)
"""
NO_BOARD = """
from tensorboardX import SummaryWriter
writer = SummaryWriter()
class Board(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        writer.add_scalar("val_loss", 99, epoch)
        writer.add_scalar("epoch2", epoch * 2, epoch)
board = [Board()]
"""


FOLDS = """
import os, sys, multiprocessing
from tensorboardX import SummaryWriter
def fold(number):
    writer = SummaryWriter(f"logs/fold{number}")
    os.chdir("/")
    for epoch in range(2):
        writer.add_scalar("loss", 9 - number - epoch, epoch)
    writer.close()
for number in range(2):
    process = multiprocessing.get_context("fork").Process(target=fold, args=(number,))
    process.start()
    process.join()
"""


def test_of_several_processes_the_first_directory_counts(stage: Stage) -> None:
    metric = {"name": "loss", "goal": "minimize"}
    assert [row["loss"] for row in rows(stage, FOLDS, metric=metric)] == [9.0, 8.0]
    assert stage.output.count("loss: is written to several places") == 1


def test_a_fit_that_is_recorded_comes_before(stage: Stage) -> None:
    metric = {"name": "val_loss", "goal": "minimize"}
    found = rows(stage, KERAS.format(board=NO_BOARD), metric=metric)
    (line,) = [line for line in stage.output.splitlines() if line.startswith("HISTORY")]
    assert str([row["val_loss"] for row in found]) in line
    assert [row["epoch2"] for row in found] == [0.0, 2.0, 4.0]
    assert found[-1]["test"] == 5.0
