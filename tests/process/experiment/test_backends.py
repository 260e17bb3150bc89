"""Trials on each backend of Keras: forked from one server, or launched as a user does."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from importlib.util import find_spec

import pytest

from sweeper.tree import Program, Tree
from sweeper.worker import Child, ServerControl, Session

TRAIN = """
import os
import sys
import keras
import numpy as np
{extra}
def train(params, callbacks):
    if "left" in globals():
        assert (left @ left).shape
    rng = np.random.default_rng(0)
    x = rng.random((64, 8)).astype("float32")
    y = (x.sum(1) > 4).astype("float32")
    model = keras.Sequential([
        keras.Input((8,)), keras.layers.Dense(params["model"]["units"], activation="relu"),
        keras.layers.Dropout(0.3), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.fit(x, y, batch_size=16, epochs=2, callbacks=callbacks, verbose=0)
    torch = sys.modules.get("torch")
    print("backend", keras.config.backend())
    print("threads", torch.get_num_threads() if torch else os.environ.get("NPROC"))
    print("gpus", repr(os.environ["CUDA_VISIBLE_DEVICES"]))
"""
# What some train module does as it is imported; PyTorch's threads and JAX's runtime live then.
AT_IMPORT = {
    "torch": """
import torch
left = torch.randn(800, 800)
assert (left @ left).shape
""",
    "jax": """
import jax.numpy as jnp
left = jnp.ones((80, 80)) @ jnp.ones((80, 80))
""",
}


def needs(name):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")


class Trials:
    """A fork server on one backend and a child of it."""

    def __init__(self, directory, source, threads):
        program = directory / "train.py"
        program.write_text(source)
        self.base = directory / "base"
        self.session = Session(
            secrets.token_hex(6), str(program), None, "train", cwd=str(directory), threads=threads
        )
        self.control = ServerControl(self.session)
        self.ready = self.control.wait_ready()
        self.child = Child(self.session, {"CUDA_VISIBLE_DEVICES": ""})

    def run(self, trial, units):
        self.child.start(
            {
                "trial": trial, "params": {"model": {"units": units}}, "replicate": 0, "seed": 7,
                "base": str(self.base), "sweep": "s", "monitored": ["model"], "checkpoint": {},
                "metric": "loss", "cpus": self.session.threads, "gpus": [],
                "program": Program.at(self.session.path).to_json(),
            }
        )  # fmt: skip
        while True:
            message = self.child.receive(100)
            assert message is not None, "the child hangs"
            if message["kind"] in ("end", "exit"):
                assert message.get("outcome") == "finished", message
                break
        (record,) = (run for run in Tree(self.base).all_runs() if run.trial == trial)
        return record

    def close(self):
        self.child.kill()
        self.control.close()


@pytest.fixture
def trials(tmp_path, monkeypatch):
    made = []

    def make(backend, extra="", threads=1):
        needs(backend)
        monkeypatch.setenv("KERAS_BACKEND", backend)
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        made.append(Trials(tmp_path, TRAIN.format(extra=extra), threads))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_forked_child_trains(trials, backend):
    here = trials(backend)
    assert here.ready["forkable"] is True
    first, other, again = (here.run(trial, units) for trial, units in enumerate((4, 8, 4)))
    output = first.paths.output.read_text().splitlines()
    assert [f"backend {backend}", "threads 1", "gpus ''"] == output[-3:]
    assert first.rows == again.rows != other.rows


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_what_a_module_starts_as_it_is_imported_does_not_hang_the_child(trials, backend):
    here = trials(backend, AT_IMPORT[backend], threads=2)
    # GNU OpenMP's threads are ended before a fork; JAX's runtime cannot be, so nothing is forked.
    assert here.ready["forkable"] is (backend == "torch")
    record = here.run(0, 4)
    assert "threads 2" in record.paths.output.read_text()
    assert len(record.rows) == 2


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_launch(tmp_path, backend):
    needs(backend)
    (tmp_path / "train.py").write_text(TRAIN.format(extra=""))
    (tmp_path / "s.yaml").write_text(
        "program: train.py\nmethod: grid\nmetric: {name: loss, goal: minimize}\n"
        "parameters: {model: {parameters: {units: {values: [4, 8]}}}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "sweeper", "launch", "s.yaml"], cwd=tmp_path, text=True,
        capture_output=True, env={**os.environ, "KERAS_BACKEND": backend}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = list(Tree(tmp_path / "experiments" / "s").all_runs())
    assert [record.status for record in records] == ["finished"] * 2
    for record in records:
        assert f"backend {backend}" in record.paths.output.read_text()
        assert json.loads(record.paths.performances.read_text())["monitor"] == "loss"
