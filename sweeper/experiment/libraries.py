"""What is asked of TensorFlow, JAX, PyTorch, NumPy where they are loaded; imports none of them."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

_SETTINGS = {
    "keras.config": {
        "set_dtype_policy": "dtype_policy",
        "set_floatx": "floatx",
        "set_image_data_format": "image_data_format",
        "set_epsilon": "epsilon",
        "set_max_epochs": "max_epochs",
        "set_max_steps_per_epoch": "max_steps_per_epoch",
    },
    "torch": {
        "set_default_dtype": "get_default_dtype",
        "set_default_device": "get_default_device",
        "set_grad_enabled": "is_grad_enabled",
        "set_float32_matmul_precision": "get_float32_matmul_precision",
        "use_deterministic_algorithms": "are_deterministic_algorithms_enabled",
    },
    "tensorflow": {
        "config.run_functions_eagerly": "config.functions_run_eagerly",
        "config.optimizer.set_jit": "config.optimizer.get_jit",
        "config.set_soft_device_placement": "config.get_soft_device_placement",
        "config.experimental.enable_tensor_float_32_execution": (
            "config.experimental.tensor_float_32_execution_enabled"
        ),
        "debugging.set_log_device_placement": "debugging.get_log_device_placement",
        "summary.experimental.set_step": "summary.experimental.get_step",
    },
}
"""By module, what sets a setting: what gets it."""

_SWITCHES = {
    "keras.config": {
        "traceback_filtering": "is_traceback_filtering_enabled",
        "interactive_logging": "is_interactive_logging_enabled",
    },
    "tensorflow.python.framework.config": {"op_determinism": "is_op_determinism_enabled"},
}
"""By module, what is enabled and disabled: whether it is."""

# By module, what TensorFlow has no public way to undo.
_ATTRIBUTES = {
    "tensorflow.python.ops.summary_ops_v2": "_summary_state.writer",
    "tensorflow.python.ops.stateful_random_ops": "global_generator",
}


def settings() -> dict[tuple[str, str], Any]:
    """The global settings of the libraries that are loaded, for reset."""
    found: dict[tuple[str, str], Any] = {}
    for table in (_SETTINGS, _SWITCHES):
        for module, getters in table.items():
            for name, getter in getters.items():
                with contextlib.suppress(KeyError, AttributeError):  # as in an older version
                    found[module, name] = attrgetter(getter)(sys.modules[module])()
    for module, name in _ATTRIBUTES.items():
        with contextlib.suppress(KeyError, AttributeError):
            found[module, name] = attrgetter(name)(sys.modules[module])
    with contextlib.suppress(KeyError, AttributeError):
        found |= {("jax", name): value for name, value in sys.modules["jax"].config.values.items()}
    return found


def reset(before: Mapping[tuple[str, str], Any]) -> None:
    """Put the settings that have changed since back as they were."""
    now = settings()
    for (module, name), value in before.items():
        found = now.get((module, name), value)
        if found is value or found == value:
            continue
        library = sys.modules[module]
        if module == "jax":
            library.config.update(name, value)
        elif module in _ATTRIBUTES:
            place, _, attribute = name.rpartition(".")
            setattr(attrgetter(place)(library) if place else library, attribute, value)
        elif name in _SWITCHES.get(module, ()):
            getattr(library, f"{'enable' if value else 'disable'}_{name}")()
        else:
            attrgetter(name)(library)(value)


def set_threads(threads: int) -> None:
    """The threads of PyTorch, if it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
        with contextlib.suppress(RuntimeError):  # the pool has started
            torch.set_num_interop_threads(threads)


def derived_seed(seed: int, *parts: int) -> int:
    """A seed below 2**31 that depends on all its arguments."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") >> 1


def seed_loaded(seed: int) -> None:
    """Seed Python, and NumPy and PyTorch where they are loaded: without Keras nobody else does."""
    random.seed(seed)
    for name in ("numpy.random", "torch"):
        if name in sys.modules:
            seed_library(seed, sys.modules[name])


def seed_library(seed: int, module: Any) -> None:
    """Seed ``numpy.random`` or ``torch``."""
    getattr(module, "seed" if module.__name__ == "numpy.random" else "manual_seed")(
        derived_seed(seed)
    )


def seed_torch(seed: int) -> None:
    """Seed PyTorch, if it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """The states of PyTorch's own generators, on the CPU and on GPUs that are in use."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return {}
    found = {"random/torch": torch.get_rng_state().numpy()}
    if torch.cuda.is_initialized():
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            found[f"random/cuda/{index}"] = state.numpy()
    return found


def restore_random_state(arrays: Mapping[str, Any]) -> None:
    """Put PyTorch's generators back as random_state found them."""
    torch = sys.modules.get("torch")
    if torch is None or "random/torch" not in arrays:
        return
    torch.set_rng_state(torch.tensor(arrays["random/torch"]))
    for index in range(torch.cuda.device_count()):
        if f"random/cuda/{index}" in arrays:
            torch.cuda.set_rng_state(torch.tensor(arrays[f"random/cuda/{index}"]), index)


def tensorflow_seeds() -> random.Random | None:
    """Where TensorFlow takes the seeds from that it gives to operations which have none."""
    # There is no public way to it; see tensorflow.python.framework.random_seed.get_seed.
    context = sys.modules.get("tensorflow.python.eager.context")
    return None if context is None else getattr(context.context(), "_rng", None)


def loader_generators(loader: Any) -> list[Any]:
    """The generators of its own that a PyTorch DataLoader draws its order from."""
    sampler = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    places = (loader, getattr(loader, "sampler", None), sampler)
    found = [getattr(place, "generator", None) for place in places]
    return list({id(generator): generator for generator in found if generator is not None}.values())


def loader_state(loader: Any) -> list[str]:
    """The states of loader_generators, in hexadecimal."""
    return [g.get_state().numpy().tobytes().hex() for g in loader_generators(loader)]


def restore_loader(loader: Any, states: Sequence[str]) -> None:
    """Put the generators of a DataLoader back as loader_state found them."""
    for generator, state in zip(loader_generators(loader), states, strict=False):
        torch = sys.modules["torch"]
        generator.set_state(torch.frombuffer(bytearray.fromhex(state), dtype=torch.uint8))


def runtime_started() -> bool:
    """Has the backend's runtime started in this process? Then it must not be forked.

    TensorFlow, JAX and PyTorch have no public way to ask, so their private ones are asked.
    """
    context = sys.modules.get("tensorflow.python.eager.context")
    if context is not None and getattr(context.context(), "_initialized", False):
        return True
    jax = sys.modules.get("jax._src.xla_bridge")
    if jax is not None and jax.backends_are_initialized():
        return True
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()
