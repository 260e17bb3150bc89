"""What a script prints is heard; and a trial has a directory of its own."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from sweeper.tree import RunRecord, Tree, files
from sweeper.worker.printed_metric import PrintedMetric
from tests.process.worker.conftest import Stage

PRINTS = r"""
import os, sys
write = lambda text: (sys.stdout.write(text), sys.stdout.flush())
write("val acc: 0.25\n")
write("epoch 2 \x1b[32mval\x1b[0m acc: 1e-3\r")
print("val acc: nan", file=sys.stderr)
write("val acc: 12% of all\nval acc: 13%\n")
write("val ac")
write("c: 0.5 and val acc: 0.75\r\n")
assert os.environ["SWEEPER_HOOK"] == "off"
write("val acc: 1.5")
"""


def test_the_metric_is_found_in_what_a_script_prints(stage: Stage) -> None:
    metric = {"name": "acc", "goal": "maximize", "pattern": r"val acc: (?P<value>\S+)"}
    stage.write("job.py", PRINTS, metric=metric)
    reports, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    values = [report["metrics"]["acc"] for report in reports]
    assert [*values[:2], *values[3:]] == [0.25, 0.001, 0.5, 1.5]
    assert math.isnan(values[2])
    assert [report["iteration"] for report in reports] == [1, 2, 3, 4, 5]
    assert stage.output.count("metric.pattern: expected a number, found '12%'") == 1
    assert "'13%'" not in stage.output


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("loss: 1.5e-05", 1.5e-5),
        ("loss: 15E+2;", 1500.0),
        ("loss: 3.25 of 7", 3.25),
        ("loss: 0.5, 0.75", 0.5),
        ("loss: 2e x", 2.0),
        ("loss: 1,234.5\nloss: 5, 100", 5.0),  # no number that Python reads: told, not taken as 1
    ],
)
def test_a_number_that_the_pattern_cuts_short_is_whole(
    printed: str, value: float, tmp_path: Path
) -> None:
    file = tmp_path / "output.log"
    file.touch()
    found = PrintedMetric(file, r"loss: (\d+\.?\d*)", lambda _: None)
    file.write_text(f"{printed}\n")
    assert list(found.read(last=True)) == [value]


def test_an_attempt_hears_only_what_it_prints_itself(stage: Stage) -> None:
    text = "import os\nn = len(open(os.environ['SWEEPER_RUN'] + '/output.log').readlines())\n"
    text += "print('loss', n, flush=True)\nraise SystemExit(n == 0)\n"
    stage.write(
        "job.py", text, metric={"name": "loss", "goal": "minimize", "pattern": r"loss (\d)"}
    )
    assert stage.run(last=False)[1]["outcome"] == "failed"
    assert stage.run()[1]["outcome"] == "finished", stage.output
    assert [row["loss"] > 0 for row in stage.record.rows] == [True]


def test_a_pattern_that_never_matches_is_told_with_the_last_lines(stage: Stage) -> None:
    metric = {"name": "acc", "goal": "maximize", "pattern": r"acc: (\d+)"}
    stage.write("job.py", "for i in range(9): print('acc =', i)\n", metric=metric)
    _, end = stage.run()
    assert (end["outcome"], end["reported"]) == ("no-metric", [])
    assert end["printed"] == [f"acc = {i}" for i in range(4, 9)]


PLACES = """
import os, sys
from pathlib import Path
import sweeper, beside
run = Path(os.environ["SWEEPER_RUN_DIR"])
assert run == sweeper.run_dir() == Path(os.environ["SWEEPER_RUN"])
assert (run / "hyperparameters.json").is_file()
assert sys.argv[1:] == [f"--out={run}/out", str(run)]
assert Path("data/x.txt").read_text() == "x" and Path("conf/base/c.yaml").exists()
assert Path.cwd() == run / "work"
Path("model.npy").write_text("mine")
sweeper.report(loss=1)
"""
OWN: dict[str, Any] = {"cwd": "run", "link": ["data", "conf/base"]}


def put_data(directory: Path) -> None:
    for name, text in {"data/x.txt": "x", "conf/base/c.yaml": "", "beside.py": ""}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@pytest.mark.parametrize("word", [["${program}"], ["-m", "pkg.job"]], ids=["file", "module"])
def test_a_trial_starts_in_a_directory_of_its_run(stage: Stage, word: list[str]) -> None:
    put_data(stage.directory)
    (stage.directory / "pkg").mkdir()
    (stage.directory / "pkg" / "job.py").write_text(PLACES)
    out = ["--out=${run_dir}/out", "${run_dir}"]
    stage.write("job.py", PLACES, command=["${interpreter}", *word, *out], **OWN)
    _, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    record = stage.record
    work = record.path / "work"
    assert sorted(os.listdir(work)) == ["conf", "data", "model.npy"]
    assert os.readlink(work / "data") == str(stage.directory / "data")
    assert record.unreadable is None
    assert record.paths.others == ["model.npy"]


def test_what_lies_behind_a_link_outlives_the_run(stage: Stage) -> None:
    put_data(stage.directory)
    stage.write("job.py", "import sweeper\nsweeper.report(loss=1)\n", **OWN)
    assert stage.run()[1]["outcome"] == "finished", stage.output
    record = stage.record
    Tree(stage.directory / "experiments" / "case").tidy()
    assert record.path.is_dir()
    assert files.size(record.path) < 100_000
    files.remove(record.path)
    assert not record.path.exists()
    assert (stage.directory / "data" / "x.txt").read_text() == "x"


def test_a_strangers_link_in_place_of_the_directory_is_refused(stage: Stage) -> None:
    put_data(stage.directory)
    stage.write("job.py", "raise SystemExit(1)", **OWN)
    assert stage.run(last=False)[1]["outcome"] == "failed"
    work, outside = stage.record.path / "work", stage.directory / "outside"
    outside.mkdir()
    (work / "conf" / "base").unlink()
    (work / "conf").rmdir()
    (work / "conf").symlink_to(outside)
    assert "found a link" in stage.run(last=False)[1]["error"]["message"]
    assert list(outside.iterdir()) == []
    for name in os.listdir(work):
        (work / name).unlink()
    work.rmdir()
    work.symlink_to(outside)
    assert RunRecord.at(work.parent).unreadable is not None
