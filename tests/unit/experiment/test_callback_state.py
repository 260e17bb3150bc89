"""What callbacks hold comes back as what it was: type, content, and which names are one object."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import random
import threading
from typing import Any

import numpy as np
import pytest

from sweeper.experiment.callback_state import CallbackStates
from sweeper.experiment.object_decoding import Decoder
from sweeper.experiment.object_encoding import Encoder, NotStorable

Pair = collections.namedtuple("Pair", "first second")


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Tracker:
    seen: list[int]
    best: float = math.inf


def through_json(value: Any, current: Any = None) -> Any:
    encoder = Encoder({})
    encoded = encoder.encode(value)
    encoded, nodes = json.loads(json.dumps([encoded, encoder.nodes]))
    return Decoder(nodes, encoder.arrays, {}, lambda place: None).decode(encoded, current)


VALUES = [
    None, True, 3, 0.1, math.inf, "x", [1, [2]], (1, 2), {"a": {"array": 1}}, {"float": 1.0},
    {1: "int", (2, 3): "tuple", None: 0}, {3, 1, 2}, frozenset({"a"}), b"\x00\xff", bytearray(b"a"),
    1 + 2j, range(2, 9, 3), slice(1, None), decimal.Decimal("0.10"),
    datetime.datetime(2026, 11, 28, 1, 2, 3, 4, datetime.timezone.utc), datetime.date(2026, 1, 2),
    datetime.timedelta(1, 2, 3), collections.Counter("abca"), collections.OrderedDict(b=1, a=2),
    collections.defaultdict(list, {"k": [1]}), collections.deque([1, 2, 3], 3), Pair(1, [2]),
    Color.RED, Tracker([1], 0.5), np.float32(0.5), np.datetime64("2026-11-28"), np.bool_(True),
]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [pathlib.Path("a/b"), "/etc/passwd", ["~/.bashrc"], {"a": ("../../x",)}, {"filepath": "x.py"}],
    ids=repr,
)
def test_what_names_a_path_is_not_restored(value: Any) -> None:
    with pytest.raises(NotStorable, match="a path"):
        through_json(value)


def test_an_attribute_that_is_called_after_a_path_is_not_restored() -> None:
    class Checkpoint:
        filepath, best = "model.keras", 1.0

    now, then = Checkpoint(), Checkpoint()
    now.filepath, now.best, then.filepath, then.best = "model.keras", 1.0, "train.py", 2.0
    states = CallbackStates([then], {})
    then.filepath, then.best = "other.py", 3.0
    kept, arrays = states.capture({})
    lost = CallbackStates([now], {}).restore(kept, arrays, {})
    assert (now.filepath, now.best) == ("model.keras", 3.0)
    assert lost == ["Checkpoint.filepath (a path, which a backup must not choose)"]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    found = through_json(value)
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, collections.deque):
        assert found.maxlen == value.maxlen
    if isinstance(value, collections.defaultdict):
        assert found["new"] == []


@pytest.mark.parametrize(
    "array",
    [
        np.arange(3), np.zeros((0, 2)), np.array([(1, 2.5)], [("n", "i4"), ("x", "f8")]),
        np.array(["a", None, 3], dtype=object), np.array(["2026-01-01"], "datetime64[s]"),
    ],
    ids=repr,
)  # fmt: skip
def test_an_array_comes_back_with_its_type(array: np.ndarray) -> None:
    found = through_json(array)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_generators_go_on_where_they_were() -> None:
    for make, draw in (
        (lambda: random.Random(1), lambda g: g.random()),
        (lambda: np.random.default_rng(1), lambda g: g.normal()),
        (lambda: np.random.RandomState(1), lambda g: g.rand()),
    ):
        generator = make()
        draw(generator)
        again = make()
        found = through_json(generator, again)
        assert found is again
        assert draw(found) == draw(generator)
        draw(generator)
        assert draw(through_json(generator)) == draw(generator)


def test_what_can_be_filled_in_place_is() -> None:
    inner: list[Any] = []
    current = {"list": inner, "array": np.zeros(2), "tracker": Tracker(inner)}
    array, tracker = current["array"], current["tracker"]
    shared = [1, 2]
    found = through_json({"list": shared, "array": np.ones(2), "tracker": Tracker(shared)}, current)
    assert found is current
    assert found["list"] is inner
    assert inner == [1, 2]
    assert found["array"] is array
    assert array.tolist() == [1, 1]
    assert found["tracker"] is tracker
    assert tracker.seen is inner  # two names of one object stay one


def test_cycles_come_back() -> None:
    value: list[Any] = [1]
    value.append({"self": value})
    found = through_json(value)
    assert found[1]["self"] is found


def test_what_is_neither_json_nor_arrays_is_named() -> None:
    for bad, name in ((iter([]), "list_iterator"), ([open], None), (threading.Event(), "Event")):
        if name is not None:
            with pytest.raises(NotStorable, match=name):
                Encoder({}).encode(bad)


class Callback:
    def __init__(self) -> None:
        self.patience = 3
        self.wait = 0
        self.model = object()
        self.data = np.zeros(1_000_000)
        self.monitor_op = None
        self.min_delta = 0.1
        self.history: list[float] = []
        self.lock = threading.Lock()


def test_only_what_changed_is_stored() -> None:
    callback = Callback()
    states = CallbackStates([callback], {})
    found, arrays = states.capture({})
    assert (found["each"], found["lost"], arrays) == ([{"class": "Callback", "state": {}}], [], {})
    callback.wait, callback.min_delta = 2, -0.1
    callback.weights = [np.ones(2)]
    found, arrays = states.capture({})
    assert set(found["each"][0]["state"]) == {"wait", "weights"}
    other = Callback()
    other.patience = 5  # changed between two attempts
    assert CallbackStates([other], {}).restore(found, arrays, {}) == []
    assert (other.wait, other.patience, other.min_delta) == (2, 5, 0.1)
    np.testing.assert_array_equal(other.weights[0], np.ones(2))


LOSSES: list[float] = []
LATEST = 0


class Finder:
    def on_train_batch_end(self) -> None:
        global LATEST
        LATEST += 1
        note(0.5)


def note(loss: float) -> None:
    LOSSES.append(loss)


def test_what_functions_of_a_callback_change_in_their_module_is_its_state() -> None:
    global LATEST
    finder = Finder()
    states = CallbackStates([finder], {})
    finder.on_train_batch_end()
    found, arrays = states.capture({})
    LOSSES.clear()
    LATEST = 0
    assert CallbackStates([finder], {}).restore(found, arrays, {}) == []
    assert (LOSSES, LATEST) == ([0.5], 1)


def test_changes_in_place_of_large_arrays_count() -> None:
    callback = Callback()
    states = CallbackStates([callback], {})
    callback.data[-1] = 1.0
    found, arrays = states.capture({})
    other = Callback()
    data = other.data
    CallbackStates([other], {}).restore(found, arrays, {})
    assert (other.data is data, data[-1]) == (True, 1.0)


def test_a_name_for_what_has_not_changed_is_a_name_for_it_again() -> None:
    callback = Callback()
    states = CallbackStates([callback], {})
    callback.best = callback.history
    found, arrays = states.capture({})
    other = Callback()
    CallbackStates([other], {}).restore(found, arrays, {})
    assert other.best is other.history


def test_what_cannot_be_kept_is_named_once_and_the_rest_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    callback = Callback()
    states = CallbackStates([callback], {})
    callback.wait, callback.stream = 4, iter([1])
    states.capture({})
    found, arrays = states.capture({})
    assert found["lost"] == ["Callback.stream (builtins.list_iterator)"]
    assert caplog.text.count("Callback.stream") == 1
    other = Callback()
    lost = CallbackStates([other], {}).restore(found, arrays, {})
    assert (other.wait, lost) == (4, found["lost"])


class Asked:
    def __init__(self) -> None:
        self.counts = {1: {"a"}}

    def state_dict(self) -> dict[int, set[str]]:
        return self.counts

    def load_state_dict(self, state: dict[int, set[str]]) -> None:
        self.counts = {key: {*value, "loaded"} for key, value in state.items()}


def test_a_callback_with_a_state_dict_of_its_own_is_asked() -> None:
    callback = Asked()
    states = CallbackStates([callback], {})
    callback.counts[2] = {"b"}
    found, arrays = states.capture({})
    other = Asked()
    assert CallbackStates([other], {}).restore(found, arrays, {}) == []
    assert other.counts == {1: {"a", "loaded"}, 2: {"b", "loaded"}}


class Signal(np.ndarray):
    """An array with something beside its content."""


@pytest.mark.parametrize("value", [np.ma.array([1, 2], mask=[0, 1]), np.zeros(2).view(Signal)])
def test_what_is_more_than_an_array_is_named(value: Any) -> None:
    with pytest.raises(NotStorable, match=type(value).__qualname__):
        Encoder({}).encode(value)
