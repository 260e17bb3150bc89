"""Scripts in their keeper: parameters in, reports out as they come, and every kind of end."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweeper.tree import Tree
from sweeper.worker import client, end_marked
from tests.process.worker.conftest import Stage

SHELL = """
[ "$1" = lr=0.5 ] && [ "$2" = width=8 ] || exit 9
grep -q '"lr": 0.5' "$SWEEPER_PARAMS_FILE" || exit 8
echo '{"loss": 1.5, "acc": 0.1}' >> "$SWEEPER_REPORT_FILE"
while [ ! -e go ]; do sleep 0.05; done
echo '{"acc": 0.2}' >> "$SWEEPER_REPORT_FILE"
echo 'not json' >> "$SWEEPER_REPORT_FILE"
echo 'nor this' >> "$SWEEPER_REPORT_FILE"
echo '{"acc": 0.3, "name": "x", "group": {"deep": 1}}' >> "$SWEEPER_REPORT_FILE"
echo '{"loss": 0.5, "epoch": 4}' >> "$SWEEPER_REPORT_FILE"
echo '{"loss": 0.25}' >> "$SWEEPER_REPORT_FILE"
printf '{"final": 7}' >> "$SWEEPER_REPORT_FILE"
echo done
"""


def rows(stage: Stage) -> list[dict[str, Any]]:
    return stage.record.rows


def test_a_shell_script_with_json_lines(stage: Stage) -> None:
    stage.write("job.sh", SHELL, command=["sh", "${program}", "${args_no_hyphens}"])
    stage.start()
    run = stage.next()
    assert run["kind"] == "run"
    first = stage.next("report")  # while the script waits for us
    assert (first["epoch"], first["iteration"]) == (1, 1)
    assert first["metrics"] == {"acc": 0.1, "loss": 1.5}
    assert rows(stage) == [{"epoch": 1, "acc": 0.1, "loss": 1.5}]
    assert stage.record.status == "running"
    (stage.directory / "go").touch()
    assert [stage.next("report")["iteration"] for _ in range(2)] == [2, 3]
    end = stage.next()
    assert (end["kind"], end["outcome"], "clean" in end) == ("end", "finished", False)
    assert rows(stage) == [
        {"epoch": 1, "acc": 0.1, "loss": 1.5},
        {"epoch": 4, "acc": 0.3, "group.deep": 1.0, "loss": 0.5},
        {"epoch": 5, "final": 7.0, "loss": 0.25},
    ]
    output = stage.output
    assert output.count("expected a JSON object in a line, found 'not json'") == 1
    assert "nor this" not in output
    assert "name: expected a number, found 'x'" in output
    assert "done\n" in output
    assert stage.record.outcome is not None
    assert stage.record.outcome["outcome"] == "finished"


HELPERS = """
import json, os, sys
import sweeper
from pathlib import Path
assert sweeper.params({"lr": 1, "other": 2}) == {"lr": 0.25, "width": 8, "other": 2}
assert json.loads(Path(sys.argv[1]).read_text()) == sweeper.params()
assert os.getcwd() == str(Path(__file__).parent)
assert Path(os.environ["SWEEPER_RUN"], "hyperparameters.json").is_file()
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
sweeper.report(loss=float("nan"), noise=1)
sweeper.report(noise=2)
sweeper.report(3, loss=0.5)
try:
    sweeper.report(0, loss=0.5)
except Exception as error:
    print(error)
