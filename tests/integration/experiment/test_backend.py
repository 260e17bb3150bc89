"""A process that ran other trials gives what a fresh one gives; devices and versions."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

from sweeper.experiment import backend

from .conftest import same


def test_nothing_leaks_into_the_next_trial(problem):
    first = problem.fit(problem.open("fresh"))
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_epsilon(0.1)
    tf.config.run_functions_eagerly(True)
    np.random.seed(99)
    keras.layers.Dense(3)
    keras.random.normal((2,))
    second = problem.fit(problem.open("used"))
    assert not tf.config.functions_run_eagerly()
    assert keras.config.dtype_policy().name == "float32"
    assert keras.config.floatx() == "float32"
    assert keras.config.image_data_format() == "channels_last"
    assert keras.config.epsilon() == pytest.approx(1e-7)
    assert same((first, problem.record("fresh")), (second, problem.record("used")))


def test_seeds_of_epochs_are_pinned():
    # They must not change with a version of sweeper: runs are continued by later versions.
    assert backend.derived_seed(3) == 1117782951
    assert backend.derived_seed(3, 1) == 2125285633
    assert backend.derived_seed(3, 1, 2) == 317204127


def test_an_epoch_depends_on_its_number_alone(problem):
    model = problem.model()
    found = []
    for epoch in (1, 2, 1):
        backend.seed_epoch(model, 5, epoch)
        states = [
            keras.ops.convert_to_numpy(g.state).tolist() for g in backend.seed_generators(model)
        ]
        found.append((np.random.rand(), float(keras.random.normal(())), states))
    assert found[0] == found[2] != found[1]
    assert len(found[0][2]) == 2  # Keras's global one and the dropout's


def test_seeding_an_epoch_keeps_the_compiled_kernels(problem, monkeypatch):
    # tf.random.set_seed empties TensorFlow's cache of kernels: 0.2 to 1.5 s per epoch.
    model = problem.model()
    monkeypatch.setattr(tf.random, "set_seed", lambda *_: pytest.fail("the cache is emptied"))
    backend.seed_epoch(model, 1, 1)


def test_threads_and_gpus_are_set_before_the_runtime_starts():
    code = (
        "from sweeper.experiment import backend\nbackend.configure_devices(3, 0)\n"
        "import tensorflow as tf, os\nc = tf.config\n"
        "print(c.threading.get_intra_op_parallelism_threads(), "
        "c.threading.get_inter_op_parallelism_threads(), c.get_visible_devices('GPU'), "
        "repr(os.environ['CUDA_VISIBLE_DEVICES']))\n"
        "tf.constant(1) + 1\nbackend.configure_devices(2, 1)\n"
        "print(c.threading.get_intra_op_parallelism_threads(), backend.versions()['backend'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["3 3 [] ''", "3 tensorflow"]


def test_half_precision_variables_are_stored(problem):
    keras.config.set_dtype_policy("bfloat16")
    run = problem.open("tree")
    keras.config.set_dtype_policy("bfloat16")
    model = problem.model()
    model.fit(problem.x, problem.y, verbose=0)
    arrays = backend.model_state(model)
    run.backups.save(1, 0, arrays, {})
    (found,) = run.backups.whole()
    assert {str(a.dtype) for a in found.arrays.values()} >= {"bfloat16"}
    other = problem.model()
    backend.restore_model(other, found.arrays)
    for name, array in backend.model_state(model).items():
        assert found.arrays[name].tobytes() == array.tobytes()
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    run.interrupt()


SCRIPT = """
import sys, keras, numpy as np
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.integration.experiment.conftest import Problem, same
problem = Problem(Path(sys.argv[1]))
others = lambda: [keras.callbacks.EarlyStopping("val_loss", patience=3),
                  keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.3)]
assert same(*problem.both(1, 2, others=others))
problem.base = problem.base / "batches"
assert same(*problem.both(2, others=others, backup_every=1))
print("the same on", keras.config.backend())
"""


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_other_backends(tmp_path, name):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 3))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), root], capture_output=True, text=True,
        env={**os.environ, "KERAS_BACKEND": name}, check=False,
    )  # fmt: skip
    assert f"the same on {name}" in done.stdout, done.stderr
