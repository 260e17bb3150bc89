"""check with a real program, its corners, and init's sweep, as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
Write = Callable[..., Path]

PLAIN = """
def train(params, callbacks, run):
    for epoch in range(1, 1000):
        if params["width"] > 8 and params["rate"] > 1:
            raise ValueError(f"no layer is {params['width']} wide\\nand more")
        while params.get("hang"):
            pass
        run.report(loss=1.0)
        assert not params.get("once"), "trained on after the first report"
"""
KERAS = """
import keras
import numpy as np
def train(params, callbacks):
    model = keras.Sequential([
        keras.Input((8,)), keras.layers.Dense(params["units"]), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    class NoMore(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            assert batch == 0, "a second batch"
    x = np.zeros((64, 8))
    model.fit(x, x[:, :1], params["batch"], epochs=3, callbacks=[NoMore(), *callbacks], verbose=0)
"""
SWEEP = """
program: train.py
method: random
run_cap: 5
metric: {name: loss}
parameters:
  width: {min: 1, max: 64}
  rate: {min: 0.5, max: 2.0}
  name: same
"""


def sweeper(*words: object, cwd: Path, timeout: float = 240) -> Done:
    command = [sys.executable, "-m", "sweeper", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(program: str, sweep: str = SWEEP) -> Path:
        (tmp_path / "train.py").write_text(program)
        (tmp_path / "sweep.yaml").write_text(sweep)
        return tmp_path

    return make


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != "__pycache__")


def test_check_imports_the_program_and_writes_nothing(write: Write) -> None:
    here = write(PLAIN)
    done = sweeper("check", "sweep.yaml", cwd=here)
    assert done.returncode == 0, done.stderr
    assert f"program  {here / 'train.py'}: train(params, callbacks, run)\n" in done.stdout
    assert done.stderr == ""
    assert left(here) == ["sweep.yaml", "train.py"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import nowhere_at_all\ndef train(params, callbacks): pass", "nowhere_at_all"),
        ("def train(params): pass", "found train(params)"),
        ("\n\ndef train(params): pass", "train.py:3: expected train(params, callbacks)"),
        ("def train(params): pass", '`command: ["${interpreter}", "${program}", "${args}"]`'),
        ("def train(params, callbacks:", "train.py:1:10: the program is no Python"),
        ("import sys\nif sys:\n\tx = (1]\n", "train.py:3:8: the program is no Python: closing"),
        ("import sys\nif sys:\n\tx = (1]\n", "\n    \tx = (1]\n    \t      ^"),
        ("return 1\n", "train.py:1:1: the program is no Python: 'return' outside function; mend"),
    ],
    ids=["import", "signature", "def", "mend", "syntax", "column", "caret", "return"],
)
def test_check_refuses_a_program_that_cannot_train(
    write: Write, program: str, message: str
) -> None:
    done = sweeper("check", "sweep.yaml", cwd=write(program))
    assert message in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_check_knows_a_script(write: Write) -> None:
    here = write("import sys; print(sys.argv)")
    done = sweeper("check", "sweep.yaml", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"program  {here / 'train.py'}, a script\n" in done.stdout
    done = sweeper("check", "sweep.yaml", "--corners", cwd=here)
    assert done.returncode == 2
    assert "expected a train function to try, found a script" in done.stderr


# A script, however its function is named: it would leave a file, were it run or imported.
OWN = """
open("touched", "w")
def train(config=None):
    pass
train()
"""


def test_check_says_why_a_file_with_a_train_of_its_own_is_a_script(write: Write) -> None:
    here = write(OWN)
    done = sweeper("check", "sweep.yaml", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        f"program  {here / 'train.py'}, a script: its train(config=None) (line 3) does not take "
        "(params, callbacks); `program: train.py:train` calls the function\n"
    ) in done.stdout
    assert left(here) == ["sweep.yaml", "train.py"]

    done = sweeper("check", "sweep.yaml", "program=train.py:train", cwd=here)
    assert done.returncode == 2
    assert "train.py:3: expected train(params, callbacks)" in done.stderr
    assert "found train(config=None)" in done.stderr


def test_check_says_why_a_function_of_other_names_is_called(write: Write) -> None:
    here = write("def train(model, loader): pass")
    done = sweeper("check", "sweep.yaml", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        "train.py: train(params, callbacks): its train(model, loader) (line 1) is called, as the "
        'file runs nothing itself; `command: ["${interpreter}", "${program}", "${args}"]` runs it '
        "as a script\n"
    ) in done.stdout
    done = sweeper("check", "sweep.yaml", "command=[python, '${program}']", cwd=here)
    assert f"program  {here / 'train.py'}, a script\n" in done.stdout


def test_corners_of_a_function_without_keras(write: Write) -> None:
    here = write(PLAIN)
    done = sweeper("check", "sweep.yaml", "--corners", "parameters.once=true", cwd=here)
    assert done.returncode == 2, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("ok ") for line in lines) == 3
    (number,) = (n for n, line in enumerate(lines) if line.startswith("failed "))
    assert lines[number].split()[1:] == ["width=64", "rate=2"]
    assert lines[number + 1].strip() == "ValueError: no layer is 64 wide"
    assert lines[-1] == "corners  3 ok, 1 failed"
    assert left(here) == ["sweep.yaml", "train.py"]


def test_a_corner_that_hangs_or_dies_is_a_failed_one(write: Write) -> None:
    here = write(PLAIN.replace('params["width"] > 8', "False"))
    words = ["parameters.hang={values: [false, true]}", "parameters.width=1", "method=random"]
    done = sweeper(
        "check", "sweep.yaml", *words, "--corners", "--corner-seconds", "2", "--json", cwd=here
    )
    assert done.returncode == 2, done.stderr
    corners = json.loads(done.stdout)["corners"]
    assert {(c["params"]["hang"], c["error"]) for c in corners} == {
        (False, None),
        (True, "no batch and no report within 2 s"),
    }
    here = write("import os\ndef train(params, callbacks, run): os.kill(os.getpid(), 9)")
    done = sweeper("check", "sweep.yaml", "--corners", "--json", cwd=here)
    errors = [corner["error"] for corner in json.loads(done.stdout)["corners"]]
    assert errors == ["the training process died (signal 9)"] * 4


def test_corners_with_keras_stop_after_one_batch(write: Write) -> None:
    here = write(
        KERAS,
        "program: train.py\nmethod: grid\nmetric: {name: loss}\n"
        "parameters: {units: {values: [0, 4]}, batch: {values: [2, 16]}}\n",
    )
    done = sweeper("check", "sweep.yaml", "--corners", "--json", cwd=here)
    assert done.returncode == 2, done.stderr
    corners = json.loads(done.stdout)["corners"]
    assert len(corners) == 4
    for corner in corners:
        if corner["params"]["units"] == 0:
            assert "units" in corner["error"]
        else:
            assert corner["error"] is None
    assert left(here) == ["sweep.yaml", "train.py"]


# Each trial: ``how`` says what it leaves to the next one.
LEAVES = """
import random, threading, time
import numpy as np
SCALE, SEEN = np.array([4.0]), []
def train(params, callbacks, run):
    how = params["how"]
    for epoch in range(1, 10 ** 6 if how == "long" else 4):
        loss = 4.0 / epoch
        if how == "array":
            loss = SCALE[0] / epoch
        elif how == "late" and epoch == 3:
            loss += len(SEEN)
        run.report(epoch=epoch, loss=loss, drawn=np.random.rand() + random.random(),
                   **({"seconds": time.time()} if how == "time" else {}))
        if how == "long":
            time.sleep(0.05)
    SCALE[0] /= 2
    SEEN.append(1)
    if how == "thread":
        threading.Thread(target=time.sleep, args=[1000], daemon=True).start()
    if how == "fails":
        raise ValueError("no good")
"""
HOW = """
program: train.py
method: grid
metric: {name: loss}
parameters: {how: {values: [none]}}
"""


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("none", 0, "equal: 3 epochs, "),
        ("array", 2, "differs: epoch 1, loss: 4.0 in a fresh process, 2.0 after the same trial"),
        ("late", 2, "differs: epoch 3, loss: 1.3333333333333333 in a fresh process, 2.333333333"),
        ("time", 0, "equal: 3 epochs, "),
        ("long", 0, "equal: "),
        ("thread", 0, "equal: it leaves a thread, a process or the like: its own trains no other"),
        ("fails", 2, "unknown: ValueError: no good"),
    ],
)
def test_isolation_finds_what_a_trial_leaves_to_the_next_one(
    write: Write, how: str, code: int, said: str
) -> None:
    here = write(LEAVES, HOW)
    words = ["sweep.yaml", f"parameters.how.values=[{how}]", "--isolation", "--corner-seconds", 4]
    done = sweeper("check", *words, cwd=here)
    assert (done.returncode, done.stderr) == (code, "")
    assert f"\nisolation  {said}" in done.stdout
    assert ("as fresh processes differ: seconds" in done.stdout) == (how == "time")
    assert ("or write `isolation: process`" in done.stdout) == said.startswith("differs")
    assert left(here) == ["sweep.yaml", "train.py"]


def test_isolation_in_json_and_with_a_process_for_each_trial(write: Write) -> None:
    here = write(LEAVES, HOW)
    words = ["parameters.how.values=[array]", "isolation=process", "--isolation", "--json"]
    done = sweeper("check", "sweep.yaml", *words, cwd=here)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["isolation"]
    difference = {"epoch": 1, "metric": "loss", "fresh": 4.0, "warm": 2.0}
    assert (found["equal"], found["ok"], found["difference"]) == (False, True, difference)


def test_check_leaves_no_directory_of_its_session(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        monkeypatch.setenv("TMPDIR", scratch)
        here = write(PLAIN)
        assert sweeper("check", "sweep.yaml", "--corners", cwd=here).returncode == 2
        assert list(Path(scratch).iterdir()) == []


def test_what_init_writes_runs_as_it_is(tmp_path: Path) -> None:
    assert sweeper("init", "mine", cwd=tmp_path).returncode == 0
    here = tmp_path / "mine"
    done = sweeper("launch", "sweep.yaml", "-n", 2, "-j", 2, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "2 finished" in done.stderr
    best = json.loads(sweeper("best", "sweep.yaml", "--json", cwd=here).stdout)
    assert best["trials"][0]["value"] > 0.3
    assert Path(best["trials"][0]["checkpoint"]).is_file()
    plan = json.loads(sweeper("plan", "sweep.yaml", "--json", cwd=here).stdout)
    assert [trial["state"] for trial in plan["trials"]] == ["reused"] * 2 + ["new"] * 6
    assert plan["estimate"]["seconds"] > 0
    assert plan["estimate"]["bytes"] > 0
