"""Programs that know nothing of sweeper: their fits are recorded, resumed, judged all the same."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.worker.conftest import Stage
from tests.process.worker.strangers import COMMON, STRANGERS

ROOT = Path(__file__).parents[3]
OFTEN = ("wandb",)  # the others are slow tests


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
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SWEEPER_RUN") == str(stage.record.path):
                process.kill()
    assert stage.next("end", 30)["outcome"] == "failed"
    child.kill()


def killed_and_whole(
    tmp_path: Path, program: Any, keys: dict[str, Any], rows: int = 2
) -> tuple[Any, Any]:
    """What is found of a program that was killed after so many rows, and of a whole one."""
    ends = []
    for name in ("killed", "whole"):
        directory = tmp_path / name
        directory.mkdir()
        stage = Stage(directory)
        put(stage, program, keys)
        try:
            if name == "killed":
                kill_after(stage, rows)
            _, end = stage.run()
            assert end["outcome"] == "finished", (end, stage.output)
            ends.append(found(stage))
        finally:
            if stage.control is not None:
                stage.control.close()
    return ends[0], ends[1]


@pytest.mark.parametrize(
    "name",
    [n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in STRANGERS],
)
def test_a_strangers_program_is_killed_and_ends_as_undisturbed(name: str, tmp_path: Path) -> None:
    killed, whole = killed_and_whole(tmp_path, *STRANGERS[name])
    assert all(whole)
    assert killed[0] == whole[0]
    assert killed[1][-len(whole[1]) :] == whole[1]


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_program_without_fit_goes_on_where_it_was_killed(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    text = (
        (ROOT / "sweeps" / f"resume_{name}.py").read_text().replace('print(f"', 'print(f"RESULT ')
    )
    rate = {"numpy": "rate", "torch": "lr"}[name]
    keys = {"parameters": {rate: {"value": 0.1}, "epochs": {"value": 40}}}
    killed, whole = killed_and_whole(tmp_path, text, keys)
    assert killed[0] == whole[0]
    assert len(whole[0]) == 40
    assert sum("epoch 1:" in line for line in killed[1]) == 1


def test_a_program_that_the_hook_cannot_reach_is_told_of(stage: Stage) -> None:
    command = ["${interpreter}", "-I", "${program}"]
    stage.write("train.py", "print('trained')", command=command)
    assert stage.run()[1]["outcome"] == "no-metric"
    assert "sweeper: no Python of this trial has been heard of" in stage.output
