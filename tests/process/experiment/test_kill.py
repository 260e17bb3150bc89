"""Kill a training process anywhere, start it again: the result is the one it would have had."""

import json
import os
import random
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sweeper.tree import Tree

HERE = Path(__file__).parent


class Trainees:
    """The process that forks a child per attempt."""

    def __init__(self, backend):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "trainee.py")],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline().strip() == '"ready"'

    def attempt(self, base, kill=None, **options):
        request = {"base": str(base), "kill": kill, "options": options}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def trainees(request):
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    trainees = Trainees(request.param)
    yield trainees
    trainees.close()


def state(base):
    """All that must be the same, bit for bit; times apart."""
    Tree(base).tidy()  # a run killed just after its end leaves its backup and lease
    (run,) = Tree(base).all_runs()
    assert run.status == "finished"
    assert run.torn == []
    performances = json.loads(run.paths.performances.read_text())
    del performances["elapsed"]
    with np.load(base / "final.npz") as arrays:
        weights = {name: arrays[name].tobytes() for name in arrays.files}
    models = {}
    for path in run.paths.models.iterdir():
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist()) - {"metadata.json"}  # it holds the date
                # Keras writes the addresses of objects in memory into it.
                models[path.name] = {
                    name: re.sub(rb'"shared_object_id": \d+', b"", archive.read(name))
                    for name in names
                }
        else:
            models[path.name] = None
    return {
        "weights": weights,
        "rows": run.paths.training_logs.read_bytes(),
        "performances": performances,
        "history": (base / "history.json").read_text(),
        "models": models,
        "heard": sorted(set((base / "heard.txt").read_text().splitlines())),
        # git.diff depends on the working tree that the tests run in.
        "files": sorted(
            str(p.relative_to(run.path)) for p in run.path.rglob("*") if p.name != "git.diff"
        ),
        "epochs": run.outcome["epochs"],
    }


def check_between(base):
    """After a kill: readable, interrupted, and no more than one epoch to be trained again."""
    recorded = 0
    for run in Tree(base).all_runs():
        assert run.status == "interrupted"
        assert run.params
        assert run.provenance
        recorded = len(run.rows)
    return recorded


def chain(trainees, base, kills, **options):
    """Kill the run at each moment in turn, then let it end; returns how many kills struck."""
    struck = recorded = 0
    for kill in kills:
        answer = trainees.attempt(base, kill, **options)
        if not answer["killed"]:
            break
        struck += 1
        if any(run.outcome for run in Tree(base).all_runs()):
            break  # killed while it was tidying up
        recorded = check_between(base)
        (run,) = [*Tree(base).all_runs()] or [None]
        if run is not None:
            newest = max((int(p.name.split("-")[1]) for p in run.paths.backup.glob("epoch-*")),
                         default=0)  # fmt: skip
            assert newest >= recorded - 1, "more than the epoch in flight would be trained again"
    else:
        assert not trainees.attempt(base, None, **options)["killed"]
        (run,) = Tree(base).all_runs()
        last = run.provenance["attempts"][-1]
        assert (last["resumed_from_epoch"] or 0) >= recorded - 1
    return struck


@pytest.fixture(scope="module")
def baseline(trainees, tmp_path_factory):
    base = tmp_path_factory.mktemp("baseline")
    operations = trainees.attempt(base)["operations"]
    return state(base), operations


def moments(seed, number, operations):
    rng = random.Random(seed)
    kinds = [
        lambda: ["op", rng.randint(1, operations)],
        lambda: ["op", rng.randint(1, operations)],
        lambda: ["batch", rng.randint(1, 30)],
        lambda: ["seconds", rng.uniform(0.3, 2.0)],
    ]
    return [rng.choice(kinds)() for _ in range(number)]


def test_five_kills_change_nothing(trainees, baseline, tmp_path):
    expected, operations = baseline
    kills = [["op", operations // 8], ["batch", 7], ["op", operations // 8 + 1],
             ["batch", 3], ["op", operations // 9]]  # fmt: skip
    assert chain(trainees, tmp_path, kills) == 5
    assert state(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_many_kills_change_nothing(trainees, baseline, tmp_path, seed):
    expected, operations = baseline
    kills = moments(seed, 3, operations)
    struck = chain(trainees, tmp_path, kills)
    print(f"seed {seed}: {struck} kills at {kills[:struck]}")
    assert state(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_kills_between_batches_that_are_backed_up(trainees, baseline, tmp_path, seed):
    expected, operations = baseline
    kills = moments(100 + seed, 3, operations)
    chain(trainees, tmp_path, kills, backup_every=2)
    assert state(tmp_path) == expected


@pytest.mark.slow
def test_every_file_operation_of_a_short_run(trainees, tmp_path):
    reference = tmp_path / "reference"
    operations = trainees.attempt(reference, None, epochs=2)["operations"]
    expected = state(reference)
    struck = 0
    for number in range(1, operations + 1, 2):
        base = tmp_path / str(number)
        struck += chain(trainees, base, [["op", number]], epochs=2)
        assert state(base) == expected, number
    print(f"{struck} kills, one within every second file operation of {operations}")
