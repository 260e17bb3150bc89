"""Python objects as JSON values and arrays: their types, and which of two names are one object.

Neither pickle nor a stranger's code runs: what cannot be written down is ``NotStorable``, by name.
"""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import math
import pathlib
import random
import sys
import types
from collections.abc import Mapping
from typing import Any

LONGEST = 1_000_000  # items of a container

FACTORIES: dict[str, Any] = {k.__name__: k for k in (list, dict, set, int, float, str, bool, tuple)}
DICTS: dict[str, Any] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "defaultdict": collections.defaultdict,
}
DATES: dict[str, Any] = {
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
}
TEXTS: dict[str, Any] = {
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "PosixPath": pathlib.PosixPath,
    "complex": complex,
}
_LIBRARIES = {"keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "pandas", "sweeper", "ray"}


class NotStorable(Exception):
    """A value that is neither JSON nor arrays; the message names its type."""


class Stays(Exception):
    """A value that has no state of its own to keep: a function, a model, a logger."""


def of_library(kind: type | types.FunctionType) -> bool:
    """Is this a class or function of Python's or of a library whose objects are not looked into?"""
    root = str(kind.__module__).partition(".")[0]
    return root in _LIBRARIES or (root in sys.stdlib_module_names and root != "__main__")


class Encoder:
    """Writes objects as ``{"node": n}`` and the like into ``nodes`` and ``arrays``.

    ``keys`` names what is kept elsewhere, by ``id``: variables. ``places`` are objects that are
    there at the restoring in any case, by ``id``: what JSON stands for them. With ``digest`` large
    arrays are not copied: enough to compare.
    """

    def __init__(
        self, keys: Mapping[int, str], places: Mapping[int, Any] | None = None, digest: bool = False
    ) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, Any] = {}
        self._keys = keys
        self._places = places or {}
        self._digest = digest
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []  # an id is an object's as long as that lives

    def encode(self, value: Any) -> Any:
        """``value`` as JSON. Raises NotStorable, Stays."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if id(value) in self._keys:
            return {"variable": self._keys[id(value)]}
        if id(value) in self._places:
            return self._places[id(value)]
        if id(value) in self._seen:
            return {"node": self._seen[id(value)]}
        if isinstance(value, enum.Enum):
            return {"enum": class_name(type(value)), "member": value.name}
        number = len(self.nodes)
        self._seen[id(value)] = number
        self._alive.append(value)
        self.nodes.append(None)
        try:
            self.nodes[number] = self._node(value)
        except BaseException:
            del self._seen[id(value)]
            raise
        return {"node": number}

    def _all(self, values: Any) -> list[Any]:
        if len(values) > LONGEST:
            raise NotStorable(f"{type(values).__name__} of {len(values)} items")
        return [self.encode(value) for value in values]

    def _node(self, value: Any) -> dict[str, Any]:
        kind = type(value)
        name = kind.__name__
        if kind in (list, tuple, set, frozenset):
            return {"kind": name, "items": self._all(value)}
        if kind is collections.deque:
            return {"kind": "deque", "items": self._all(value), "length": value.maxlen}
        if DICTS.get(name) is kind:
            node: dict[str, Any] = {
                "kind": name,
                "keys": self._all(value),
                "values": self._all(value.values()),
            }
            if kind is collections.defaultdict:
                node["factory"] = getattr(value.default_factory, "__name__", None)
            return node
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return {"kind": "namedtuple", "class": class_name(kind), "items": self._all(value)}
        if kind in (bytes, bytearray):
            return {"kind": name, "base64": base64.b64encode(value).decode()}
        if DATES.get(name) is kind:
            return {"kind": name, "iso": value.isoformat(), "fold": getattr(value, "fold", 0)}
        if kind is datetime.timedelta:
            return {"kind": name, "parts": [value.days, value.seconds, value.microseconds]}
        if TEXTS.get(name) is kind:
            return {"kind": name, "text": str(value)}
        if kind in (range, slice):
            return {"kind": name, "parts": self._all([value.start, value.stop, value.step])}
        if kind is random.Random:
            return {"kind": "Random", "state": self.encode(value.getstate())}
        found = self._numerical(value, kind, name)
        return found if found is not None else self._object(value, kind)

    def _numerical(self, value: Any, kind: type, name: str) -> dict[str, Any] | None:
        root = str(kind.__module__).partition(".")[0]
        numpy = sys.modules.get("numpy")
        if numpy is not None and (kind is numpy.ndarray or isinstance(value, numpy.generic)):
            return {"kind": "scalar" if name != "ndarray" else "array", **self._array(value)}
        if root == "numpy" and name in ("Generator", "RandomState"):
            source = getattr(value, "bit_generator", None) or value._bit_generator
            state = source.state if name == "Generator" else value.get_state(legacy=False)
            return {"kind": name, "bits": type(source).__name__, "state": self.encode(state)}
        if root == "pandas" and name == "Series":
            parts = [value.to_numpy(), value.index.to_numpy(), value.name, str(value.dtype)]
            return {"kind": "Series", "parts": self._all(parts)}
        if root == "pandas" and name == "DataFrame":
            columns = [value[column] for column in value.columns]
            parts = [list(value.columns), columns, value.index.to_numpy()]
            return {"kind": "DataFrame", "parts": self._all(parts)}
        tensor = name in ("EagerTensor", "ArrayImpl", "Tensor", "Parameter")
        if tensor and root in ("tensorflow", "jaxlib", "jax", "torch"):
            data = value.detach().cpu().numpy() if root == "torch" else value
            return {"kind": "tensor", "library": root.removesuffix("lib"), **self._array(data)}
        return None

    def _array(self, value: Any) -> dict[str, Any]:
        import numpy as np

        array = np.asarray(value)
        if array.dtype == object:
            return {"objects": self._all(array.ravel().tolist()), "shape": list(array.shape)}
        if self._digest:
            data = np.ascontiguousarray(array)
            digest = hashlib.blake2b(data.view(np.uint8).data if data.size else b"").hexdigest()
            return {"digest": [digest, str(array.dtype), list(array.shape)]}
        name = f"object/{len(self.arrays)}"
        self.arrays[name] = np.array(array)
        return {"array": name}

    def _code(self, value: Any, kind: type) -> dict[str, Any] | None:
        """A user's function with what it closes over, a bound method, a partial; else None."""
        if kind is types.MethodType and not of_library(type(value.__self__)):
            return {"kind": "method", "parts": self._those_with_state([value.__self__])}
        if kind is functools.partial:
            given = [value.func, list(value.args), dict(value.keywords)]
            return {"kind": "partial", "parts": self._those_with_state(given)}
        if kind is types.FunctionType and value.__closure__:
            if str(value.__module__).partition(".")[0] in _LIBRARIES:
                return None
            return {"kind": "function", "parts": self._those_with_state(contents(value))}
        return None

    def _those_with_state(self, values: list[Any]) -> list[Any]:
        found = []
        for value in values:
            try:
                found.append(self.encode(value))
            except Stays:
                found.append({"stays": True})
        return found

    def _object(self, value: Any, kind: type) -> dict[str, Any]:
        code = self._code(value, kind)
        if code is not None:
            return code
        name = f"{kind.__module__}.{kind.__qualname__}"
        if _has_no_state(value, kind):
            raise Stays(name)
        built_on = isinstance(value, _BUILT_ON) or hasattr(value, "__array_finalize__")
        if of_library(kind) or not hasattr(value, "__dict__") or built_on:
            raise NotStorable(name)
        attributes = {}
        for key, item in vars(value).items():
            try:
                attributes[key] = self.encode(item)
            except Stays:
                continue
        return {"kind": "object", "class": class_name(kind), "attributes": attributes}


_CODE = {"ufunc", "Logger", "lock", "RLock", "_RLock", "Function", "PolymorphicFunction"}
_BUILT_ON = (list, dict, set, tuple, str, bytes, int, float)  # with content beside attributes


def _has_no_state(value: Any, kind: type) -> bool:
    """Code, and what is kept by other means or rebuilt with the program."""
    code = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType)
    return isinstance(value, code) or kind.__name__ in _CODE or is_saveable(kind)


def is_saveable(kind: type) -> bool:
    """Is this a class of what Keras saves: models, layers, optimizers, losses, metrics?"""
    saveable = sys.modules.get("keras.src.saving.keras_saveable")
    return saveable is not None and issubclass(kind, saveable.KerasSaveable)


def contents(function: types.FunctionType) -> list[Any]:
    """What a function closes over, in its order; a cell that is not filled is None."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(None)
    return found


def class_name(kind: type) -> str:
    """``module:qualname``."""
    return f"{kind.__module__}:{kind.__qualname__}"
