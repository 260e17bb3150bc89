"""The state of other people's callbacks, as JSON values and arrays.

What a callback changed since training began is its state: EarlyStopping's patience and best
weights, ReduceLROnPlateau's counters, a user's own counters. Settings that did not change are not
stored, so that they can be changed between two attempts. A callback with ``state_dict`` and
``load_state_dict`` is asked instead.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("sweeper.experiment")

_NEVER = {"model", "_model", "params", "validation_data"}
_DERIVED = {"monitor_op", "min_delta"}  # set from the mode on the first use, with a sign
_LONGEST = 100_000
_SMALL_BYTES = 1 << 20


class NotStorable(Exception):
    """A value that is neither JSON nor arrays."""


def encode(value: Any, arrays: dict[str, Any], where: str) -> Any:
    """``value`` as JSON; arrays in it go to ``arrays`` under names that begin with ``where``."""
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        import numpy as np

        array = np.array(value.numpy() if hasattr(value, "numpy") else value)
        if array.dtype == object:
            raise NotStorable(where)
        arrays[where] = array
        return {"array": where, "scalar": isinstance(value, np.generic)}
    if isinstance(value, (list, tuple)) and len(value) <= _LONGEST:
        items = [encode(v, arrays, f"{where}/{i}") for i, v in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict) and len(value) <= _LONGEST:
        if not all(isinstance(key, str) for key in value):
            raise NotStorable(where)
        return {"dict": {k: encode(v, arrays, f"{where}/{k}") for k, v in value.items()}}
    raise NotStorable(where)


def decode(value: Any, arrays: Mapping[str, Any]) -> Any:
    """What encode was given."""
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if isinstance(value, dict):
        if "array" in value:
            array = arrays[value["array"]]
            return array[()] if value.get("scalar") else array
        if "float" in value:
            return float(value["float"])
        if "tuple" in value:
            return tuple(decode(item, arrays) for item in value["tuple"])
        return {k: decode(v, arrays) for k, v in value["dict"].items()}
    return value


class CallbackStates:
    """Remembers how callbacks were when training began, and tells what changed since."""

    def __init__(self, callbacks: list[Any]) -> None:
        self._callbacks = callbacks
        self._before = [self._attributes(callback) for callback in callbacks]

    def _attributes(self, callback: Any) -> dict[str, tuple[int, Any, dict[str, Any]]]:
        found: dict[str, tuple[int, Any, dict[str, Any]]] = {}
        for name, value in _possible_state(callback).items():
            if _is_large(value):
                found[name] = (id(value), None, {})
                continue
            arrays: dict[str, Any] = {}
            try:
                found[name] = (id(value), encode(value, arrays, name), arrays)
            except NotStorable:
                continue
        return found

    def capture(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The state of every callback, and the arrays in it."""
        states: list[dict[str, Any]] = []
        arrays: dict[str, Any] = {}
        for index, (callback, before) in enumerate(zip(self._callbacks, self._before, strict=True)):
            kind = type(callback).__name__
            prefix = f"callback/{index}"
            state: dict[str, Any] = {}
            if hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict"):
                state["state_dict"] = encode(callback.state_dict(), arrays, prefix)
            else:
                for name, value in _possible_state(callback).items():
                    old = before.get(name)
                    if old is not None and old[0] == id(value) and _is_large(value):
                        continue
                    found: dict[str, Any] = {}
                    try:
                        encoded = encode(value, found, f"{prefix}/{name}")
                    except NotStorable:
                        continue
                    if old is None or not _same(value, old, name):
                        state[name] = encoded
                        arrays |= found
            states.append({"class": kind, "state": state})
        return states, arrays

    def restore(self, states: list[dict[str, Any]], arrays: Mapping[str, Any]) -> None:
        """Put each callback back as the one of its class was, of several in their order.

        If they are not those of before, that is said: a new one begins, one that is gone is lost.
        """
        kinds = [type(callback).__name__ for callback in self._callbacks]
        stored = [str(state.get("class")) for state in states]
        if kinds != stored:
            log.warning(
                "the callbacks are not those of the run that is resumed: it had %s, there are %s; "
                "each has the state of the one of its class",
                stored,
                kinds,
            )
        left = list(zip(stored, states, strict=True))
        for callback, kind in zip(self._callbacks, kinds, strict=True):
            found = next((pair for pair in left if pair[0] == kind), None)
            if found is None:
                continue
            left.remove(found)
            for name, value in found[1].get("state", {}).items():
                if name == "state_dict" and hasattr(callback, "load_state_dict"):
                    callback.load_state_dict(decode(value, arrays))
                else:
                    setattr(callback, name, decode(value, arrays))


def _possible_state(callback: Any) -> dict[str, Any]:
    skip = _NEVER | (_DERIVED if hasattr(callback, "monitor_op") else set())
    return {name: value for name, value in vars(callback).items() if name not in skip}


def _is_large(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return sum(getattr(item, "nbytes", 0) for item in value[:1000]) > _SMALL_BYTES
    return int(getattr(value, "nbytes", 0) or 0) > _SMALL_BYTES


def _same(value: Any, old: tuple[int, Any, dict[str, Any]], name: str) -> bool:
    arrays: dict[str, Any] = {}
    encoded = encode(value, arrays, name)
    if encoded != old[1] or arrays.keys() != old[2].keys():
        return False
    return all(_identical(array, old[2][key]) for key, array in arrays.items())


def _identical(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