print(os.environ["SWEEPER_SEED"], sys.executable, flush=True)
"""


def test_what_sweeper_offers_to_a_script(stage: Stage) -> None:
    stage.write("job.py", HELPERS, command=["${interpreter}", "${program}", "${args_json_file}"])
    reports, end = stage.run(1)
    assert end["outcome"] == "finished", stage.output
    assert [r["epoch"] for r in reports] == [1, 3]
    first, second = rows(stage)
    assert math.isnan(first["loss"])
    assert second == {"epoch": 3, "loss": 0.5, "noise": 2.0}
    assert "epoch: expected an integer, counted from 1, found 0" in stage.output
    assert f"{stage.record.provenance['seed']} {sys.executable}" in stage.output
    assert list(stage.session.directory.glob("trial-*")) == []


def test_without_a_metric_every_line_is_a_row(stage: Stage) -> None:
    text = "import sweeper\nfor i in range(3): sweeper.report(a=i)\n"
    stage.write("job.py", text, metric=None)
    reports, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    assert [r["metrics"] for r in reports] == [{"a": 0.0}, {"a": 1.0}, {"a": 2.0}]


def test_a_metric_that_never_comes(stage: Stage) -> None:
    stage.write("job.py", "import sweeper\nfor i in range(3): sweeper.report(los=i, a=i)\n")
    _, end = stage.run()
    assert (end["outcome"], end["reported"]) == ("no-metric", ["a", "los"])
    assert rows(stage) == [{"epoch": 1, "a": 2.0, "los": 2.0}]
    assert stage.record.status == "interrupted"


@pytest.mark.parametrize(
    ("text", "outcome", "message"),
    [
        ("raise ValueError('no such layer')", "failed", "exit code 1: ValueError: no such layer"),
        ("import os; os.kill(os.getpid(), 11)", "failed", "killed by SIGSEGV"),
        ("raise SystemExit(5)", "failed", "exit code 5: working"),
        ("class ResourceExhaustedError(Exception): pass\nraise ResourceExhaustedError('GPU')",
         "out-of-memory", "exit code 1: ResourceExhaustedError: GPU"),
    ],
    ids=["raises", "signal", "exit", "memory"],
)  # fmt: skip
def test_a_script_that_fails(stage: Stage, text: str, outcome: str, message: str) -> None:
    stage.write("job.py", f"import sweeper\nsweeper.report(loss=1)\nprint('working')\n{text}\n")
    reports, end = stage.run(last=False)
    assert (end["outcome"], end["error"]["message"]) == (outcome, message)
    assert len(reports) == 1
    assert stage.record.status == "interrupted"
    _, end = stage.run(last=True)  # the same run again, and its last attempt
    assert end["outcome"] == outcome
    ending = stage.record.outcome
    assert ending is not None
    assert (ending["outcome"], ending["by"]) == (outcome, "worker")
    assert ending["error"]["type"] == "ScriptFailed"
    assert ending["error"]["traceback"][0] == "working"
    assert rows(stage) == [{"epoch": 1, "loss": 1.0}]
    assert len(stage.record.provenance["attempts"]) == 2


def test_a_command_that_does_not_start(stage: Stage) -> None:
    stage.write("job.py", "", command=["./no-such-program", "${args}"])
    _, end = stage.run()
    assert end["outcome"] == "broken"
    assert "./no-such-program" in end["error"]["message"]
    assert stage.record.status == "interrupted"


TWICE = """
import os, sweeper, sys, time
if os.path.exists("been"):
    while not os.path.exists("go"):
        time.sleep(0.05)
    sweeper.report(loss=3)
    sys.exit()
open("been", "w")
if os.path.exists("keep"):
    open(os.path.join(os.environ["SWEEPER_RUN"], "state.txt"), "w")
for epoch in (1, 2, 3):
    sweeper.report(loss=1 / epoch)
