"""Python objects as JSON values and arrays, and back into the objects that are there.

What comes back is what it was: its type, and which of two names are one object. What can change in
place is filled in place, so that whoever else holds it sees it too. Neither pickle nor a stranger's
code runs: what cannot be written down is ``NotStorable``, by name.
"""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import enum
import fractions
import hashlib
import importlib
import math
import pathlib
import random
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 1_000_000  # items of a container
LARGE = 1 << 20  # bytes of an array, from which on a digest stands for it in a comparison

_FACTORIES: dict[str, Any] = {
    k.__name__: k for k in (list, dict, set, int, float, str, bool, tuple)
}
_DICTS: dict[str, Any] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "defaultdict": collections.defaultdict,
}
_DATES: dict[str, Any] = {
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
}
_TEXTS: dict[str, Any] = {
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "PosixPath": pathlib.Path,
    "complex": complex,
}
_LIBRARIES = {"keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "pandas", "sweeper", "ray"}


class NotStorable(Exception):
    """A value that is neither JSON nor arrays; the message names its type."""


class Stays(Exception):
    """A value that has no state of its own to keep: a function, a model, a logger."""


def of_library(kind: type) -> bool:
    """Is this a class of Python's or of a library whose objects are not looked into?"""
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
        if value is None or (isinstance(value, (bool, str)) and type(value) in (bool, str)):
            return value
        if type(value) is int:
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
            return {"enum": _name(type(value)), "member": value.name}
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
        if _DICTS.get(name) is kind:
            node: dict[str, Any] = {
                "kind": name,
                "keys": self._all(value),
                "values": self._all(value.values()),
            }
            if kind is collections.defaultdict:
                node["factory"] = getattr(value.default_factory, "__name__", None)
            return node
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return {"kind": "namedtuple", "class": _name(kind), "items": self._all(value)}
        if kind in (bytes, bytearray):
            return {"kind": name, "base64": base64.b64encode(value).decode()}
        if _DATES.get(name) is kind:
            return {"kind": name, "iso": value.isoformat(), "fold": getattr(value, "fold", 0)}
        if kind is datetime.timedelta:
            return {"kind": name, "parts": [value.days, value.seconds, value.microseconds]}
        if name in _TEXTS and (kind is _TEXTS[name] or name == "PosixPath"):
            return {"kind": name, "text": str(value)}
        if kind in (range, slice):
            return {"kind": name, "parts": self._all([value.start, value.stop, value.step])}
        if kind is random.Random:
            return {"kind": "Random", "state": self.encode(value.getstate())}
        found = self._numerical(value, kind, name)
        return found if found is not None else self._object(value, kind)

    def _numerical(self, value: Any, kind: type, name: str) -> dict[str, Any] | None:
        root = str(kind.__module__).partition(".")[0]
        if root in ("numpy", "ml_dtypes") and hasattr(value, "dtype"):
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

    def _object(self, value: Any, kind: type) -> dict[str, Any]:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if _has_no_state(value, kind):
            raise Stays(name)
        if of_library(kind) or not hasattr(value, "__dict__") or isinstance(value, _BUILT_ON):
            raise NotStorable(name)
        attributes = {}
        for key, item in vars(value).items():
            try:
                attributes[key] = self.encode(item)
            except Stays:
                continue
        return {"kind": "object", "class": _name(kind), "attributes": attributes}


_CODE = {"ufunc", "partial", "Logger", "lock", "RLock", "_RLock", "Function", "PolymorphicFunction"}
_BUILT_ON = (list, dict, set, tuple, str, bytes, int, float)  # with content beside attributes


def _has_no_state(value: Any, kind: type) -> bool:
    """Code, and what is kept by other means or rebuilt with the program."""
    code = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType)
    return isinstance(value, code) or kind.__name__ in _CODE or _is_keras(kind)


def _is_keras(kind: type) -> bool:
    saveable = sys.modules.get("keras.src.saving.keras_saveable")
    return saveable is not None and issubclass(kind, saveable.KerasSaveable)


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


