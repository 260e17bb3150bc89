"""All variables that a fit may change: the model's, its optimizers', and those held elsewhere.

A GAN has two optimizers, a loss or a callback may anneal a weight of its own, a stateful layer
keeps what it has seen. Everything is looked through that the model, its compiled parts and the
callbacks hold, as Keras looks through a model that it saves.
"""

from __future__ import annotations

import functools
import math
import sys
import types
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from .object_encoding import contents, is_saveable, of_library

Arrays = dict[str, "np.ndarray[Any, Any]"]

MOST = 200_000  # objects that are looked at

_SKIPPED = {
    "_tracker", "_layers", "_trainable_variables", "_non_trainable_variables", "_metrics",
    "_operations", "_nodes", "_inbound_nodes", "_outbound_nodes", "_compile_config",
    "_compile_metrics", "_variables", "history", "train_function", "test_function",
    "predict_function", "_parent_path", "_path", "_thread_local", "fit", "run",
}  # fmt: skip


_RUNNING = {"built", "compiled", "stop_training", "supports_masking", "jit_compile", "loss"}


class StateMismatch(Exception):
    """A stored state does not fit the model; the message says where."""


class Variables:
    """The variables of a fit, by names that the same program has again in another process.

    ``model/00003``, ``optimizer/00000`` and ``metrics/…`` count as Keras lists them; ``more/…`` is
    the way that leads to one from the model or a callback.
    """

    def __init__(self, model: Any, callbacks: Sequence[Any], *, metrics: bool = False) -> None:
        if hasattr(model, "jax_state_sync") and not getattr(model, "_jax_state_synced", True):
            model.jax_state_sync()  # with JAX, fit keeps the state to itself until it is asked for
        optimizer = getattr(model, "optimizer", None)
        self.by_key: dict[str, Any] = {}
        self.optimizers: dict[str, Any] = {}
        self.compiled_in: list[str] = []
        """Restored variables whose values JAX compiles into its steps, as it is not handed them."""
        self.keys: dict[int, str] = {}
        """The key of each variable, by its id."""
        kinds = {"model": list(model.variables), "optimizer": [], "metrics": []}
        if optimizer is not None:
            kinds["optimizer"] = list(optimizer.variables)
            self.optimizers["optimizer"] = optimizer
        if metrics:
            kinds["metrics"] = list(model.metrics_variables)
        for kind, variables in kinds.items():
            for index, variable in enumerate(variables):
                self._add(f"{kind}/{index:05d}", variable)
        for number, metric in enumerate(own_metrics(model)):
            for index, variable in enumerate(metric.variables):
                self._add(f"own_metric/{number}/{index:05d}", variable)
        known = {id(v) for v in model.metrics_variables}
        for path, found in _walk(model, callbacks):
            if isinstance(found, keras.optimizers.Optimizer):
                if found is not optimizer:
                    self.optimizers[f"more/{path}"] = found
                    for index, variable in enumerate(found.variables):
                        self._add(f"more/{path}/{index:05d}", variable)
            elif id(found) not in known:
                self._add(f"more/{path}", found)
        underlying = {id(v._value) for v in self.by_key.values() if isinstance(v, keras.Variable)}
        for key in [k for k, v in self.by_key.items() if id(v) in underlying]:
            del self.by_key[key]

    def _add(self, key: str, variable: Any) -> None:
        if id(variable) not in self.keys:
            self.keys[id(variable)] = key
            self.by_key[key] = variable

    @property
    def size(self) -> int:
        """About how many bytes all of them take."""
        return sum(4 * math.prod(variable.shape) for variable in self.by_key.values())

    def read(self) -> Arrays:
        """The value of every variable, under its key and its own name."""
        return {f"{key}|{_name(v)}": value_of(v) for key, v in self.by_key.items()}

    def built(self) -> dict[str, Any]:
        """The kind of every optimizer and, if it is built, for which variables."""
        found: dict[str, Any] = {}
        for key, optimizer in self.optimizers.items():
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            variables = getattr(inner, "_trainable_variables", ())
            keys = [self.keys.get(id(v)) for v in variables] if optimizer.built else None
            kind = f"{type(optimizer).__name__} {type(inner).__name__}"
            found[key] = {"kind": kind, "built": keys}
        return found

    def build(self, built: Mapping[str, Any]) -> bool:
        """Build the optimizers that were built; True if there was one to build."""
        did = False
        for key, optimizer in self.optimizers.items():
            wanted = built.get(key, {}).get("built")
            if wanted is None or optimizer.built:
                continue
            if all(name in self.by_key for name in wanted):
                optimizer.build([self.by_key[name] for name in wanted])
                did = True
        return did