sys.exit(1)
"""


@pytest.mark.parametrize("keep", [False, True], ids=["from-nothing", "from-its-own-state"])
def test_the_rows_of_an_attempt_that_came_to_nothing(stage: Stage, keep: bool) -> None:
    stage.write("job.py", TWICE)
    if keep:
        (stage.directory / "keep").touch()
    stage.run(last=False)
    assert len(rows(stage)) == 3
    stage.start()
    stage.next("run")
    assert len(rows(stage)) == (3 if keep else 0)
    assert (stage.record.performances is None) is not keep
    (stage.directory / "go").touch()
    assert stage.next("report")["iteration"] == 1
    stage.next("end")
    assert rows(stage) == [{"epoch": 1, "loss": 3.0}]


# A parent that ends politely, a child that will not, and one in a session of its own.
STUBBORN = """
import signal, subprocess, sys, time
import sweeper
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
def leave(*_):
    print("asked to end", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
subprocess.Popen([sys.executable, "-c", ignore])
subprocess.Popen([sys.executable, "-c", ignore], start_new_session=True)
time.sleep(1)
sweeper.report(loss=1)
time.sleep(600)
"""


def started(stage: Stage, text: str = STUBBORN) -> None:
    stage.write("job.py", text)
    stage.start()
    stage.next("report")
    assert len(stage.living()) == (3 if text == STUBBORN else 1)


def test_stopping_asks_first_then_kills(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GRACE_SECONDS", 1.5)
    started(stage)
    assert stage.child is not None
    began = time.monotonic()
    stage.child.stop()
    assert 1.4 < time.monotonic() - began < 3.4  # not killed from outside
    assert stage.living() == []
    assert "asked to end" in stage.output
    assert stage.record.provenance["attempts"][0]["ended"] == "interrupted: stopped"
    assert stage.record.status == "interrupted"


POLITE = "import sweeper, time\nsweeper.report(loss=1)\ntime.sleep(600)\n"


def test_stopping_takes_no_longer_than_the_script(stage: Stage) -> None:
    started(stage, POLITE)
    assert stage.child is not None
    began = time.monotonic()
    stage.child.stop()
    assert time.monotonic() - began < 2
    assert stage.living() == []


def test_an_owner_that_is_gone(stage: Stage) -> None:
    started(stage, POLITE)
    assert stage.child is not None
    stage.child._connection.close()
    assert stage.await_gone(5) < 5
    assert stage.record.status == "interrupted"


def test_a_script_that_is_killed_just_before_its_owner_has_not_failed(stage: Stage) -> None:
    started(stage, POLITE)
    assert stage.child is not None
    subprocess.run(["pkill", "-KILL", "-f", str(stage.directory / "job.py")], check=True)
    time.sleep(0.5)
    stage.child._connection.close()
    assert stage.await_gone(5) < 5
    assert stage.record.status == "interrupted"


def test_a_driver_that_is_gone(stage: Stage) -> None:
    started(stage)
    assert stage.control is not None
    stage.control._connection.close()
    assert stage.await_gone(8) > 2  # a short grace


def test_the_end_of_the_launch(stage: Stage) -> None:
    started(stage)
    assert stage.control is not None
    began = time.monotonic()
    stage.control.close()
    assert 2 < time.monotonic() - began < 7
    assert stage.living() == []
    assert stage.next("exit") == {"kind": "exit", "signal": None, "code": None}  # no failure


def test_a_script_that_an_ending_launch_kills_has_not_failed(stage: Stage) -> None:
    started(stage, POLITE)
    stage.session.end()
    end_marked(stage.session.token)
    assert stage.next()["kind"] == "exit"
    assert stage.record.status == "interrupted"
    assert stage.output == "sweeper: interrupted: the launch has ended\n"


def test_a_script_that_leaves_with_zero_as_the_launch_ends_has_not_finished(stage: Stage) -> None:
    stage.write(
        "job.py",
        "import signal, sys, time, sweeper\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\n" + POLITE,
    )
    stage.start()
    stage.next("report")
    stage.session.end()
    (program,) = psutil.Process(stage.child.pid).children()  # type: ignore[union-attr]
    program.terminate()
    assert stage.next()["kind"] == "exit"
    assert stage.record.status == "interrupted"


KERAS = """
import os, random
import sweeper
import keras, numpy as np
x = np.random.rand(32, 2).astype("float32")
print("drew", list({"these", "words", "in", "one", "order"}), random.random())
model = keras.Sequential(
    [keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
)
model.compile(keras.optimizers.Adam(sweeper.params()["lr"] / 100), "mse")
class Die(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2 and os.path.exists("die"):
            os.remove("die")
            os.kill(os.getpid(), 9)
callbacks = [*sweeper.callbacks(), Die()]
model.fit(x, x.sum(1), epochs=4, batch_size=8, verbose=0, callbacks=callbacks)
sweeper.report(5, loss=9.0)
"""


def test_a_keras_script_gives_the_same_each_time_killed_and_resumed_too(stage: Stage) -> None:
    stage.write("job.py", KERAS)
    (stage.directory / "die").touch()
    reports, end = stage.run(last=False)
    assert (end["outcome"], [r["iteration"] for r in reports]) == ("failed", [1, 2]), stage.output
    assert [row["epoch"] for row in rows(stage)] == [1, 2]
    reports, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    record = stage.record
    first, second = record.provenance["attempts"]
    resumed = second["resumed_from_epoch"]
    assert resumed in (1, 2)  # backing up the second may have been too slow to be due
    # A kill may have come before the last epoch backed up was heard of: it is told again.
    assert [(r["epoch"], r["iteration"]) for r in reports] == [(n, n) for n in range(resumed, 6)]
    assert first["ended"] == "interrupted: failed: ScriptFailed: killed by SIGKILL"
    assert second["ended"] == "finished"
    assert record.checkpoint is not None
    assert not record.paths.backup.exists()
    assert record.outcome is not None
    assert record.performances is not None
    assert record.outcome["epochs"] == 5
    assert record.outcome["elapsed"] > record.performances["elapsed"] - 0.01

    stage.write("job.py", KERAS, storage=str(stage.directory / "again"))
    assert stage.run()[1]["outcome"] == "finished"
    (whole,) = Tree(stage.directory / "again" / "case").all_runs()
    assert whole.rows == record.rows
    (said,) = re.findall(r"^drew .*", whole.paths.output.read_text(), re.MULTILINE)
    assert re.findall(r"^drew .*", stage.output, re.MULTILINE) == [said, said]


def test_the_example(stage: Stage) -> None:
    example = Path(__file__).parents[3] / "sweeps" / "line.py"
    stage.write("line.py", example.read_text(), parameters={"rate": {"value": 0.1}})
    reports, end = stage.run()
    assert end["outcome"] == "finished", stage.output
    assert len(reports) == len(rows(stage)) == 20
    # On its own it does the same, and nobody hears of it.
    command = [sys.executable, str(example), "--rate=0.1"]
    alone = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert alone.stdout == stage.output


TRAIN = """
import sweeper

def train(params, callbacks, run):
    assert sweeper.params({"other": 1}) == {**params, "other": 1}
    sweeper.report(loss=params["lr"])
    sweeper.report(loss=params["lr"] / 2)
"""


def test_the_same_words_in_a_train_function(stage: Stage) -> None:
    stage.write("train.py", TRAIN)
    reports, end = stage.run(1)
    assert (end["outcome"], end["clean"]) == ("finished", True), stage.output
    assert [r["metrics"] for r in reports] == [{"loss": 0.25}, {"loss": 0.125}]


HOLDS = """
import subprocess, sys, time, sweeper
holds = "import pynvml, time; pynvml.take('1', 3 * pynvml.GB); time.sleep(3)"
subprocess.run([sys.executable, "-c", holds], check=True)
sweeper.report(loss=1.0)
"""


@pytest.mark.parametrize(
    ("contained", "whole", "found"), [("", False, 3), ("1", True, 3), ("1", False, None)]
)
def test_what_a_trial_takes_of_its_gpu_is_told_by_its_processes_or_by_a_gpu_of_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, contained: str, whole: bool, found: int | None
) -> None:
    pretended = str(Path(__file__).parents[2] / "pretended_gpus")
    monkeypatch.setenv("PYTHONPATH", pretended, prepend=os.pathsep)
    monkeypatch.setenv("TAKEN", str(stage.directory / "taken"))
    if contained:
        monkeypatch.setenv("CONTAINED", contained)
    stage.write("holds.py", HOLDS, parameters={"lr": {"value": 0.5}})
    _, end = stage.run(gpus=["GPU-1"], whole=whole)
    assert end["outcome"] == "finished", stage.output
    (attempt,) = stage.record.attempts
    assert attempt.get("peak_gpu_memory") == (None if found is None else found << 30)
    assert attempt.get("gpu_memory") == (None if found is None else 8 << 30)
