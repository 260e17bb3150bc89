"""What ``object_encoding`` wrote, back in the objects that are there.

What can change in place is filled in place, so that whoever else holds it sees it too. Nothing is
imported for it, and no code of a class runs.
"""

from __future__ import annotations

import base64
import collections
import datetime
import importlib
import itertools
import random
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .object_encoding import DATES, DICTS, FACTORIES, TEXTS, NotStorable, class_name, contents

_CONTAINERS: dict[str, Any] = {"list": list, "deque": collections.deque, "set": set, **DICTS}
_OF_PARTS: dict[str, Any] = {k.__name__: k for k in (datetime.timedelta, range, slice)}
_NAMES = re.compile(r"path|file|dir(?![a-z])|directory|folder|url|command|cmd", re.I)


def not_a_path(value: Any) -> Any:
    """``value``. Raises NotStorable if it leads somewhere: a backup may be a stranger's."""
    text = str(value)
    if isinstance(value, Path) or text[:1] in ("/", "~") or ".." in re.split(r"[/\\]", text):
        raise NotStorable("a path, which a backup must not choose")
    return value


def check_name(name: str, value: Any, current: Any) -> None:
    """Raise NotStorable if an attribute that is called after a path would get another text."""
    if isinstance(value, (str, bytes)) and value != current and _NAMES.search(name):
        raise NotStorable("a path, which a backup must not choose")


@dataclass(eq=False)
class Decoder:
    """Gives back what an Encoder wrote, in the objects that are there where that is possible.

    ``variables``: what is kept elsewhere, by its key. ``place`` finds what was there in any case.
    """

    nodes: list[Any]
    arrays: Mapping[str, Any]
    variables: Mapping[str, Any]
    place: Callable[[Any], Any]

    def __post_init__(self) -> None:
        self._made: dict[int, Any] = {}
        self._used: set[int] = set()

    def decode(self, value: Any, current: Any = None) -> Any:
        """The object; ``current`` stands in its place now. Raises NotStorable."""
        if isinstance(value, str):
            return not_a_path(value)
        if not isinstance(value, dict):
            return value
        if "float" in value:
            return float(value["float"])
        if "variable" in value:
            return self.variables[value["variable"]]
        if "place" in value:
            return self.place(value["place"])
        if "enum" in value:
            return _class(value["enum"], current)[value["member"]]
        number = value["node"]
        if number not in self._made:
            node = self.nodes[number]
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
        if kind in _CONTAINERS:
            make = _CONTAINERS[kind]
            same = type(current) is make and getattr(current, "maxlen", None) == node.get("length")
            target = self._keep(number, current if same else _empty(make, node))
            if kind in DICTS:
                new: Any = self._mapping(node, dict(target))
            else:
                new = self._items(node, () if kind == "set" else list(target))
            target.clear()
            (target.extend if kind in ("list", "deque") else target.update)(new)
        elif kind in ("tuple", "namedtuple", "frozenset"):
            items = self._items(node, current if isinstance(current, tuple) else ())
            if kind == "namedtuple":
                self._keep(number, _class(node["class"], current)(*items))
            else:
                self._keep(number, tuple(items) if kind == "tuple" else frozenset(items))
        elif kind == "bytearray" and type(current) is bytearray:
            self._keep(number, current)[:] = base64.b64decode(node["base64"])
        elif kind == "object":
            self._fill_object(number, node, current)
        elif kind in ("function", "method", "partial"):
            self._fill_code(number, node, current)
        else:
            self._keep(number, self._plain(node, kind, current))

    def _items(self, node: dict[str, Any], old: Iterable[Any] = ()) -> list[Any]:
        """The items of a container that holds ``old`` ones now."""
        places = itertools.chain(old, itertools.repeat(None))
        return [self.decode(item, now) for item, now in zip(node["items"], places, strict=False)]

    def _mapping(self, node: dict[str, Any], old: dict[Any, Any]) -> dict[Any, Any]:
        keys = [self.decode(key) for key in node["keys"]]
        pairs = zip(keys, node["values"], strict=True)
        new = {key: self.decode(value, old.get(key)) for key, value in pairs}
        for key, value in new.items():
            check_name(str(key), value, old.get(key))
        return new

    def _fill_object(self, number: int, node: dict[str, Any], current: Any) -> None:
        if current is not None and class_name(type(current)) == node["class"]:
            target = current
        else:
            target = object.__new__(_class(node["class"], current))
        self._keep(number, target)
        old = vars(target)
        new = {k: self.decode(v, old.get(k)) for k, v in node["attributes"].items()}
        for name, item in new.items():
            check_name(name, item, old.get(name))
        old.update(new)

    def _fill_code(self, number: int, node: dict[str, Any], current: Any) -> None:
        """What the code that stands there now holds: code itself comes from nowhere else."""
        self._keep(number, current)
        if node["kind"] == "method":
            old = [current.__self__]
        elif node["kind"] == "partial":
            old = [current.func, list(current.args), dict(current.keywords)]
        else:
            old = contents(current)
        if len(old) != len(node["parts"]):
            raise NotStorable("a function that closes over other things now")
        new = [
            now if isinstance(part, dict) and "stays" in part else self.decode(part, now)
            for part, now in zip(node["parts"], old, strict=True)
        ]
        if node["kind"] == "function":
            for cell, value in zip(current.__closure__ or (), new, strict=True):
                cell.cell_contents = value

    def _plain(self, node: dict[str, Any], kind: str, current: Any) -> Any:
        if kind in ("bytes", "bytearray"):
            data = base64.b64decode(node["base64"])
            return data if kind == "bytes" else bytearray(data)
        if kind in DATES:
            found = DATES[kind].fromisoformat(node["iso"])
            return found.replace(fold=node["fold"]) if node["fold"] else found
        if kind in TEXTS:
            return not_a_path(TEXTS[kind](node["text"]))
        if kind in _OF_PARTS:
            return _OF_PARTS[kind](*map(self.decode, node["parts"]))
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
            array = self.arrays[node["array"]]
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


def _empty(make: Any, node: dict[str, Any]) -> Any:
    if make is collections.deque:
        return make(maxlen=node["length"])
    if make is not collections.defaultdict:
        return make()
    if node["factory"] is not None and node["factory"] not in FACTORIES:
        raise NotStorable(f"defaultdict of {node['factory']}")
    return make(FACTORIES.get(node["factory"]))


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
    if current is not None and class_name(type(current)) == name:
        return type(current)
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise NotStorable(f"{name}, which is not there")
    return found