def own_metrics(model: Any) -> list[Any]:
    """The metrics of the user's own classes that do not begin each epoch with nothing."""
    each = [inner for m in model.metrics for inner in getattr(m, "metrics", None) or [m]]
    begins = keras.metrics.Metric.reset_state
    return [m for m in each if not of_library(type(m)) and type(m).reset_state is not begins]


def compiled(model: Any) -> dict[str, Any]:
    """What decides how the model is trained, besides values: a text or a list each."""
    return {
        "loss": _described(getattr(model, "loss", None)),
        "trainable": [bool(variable.trainable) for variable in model.variables],
        "optimizer": type(getattr(model, "optimizer", None)).__name__,
    }


def _described(loss: Any) -> Any:
    if isinstance(loss, Mapping):
        return {str(key): _described(value) for key, value in loss.items()}
    if isinstance(loss, (list, tuple)):
        return [_described(value) for value in loss]
    if loss is None or isinstance(loss, str):
        return loss
    return getattr(loss, "__qualname__", type(loss).__qualname__)


def plain_attributes(model: Any) -> dict[str, str]:
    """Numbers and the like that the model and its parts hold as attributes, as text."""
    parts = [*model._flatten_layers(), model.optimizer, getattr(model, "loss", None)]
    parts += [getattr(part, "inner_optimizer", None) for part in parts] + own_metrics(model)
    found: dict[str, str] = {}
    for part in parts:
        for name, value in list(getattr(part, "__dict__", {}).items()):
            if name[:1] == "_" or name in _RUNNING:
                continue
            if isinstance(value, np.ndarray):
                text = str(zlib.crc32(value.tobytes()))
            elif _is_simple(value) or (not of_library(type(part)) and _holds_simple(value)):
                text = repr(value)
            else:
                continue
            found[f"{getattr(part, 'name', type(part).__name__)}.{name}"] = text
    return found


