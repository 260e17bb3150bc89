"""Programs that know nothing of sweeper: their fits are recorded, resumed, judged all the same."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.worker.conftest import Stage
from tests.process.worker.strangers import COMMON, STRANGERS

OFTEN = ("argparse", "folds", "wandb")  # the others are slow tests


def put(stage: Stage, files: dict[str, str] | str, keys: dict[str, Any]) -> None:
    files = {**COMMON, "train.py": files} if isinstance(files, str) else files
    for name, text in files.items():
        path = stage.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    name = keys.get("program", "train.py")
    metric = {"name": "val_loss", "goal": "minimize"}
    lr = {"lr": {"value": 0.01}}
    stage.write(name, (stage.directory / name).read_text(), **{
        "metric": metric, "parameters": lr, **keys,
    })  # fmt: skip


def found(stage: Stage) -> tuple[list[dict[str, float]], list[str]]:
    """The rows, and what the last attempt printed."""
    printed = [line for line in stage.output.splitlines() if line.startswith("RESULT")]
    return stage.record.rows, printed


def kill_after(stage: Stage, rows: int) -> None:
    """Begin the trial, and kill its program as soon as so many rows have been heard of."""
    child = stage.start(last=False)
    for _ in range(rows):
        stage.next("report")
    ours = psutil.Process().children(recursive=True)
    environment = f"SWEEPER_RUN={stage.record.path}"
    for process in ours:
        with contextlib.suppress(OSError):
            if environment in Path(f"/proc/{process.pid}/environ").read_text().split("\0"):
                os.kill(process.pid, signal.SIGKILL)
    assert stage.next("end", 30)["outcome"] == "failed"
    child.kill()


@pytest.mark.parametrize(
    "name",
    [n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in STRANGERS],
)
def test_a_strangers_program_is_killed_and_ends_as_undisturbed(name: str, tmp_path: Path) -> None:
    ends = []
    for kills in ([], [2]):
        directory = tmp_path / f"{len(kills)}"
        directory.mkdir()
        stage = Stage(directory)
        put(stage, *STRANGERS[name])
        try:
            for rows in kills:
                kill_after(stage, rows)
            _, end = stage.run()
            assert end["outcome"] == "finished", stage.output
            ends.append(found(stage))
        finally:
            if stage.control is not None:
                stage.control.close()
    whole, killed = ends
    assert all(whole)
    assert killed[0] == whole[0]
    assert killed[1][-len(whole[1]) :] == whole[1]
