"""What a process must do to Keras and its backend: devices, seeds, a clean session, model state.

Its functions import Keras, and TensorFlow, which Keras seeds on every backend; the module loads
nothing heavy.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import libraries
from .libraries import derived_seed

_DEFAULTS: dict[tuple[str, str], Any] = {}
_ATTRIBUTES: dict[str, Any] = {}
_SEED: dict[str, int] = {}


def preload() -> None:
    """Import, once and before any fork, what every trial imports: starts no runtime."""
    import keras  # noqa: F401

    # keras.utils.set_random_seed imports TensorFlow on every backend, in seconds.
    with contextlib.suppress(ImportError):
        import tensorflow  # noqa: F401


def configure_devices(cpus: float, gpus: float | list[str]) -> None:
    """Fit the backend to the trial's resources: threads from the CPUs, memory growth on GPUs.

    ``cpus`` may be a fraction; ``gpus`` is a number or a list of names, of which only emptiness
    counts: without any, no GPU is visible. Must run before the backend's runtime starts; afterwards
    it changes nothing.
    """
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras

    threads, name = max(1, int(cpus)), keras.config.backend()
    with contextlib.suppress(ImportError):
        # With another backend it still feeds data: that needs threads, but never a GPU.
        _configure_tensorflow(threads, bool(gpus) and name == "tensorflow")
    if name == "jax":
        # Read when the runtime starts: the size of its pools, and whether it takes all the memory.
        os.environ["NPROC"] = str(threads)
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    libraries.set_threads(threads)
    if name == "torch" and not gpus:
        from keras.src.backend.torch import core

        # Chosen when Keras was imported, perhaps where GPUs were visible.
        if core.DEFAULT_DEVICE == "cuda":
            core.DEFAULT_DEVICE = "cpu"


def _configure_tensorflow(threads: int, gpus: bool) -> None:
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # the runtime has started: too late, not wrong
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    with contextlib.suppress(RuntimeError, ValueError):
        if not gpus:
            tf.config.set_visible_devices([], "GPU")
        else:
            for device in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(device, True)


def reset_session(seed: int) -> None:
    """Make the process as good as new for the next trial: session, settings and every seed."""
    import keras

    if not _DEFAULTS:  # the first trial finds what every later one is to find
        _DEFAULTS.update(libraries.settings())
        if not gc.get_freeze_count():  # counting takes 0.1 s of each trial
            gc.collect()
            gc.freeze()  # what the imports made stays: later collections are 50 times cheaper
    keras.backend.clear_session()
    libraries.reset(_DEFAULTS)
    seed_everything(seed)


def raise_at_first_batch(error: type[BaseException]) -> Any:
    """A callback that ends training with its first batch by raising ``error``."""
    import keras

    def end(batch: int, logs: Any) -> None:
        raise error

    return keras.callbacks.LambdaCallback(on_train_batch_end=end)


# -- seeds ----------------------------------------------------------------------------------


def user_seed() -> int | None:
    """The seed that the user gave keras.utils.set_random_seed, if any since we took or set one."""
    with contextlib.suppress(ImportError):
        from keras.src.utils.rng_utils import get_random_seed

        seed = get_random_seed()
        return None if seed is None or seed == _SEED.get("ours") else int(seed)
    return None


def take_user_seed() -> int | None:
    """The same, once."""
    import keras

    seed = user_seed()
    if seed is not None:
        # Another number takes its place, so that the same one is the user's if it comes again.
        _SEED["ours"] = derived_seed(seed, 1)
        keras.src.backend.common.global_state.set_global_attribute(
            keras.src.utils.rng_utils.GLOBAL_RANDOM_SEED, _SEED["ours"]
        )
    return seed


def seed_everything(seed: int) -> None:
    """Seed Python, numpy, Keras and its backend."""
    import keras

    _SEED["ours"] = derived_seed(seed)
    keras.utils.set_random_seed(_SEED["ours"])


def seed_epoch(model: Any, seed: int, epoch: int, loose: Sequence[Any] = ()) -> None:
    """Make the random numbers of an epoch depend on nothing but ``seed`` and ``epoch``.

    Python's and numpy's generators, Keras's global one, every SeedGenerator of the model and the
    ``loose`` ones. Not TensorFlow's own seed: setting it empties the cache of compiled kernels,
    which costs more than a small epoch, and operations that are traced already would not heed it.
    """
    import numpy as np

    derived = derived_seed(seed, epoch)
    generators = seed_generators(model)  # making the global one takes a number of Python's
    random.seed(derived)
    np.random.seed(derived)
    libraries.seed_torch(derived)
    for index, generator in enumerate(generators):
        state = generator.state
        state.assign(np.array([derived_seed(seed, epoch, index), 0], dtype=state.dtype))
    for generator in loose:
        number = int.from_bytes(str(generator.name).encode(), "little")
        state = generator.state
        state.assign(np.array([derived_seed(seed, epoch, -1, number), 0], dtype=state.dtype))


def loose_generators(model: Any) -> list[Any]:
    """Every living SeedGenerator that does not belong to ``model``."""
    import keras

    known = {id(generator) for generator in seed_generators(model)}
    kind = keras.random.SeedGenerator
    return [o for o in gc.get_objects() if type(o) is kind and id(o) not in known]


def seed_generators(model: Any) -> list[Any]:
    """Keras's global generator, then every SeedGenerator of the model's layers, in order."""
    found = []
    with contextlib.suppress(ImportError, AttributeError):
        from keras.src.random import seed_generator

        # Made now if it is not there: a generator made in mid-epoch would escape the seeding.
        found.append(seed_generator.global_seed_generator())
    for layer in getattr(model, "_flatten_layers", list)():
        found += getattr(layer, "_seed_generators", [])
    return list({id(generator): generator for generator in found}.values())


def random_state() -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of Python's and numpy's generators, as JSON values and arrays."""
    import keras
    import numpy as np

    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()  # the legacy global generator
    state = {
        "python": [version, list(words), gauss],
        "numpy": [name, int(position), int(has_gauss), float(cached)],
    }
    arrays = {"random/numpy": np.asarray(keys)}
    for index, generator in enumerate(seed_generators(None)):
        arrays[f"random/keras/{index}"] = np.array(keras.ops.convert_to_numpy(generator.state))
    arrays |= libraries.random_state()
    return state, arrays