def _is_simple(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _holds_simple(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return isinstance(value, (list, dict, deque)) and all(map(_is_simple, items))


def restore(
    model: Any,
    callbacks: Sequence[Any],
    arrays: Mapping[str, Any],
    built: Mapping[str, Any],
    *,
    metrics: bool = False,
    inherited: bool = False,
) -> Variables:
    """Put all variables back as ``Variables.read`` found them; returns those of now.

    Raises StateMismatch, having changed nothing. If the state is ``inherited`` from a run with
    other hyperparameters the learning rate stays as the model was compiled, and an optimizer of
    another kind as it is.
    """
    now = Variables(model, callbacks, metrics=metrics)
    if now.build(built):
        now = Variables(model, callbacks, metrics=metrics)
    kinds = {key: entry["kind"] for key, entry in now.built().items()}
    other = tuple(
        f"{key}/" for key, entry in built.items() if inherited and kinds.get(key) != entry["kind"]
    )
    assignments, wanted = [], set()
    for name, array in arrays.items():
        key, bar, own = name.partition("|")
        if not bar or (other and key.startswith(other)):
            continue
        wanted.add(key)
        variable = now.by_key.get(key)
        if variable is None:
            raise StateMismatch(f"it holds {own} ({key}), which there is not now")
        if tuple(array.shape) != tuple(variable.shape) or str(array.dtype) != _dtype(variable):
            raise StateMismatch(
                f"{own}: {array.dtype} {tuple(array.shape)} is stored for {_name(variable)}, "
                f"which is {_dtype(variable)} {tuple(variable.shape)}"
            )
        if not (inherited and key.startswith("optimizer/") and variable.name == "learning_rate"):
            assignments.append((key, variable, array))
    missing = [k for k in now.by_key if k not in wanted and not (other and k.startswith(other))]
    strict = [key for key in missing if not key.startswith("more/")]
    if strict:
        raise StateMismatch(f"it does not hold {_name(now.by_key[strict[0]])} ({strict[0]})")
    constants = set(Variables(model, []).keys) if keras.config.backend() == "jax" else set()
    for key, variable, array in assignments:
        loose = key.startswith("more/") and id(variable) in constants
        if loose and not np.array_equal(value_of(variable), array):
            now.compiled_in.append(_name(variable))
        variable.assign(array)
    return now


def _name(variable: Any) -> str:
    return str(getattr(variable, "path", None) or getattr(variable, "name", ""))


def _dtype(variable: Any) -> str:
    dtype = variable.dtype
    return str(getattr(dtype, "name", dtype))


def value_of(variable: Any) -> np.ndarray[Any, Any]:
    """As it is now, whatever becomes of the variable."""
    value = variable.value if isinstance(variable, keras.Variable) else variable
    if hasattr(value, "read_value"):
        # Not copied: a tensor does not change. TensorFlow writes elsewhere as long as it is held.
        return np.asarray(value.read_value())
    return np.array(keras.ops.convert_to_numpy(value))


def _walk(model: Any, callbacks: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Every variable and optimizer that is reached, with the way to it; each once."""
    tensorflow = sys.modules.get("tensorflow")
    kinds: tuple[type, ...] = (keras.Variable, keras.optimizers.Optimizer)
    if tensorflow is not None:
        kinds += (tensorflow.Variable,)
    waiting: deque[tuple[str, Any]] = deque([("model", model)])
    kinds_seen: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__name__
        waiting.append((f"{name}-{kinds_seen[name]}", callback))
        kinds_seen[name] += 1
    seen: dict[int, Any] = {}
    while waiting and len(seen) < MOST:
        path, item = waiting.popleft()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, kinds):
            yield path, item
            if not isinstance(item, keras.optimizers.Optimizer):
                continue
        waiting.extend((f"{path}.{name}", child) for name, child in _children(item))


def _children(item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, (str, bytes, int, float, np.ndarray, type, types.ModuleType, type(None))):
        return
    if isinstance(item, Mapping):
        yield from ((str(key), value) for key, value in list(item.items()))
    elif isinstance(item, (list, tuple, set, frozenset, deque)):
        yield from ((str(index), value) for index, value in enumerate(list(item)))
    elif isinstance(item, functools.partial):
        yield from (("func", item.func), ("args", item.args), ("keywords", item.keywords))
    elif isinstance(item, types.MethodType):
        yield from (("self", item.__self__), ("func", item.__func__))
    elif isinstance(item, types.FunctionType):
        yield from _of_function(item)
    elif (
        isinstance(item, keras.callbacks.Callback)
        or is_saveable(type(item))
        or not of_library(type(item))
    ):
        for kind in type(item).__mro__:
            if not of_library(kind):  # methods of a class that is defined within a function
                methods = [m for m in vars(kind).values() if isinstance(m, types.FunctionType)]
                yield from ((m.__qualname__, m) for m in methods if m.__closure__)
        attributes = getattr(item, "__dict__", None)
        if isinstance(attributes, dict):
            for name, value in list(attributes.items()):
                if name not in _SKIPPED and not name.startswith(("_self_", "_tf_", "_obj_ref")):
                    yield name, value


def _of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a user's function closes over, and the variables that it names."""
    if str(function.__module__).partition(".")[0] in ("keras", "tensorflow", "jax", "torch"):
        return
    yield from zip(function.__code__.co_freevars, contents(function), strict=True)
    yield from (("defaults", function.__defaults__), ("kwdefaults", function.__kwdefaults__))
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, (keras.Variable, keras.optimizers.Optimizer)):
            yield name, value
