"""A process that ran other trials gives what a fresh one gives; devices and versions."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from sweeper.experiment import backend
from sweeper.experiment.variables import Variables, restore

from .conftest import TENSORFLOW, same


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # JAX has none by itself
def test_nothing_leaks_into_the_next_trial(problem, whole):
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
    assert same(whole, (second, problem.record("used")))


def test_settings_of_the_backend_are_those_of_before():
    backend.reset_session(1)
    if keras.config.backend() == "torch":
        import torch

        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_default_device("meta")
        backend.reset_session(2)
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.ones(1).device.type == "cpu"
    elif keras.config.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_debug_nans", True)
        backend.reset_session(2)
        assert not jax.config.jax_enable_x64
        assert not jax.config.jax_debug_nans
    else:
        from tensorflow.python.framework import config

        tf.config.run_functions_eagerly(True)
        tf.config.optimizer.set_jit(True)
        tf.config.experimental.enable_op_determinism()
        tf.random.set_global_generator(tf.random.Generator.from_seed(1))
        tf.summary.create_noop_writer().set_as_default()
        keras.config.set_max_epochs(1)
        keras.config.disable_interactive_logging()
        backend.reset_session(2)
        assert not tf.config.functions_run_eagerly()
        assert not tf.config.optimizer.get_jit()
        assert not config.is_op_determinism_enabled()
        assert not tf.summary.should_record_summaries()
        assert keras.config.max_epochs() is None
        assert keras.config.is_interactive_logging_enabled()


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


@pytest.mark.skipif(not TENSORFLOW, reason="about TensorFlow")
def test_seeding_an_epoch_keeps_the_compiled_kernels(problem, monkeypatch):
    # tf.random.set_seed empties TensorFlow's cache of kernels: 0.2 to 1.5 s per epoch.
    model = problem.model()
    monkeypatch.setattr(tf.random, "set_seed", lambda *_: pytest.fail("the cache is emptied"))
    backend.seed_epoch(model, 1, 1)


def test_threads_and_gpus_are_set_before_the_runtime_starts():
    code = (
        "from sweeper.experiment import backend, libraries\nbackend.configure_devices(3, 0)\n"
        "import tensorflow as tf, os, sys\nc = tf.config\n"
        "print(c.threading.get_intra_op_parallelism_threads(), "
        "c.threading.get_inter_op_parallelism_threads(), c.get_visible_devices('GPU'), "
        "repr(os.environ['CUDA_VISIBLE_DEVICES']), os.environ.get('NPROC'))\n"
        "t = sys.modules.get('torch')\n"
        "print(t and (t.get_num_threads(), t.get_num_interop_threads()))\n"
        "assert not libraries.runtime_started()\n"
        "tf.constant(1) + 1\nbackend.configure_devices(2, 1)\n"
        "import keras\n"
        "print(c.threading.get_intra_op_parallelism_threads(), keras.config.backend())\n"
        "if t:\n    from keras.src.backend.torch import core\n"
        "    core.DEFAULT_DEVICE = 'cuda'  # Keras was imported where a GPU was visible\n"
        "    backend.configure_devices(1, [])\n    print(core.get_device())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name = keras.config.backend()
    expected = ["3 3 [] '' 3" if name == "jax" else "3 3 [] '' None"]
    expected += ["(3, 3)", "3 torch", "cpu"] if name == "torch" else ["None", f"3 {name}"]
    assert done.stdout.splitlines() == expected


def test_half_precision_variables_are_stored(problem):
    keras.config.set_dtype_policy("bfloat16")
    run = problem.open("tree")
    keras.config.set_dtype_policy("bfloat16")
    model = problem.model()
    model.fit(problem.x, problem.y, verbose=0)
    before = Variables(model, [])
    arrays = before.read()
    run.backups.save(1, arrays, {"fit": 1})
    (found,) = run.backups.whole(1)
    assert {str(a.dtype) for a in found.arrays.values()} >= {"bfloat16"}
    other = problem.model()
    restore(other, [], found.arrays, before.built())
    for name, array in Variables(model, []).read().items():
        assert found.arrays[name].tobytes() == array.tobytes()
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    run.interrupt()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not TENSORFLOW, reason="this is the other backend")
@pytest.mark.parametrize("name", ["jax", "torch"])
def test_everything_here_on_another_backend(tmp_path, name):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(here), "-m", "slow or not slow",
         f"--basetemp={tmp_path}/inner"],
        cwd=here.parents[2], capture_output=True, text=True, check=False,
        env={**os.environ, "KERAS_BACKEND": name},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