class Decoder:
    """Gives back what an Encoder wrote, in the objects that are there where that is possible.

    ``variables``: what is kept elsewhere, by its key. ``place`` finds what was there in any case.
    """

    def __init__(
        self,
        nodes: list[Any],
        arrays: Mapping[str, Any],
        variables: Mapping[str, Any],
        place: Callable[[Any], Any],
    ) -> None:
        self._nodes = nodes
        self._arrays = arrays
        self._variables = variables
        self._place = place
        self._made: dict[int, Any] = {}
        self._used: set[int] = set()

    def decode(self, value: Any, current: Any = None) -> Any:
        """The object; ``current`` stands in its place now. Raises NotStorable."""
        if not isinstance(value, dict):
            return value
        if "float" in value:
            return float(value["float"])
        if "variable" in value:
            return self._variables[value["variable"]]
        if "place" in value:
            return self._place(value["place"])
        if "enum" in value:
            return _class(value["enum"], current)[value["member"]]
        number = value["node"]
        if number not in self._made:
            node = self._nodes[number]
            if id(current) in self._used:
                current = None
            self._fill(number, node, current)
        return self._made[number]

    def _keep(self, number: int, value: Any) -> Any:
        self._made[number] = value
        self._used.add(id(value))
        return value

    def _fill(self, number: int, node: dict[str, Any], current: Any) -> None:
        kind = node["kind"]
        if kind in ("list", "deque"):
            make = list if kind == "list" else collections.deque
            same = type(current) is make and getattr(current, "maxlen", None) == node.get("length")
            fresh: Any = [] if kind == "list" else collections.deque(maxlen=node["length"])
            target = self._keep(number, current if same else fresh)
            old = list(target)
            items = [
                self.decode(item, old[i] if i < len(old) else None)
                for i, item in enumerate(node["items"])
            ]
            target.clear()
            target.extend(items)
        elif kind in _DICTS:
            self._fill_dict(number, node, current, _DICTS[kind])
        elif kind == "set":
            target = self._keep(number, current if type(current) is set else set())
            items = self._items(node)
            target.clear()
            target.update(items)
        elif kind in ("tuple", "namedtuple", "frozenset"):
            old = list(current) if isinstance(current, tuple) else []
            items = [
                self.decode(item, old[i] if i < len(old) else None)
                for i, item in enumerate(node["items"])
            ]
            if kind == "namedtuple":
                self._keep(number, _class(node["class"], current)(*items))
            else:
                self._keep(number, tuple(items) if kind == "tuple" else frozenset(items))
        elif kind == "bytearray" and type(current) is bytearray:
            self._keep(number, current)[:] = base64.b64decode(node["base64"])
        elif kind == "object":
            self._fill_object(number, node, current)
        else:
            self._keep(number, self._plain(node, kind, current))

    def _items(self, node: dict[str, Any]) -> list[Any]:
        return [self.decode(item) for item in node["items"]]

    def _fill_dict(self, number: int, node: dict[str, Any], current: Any, make: Any) -> None:
        same = type(current) is make
        if not same and make is collections.defaultdict:
            if node["factory"] is not None and node["factory"] not in _FACTORIES:
                raise NotStorable(f"defaultdict of {node['factory']}")
            fresh: Any = make(_FACTORIES.get(node["factory"]))
        else:
            fresh = make()
        target = self._keep(number, current if same else fresh)
        old = dict(target)
        keys = [self.decode(key) for key in node["keys"]]
        values = [
            self.decode(value, old.get(key))
            for key, value in zip(keys, node["values"], strict=True)
        ]
        target.clear()
        target.update(dict(zip(keys, values, strict=True)))

    def _fill_object(self, number: int, node: dict[str, Any], current: Any) -> None:
        if current is not None and _name(type(current)) == node["class"]:
            target = current
        else:
            target = object.__new__(_class(node["class"], current))
        self._keep(number, target)
        old = vars(target)
        new = {k: self.decode(v, old.get(k)) for k, v in node["attributes"].items()}
        old.update(new)

    def _plain(self, node: dict[str, Any], kind: str, current: Any) -> Any:
        if kind in ("bytes", "bytearray"):
            return {"bytes": bytes, "bytearray": bytearray}[kind](base64.b64decode(node["base64"]))
        if kind in _DATES:
            found = _DATES[kind].fromisoformat(node["iso"])
            return found.replace(fold=node["fold"]) if node["fold"] else found
        if kind == "timedelta":
            return datetime.timedelta(*node["parts"])
        if kind in _TEXTS:
            return _TEXTS[kind](node["text"])
        if kind in ("range", "slice"):
            return {"range": range, "slice": slice}[kind](*map(self.decode, node["parts"]))
        if kind == "Random":
            target = current if type(current) is random.Random else random.Random()
            target.setstate(self.decode(node["state"]))
            return target
        if kind in ("array", "scalar", "tensor"):
            return self._array(node, kind, current)
        if kind in ("Generator", "RandomState"):
            return self._generator(node, kind, current)
        pd = importlib.import_module("pandas")
        if kind == "Series":
            values, index, name, dtype = map(self.decode, node["parts"])
            return pd.Series(values, index, name=name, dtype=dtype)
        columns, series, index = map(self.decode, node["parts"])
        frame = pd.DataFrame(dict(enumerate(series)), index=index)
        frame.columns = columns
        return frame

    def _array(self, node: dict[str, Any], kind: str, current: Any) -> Any:
        import numpy as np

        if "objects" in node:
            array = np.empty(len(node["objects"]), dtype=object)
            array[:] = [self.decode(item) for item in node["objects"]]
            array = array.reshape(node["shape"])
        else:
            array = self._arrays[node["array"]]
        if kind == "scalar":
            return array[()]
        if kind == "tensor":
            return _tensor(node["library"], array, current)
        same = type(current) is np.ndarray and current.flags.writeable
        if same and (current.dtype, current.shape) == (array.dtype, array.shape):
            current[...] = array
            return current
        return np.array(array)

    def _generator(self, node: dict[str, Any], kind: str, current: Any) -> Any:
        import numpy as np

        state = self.decode(node["state"])
        target = current
        if type(current).__name__ != kind:
            bits = getattr(np.random, node["bits"])()
            target = getattr(np.random, kind)(bits)
        if kind == "RandomState":
            target.set_state(state)
        else:
            target.bit_generator.state = state
        return target


def _tensor(library: str, array: Any, current: Any) -> Any:
    if library == "torch":
        torch = importlib.import_module("torch")
        data = torch.from_numpy(array.copy())
        if type(current).__name__ in ("Tensor", "Parameter") and current.shape == data.shape:
            with torch.no_grad():
                current.copy_(data)
            return current
        return data
    if library == "jax":
        return importlib.import_module("jax.numpy").asarray(array)
    return importlib.import_module("tensorflow").convert_to_tensor(array)


def _class(name: str, current: Any) -> Any:
    """The class ``module:qualname``, if it is loaded: nothing is imported for it."""
    if current is not None and _name(type(current)) == name:
        return type(current)
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise NotStorable(f"{name}, which is not there")
    return found
