"""The seeds of a script's process: each library's generator is seeded as the library is loaded.

At once, so before the script can draw or seed for itself. Imports nothing that a script would not.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

_SEED = "SWEEPER_PROCESS_SEED"  # the number, then the process that has taken it, if one has

seed: int | None = None  # None: this process is not seeded
_children = 0


def begin(ranks: Iterable[str]) -> None:
    """Seed this process if it runs a script; a helper that a library has started draws as ever.

    ``ranks``: the variables that number the processes of a distributed training.
    """
    global seed
    number, _, taken = os.environ.get(_SEED, "").partition(" ")
    if number and (not taken or "RANK" in os.environ or runs_own_file()):
        os.environ[_SEED] = f"{number} {os.getpid()}"
        rank = int(next((os.environ[name] for name in ranks if name in os.environ), 0))
        seed = _another(int(number), rank) if rank else int(number)
    _catch_up(LOADED)


def _catch_up(names: Iterable[str]) -> None:
    for name in names:
        if name in sys.modules:
            loaded(sys.modules[name])


def loaded(module: Any) -> None:
    """Seed what ``module``, one of LOADED, draws from; called once it is loaded."""
    name = module.__name__
    with contextlib.suppress(Exception):
        if name == "random":
            _watch_forks(module)
        if name not in _GENERATORS:
            _spawn(module)
        elif seed is not None:
            _GENERATORS[name](module, seed)


def runs_own_file() -> bool:
    """Whether this process runs a script of the user's, not what a package has installed."""
    if os.path.dirname(sys.argv[0]) == os.path.dirname(sys.executable):
        return False  # such as torchrun
    path = os.path.realpath(sys.argv[0])
    installed = "site-packages" in path or "dist-packages" in path
    standard = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
    return os.path.isfile(path) and not installed and not path.startswith(standard)


def _another(seed: int, number: int) -> int:
    """A seed below 2**31 for one of many processes: no two of them draw the same."""
    return (seed * 1103515245 + number * 2654435761 + 12345) % 2**31


@functools.cache
def _watch_forks(random: Any) -> None:
    """Seed ``random`` in a fork: Python has just done so, from the system's entropy."""

    def begin_fork() -> None:
        global seed, _children
        if seed is not None:
            seed, _children = _another(seed, _children), 0
            random.seed(seed)

    os.register_at_fork(before=_count_child, after_in_child=begin_fork)


def _count_child() -> None:
    global _children
    _children += 1


def _spawn(module: Any) -> None:
    """Give each process that multiprocessing starts afresh a seed of its own."""
    prepare_data, prepare = module.get_preparation_data, module.prepare

    @functools.wraps(prepare_data)
    def get_preparation_data(*args: Any, **kwargs: Any) -> Any:
        data = prepare_data(*args, **kwargs)
        if seed is not None:
            _count_child()
            data[_SEED] = _another(seed, _children)
        return data

    @functools.wraps(prepare)
    def prepares(data: Any, *args: Any, **kwargs: Any) -> Any:
        global seed
        if _SEED in data:
            seed = data.pop(_SEED)
            _catch_up(_GENERATORS)
        return prepare(data, *args, **kwargs)

    module.get_preparation_data, module.prepare = get_preparation_data, prepares


_GENERATORS: dict[str, Callable[[Any, int], Any]] = {
    "random": lambda module, seed: module.seed(seed),
    "numpy.random": lambda module, seed: module.seed(seed),
    "tensorflow": lambda module, seed: module.random.set_seed(seed),
    "torch": lambda module, seed: module.manual_seed(seed),
    "keras.src.utils.rng_utils": lambda module, seed: module.global_state.set_global_attribute(
        module.GLOBAL_RANDOM_SEED, seed
    ),
}
LOADED = (
    *_GENERATORS,
    "multiprocessing.spawn",
    "loky.backend.spawn",
    "joblib.externals.loky.backend.spawn",
)