def restore_random_state(state: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Put the generators back as random_state found them."""
    import numpy as np

    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, arrays["random/numpy"], position, has_gauss, cached))
    for index, generator in enumerate(seed_generators(None)):
        if f"random/keras/{index}" in arrays:
            generator.state.assign(arrays[f"random/keras/{index}"])
    libraries.restore_random_state(arrays)


# -- the state of a model -------------------------------------------------------------------


def build(model: Any, signature: Any, *, metrics: bool = False) -> None:
    """Make the variables of a model that fit has not built yet, from the signature of a batch.

    With TensorFlow, Keras builds a subclassed model and the metrics on the first batch only. A
    model without ``call`` stays as it is: Keras would only note a shape that it does not have.
    """
    import keras

    if type(model).call is keras.Model.call:
        return
    unbuilt = not all(layer.built for layer in model._flatten_layers())
    if (unbuilt or metrics) and signature is not None:
        with contextlib.suppress(Exception):  # what is missing then is named
            model._symbolic_build(data_batch=signature)


@contextlib.contextmanager
def quick_saving() -> Iterator[None]:
    """Within, saving models makes no reference objects anew.

    Keras keeps what it needs of them under one name and looks it up under another (a slip in
    saving_lib.get_attr_skipset), so every save builds layers and optimizers just to list their
    attributes: a third of the cost of saving a small model.
    """
    try:
        from keras.src.backend.common.global_state import GLOBAL_STATE_TRACKER as tracker
    except ImportError:
        yield
        return
    for kind, names in _ATTRIBUTES.items():
        setattr(tracker, f"saving_attr_skiplist_{kind}", names)
    yield
    for name, value in list(vars(tracker).items()):
        if name.startswith("saving_attr_skipset_"):
            _ATTRIBUTES[name.removeprefix("saving_attr_skipset_")] = value
