"""What is asked of TensorFlow, JAX and PyTorch where they are loaded; imports none of them."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_TORCH = {
    "set_default_dtype": "get_default_dtype",
    "set_default_device": "get_default_device",
    "set_grad_enabled": "is_grad_enabled",
    "set_float32_matmul_precision": "get_float32_matmul_precision",
    "use_deterministic_algorithms": "are_deterministic_algorithms_enabled",
}


def settings() -> dict[str, dict[str, Any]]:
    """The global settings of PyTorch and JAX, for reset."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    found: dict[str, dict[str, Any]] = {"torch": {}, "jax": {}}
    if torch is not None:
        found["torch"] = {setter: getattr(torch, getter)() for setter, getter in _TORCH.items()}
    with contextlib.suppress(AttributeError):
        found["jax"] = {} if jax is None else dict(jax.config.values)
    return found


def reset(before: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the settings that have changed since back as they were."""
    now = settings()
    for setter, value in before["torch"].items():
        if now["torch"].get(setter, value) != value:
            getattr(sys.modules["torch"], setter)(value)
    for name, value in before["jax"].items():
        found = now["jax"].get(name, value)
        if found is not value and found != value:
            sys.modules["jax"].config.update(name, value)


def set_threads(threads: int) -> None:
    """The threads of PyTorch, if it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
        with contextlib.suppress(RuntimeError):  # the pool has started
            torch.set_num_interop_threads(threads)


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
