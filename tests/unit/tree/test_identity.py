"""Identity is pinned for ever: the same dict, the same directory, on every machine."""

from __future__ import annotations

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sweeper.errors import UsageError
from sweeper.sweepfile import default_monitored
from sweeper.tree.identity import canonical, digits_of, experiment_id, group_canonicals

SEED = {
    "debug": False,
    "training": {"batch_size": 128, "epochs": 12, "learning-rate": 0.008},
    "processing": {"width": 128, "height": 128},
    "model": {
        "conv_0": 32,
        "conv_1": 64,
        "kernel_0": (3, 3),
        "kernel_1": (3, 3),
        "pool_size": (2, 2),
        "dropout_0": 0.25,
        "dense": 128,
        "dropout_1": 0.5,
        "num_classes": 10,
    },
    "comment": "VGG net",
    "author": "john doe",
}


def test_the_seed_readme():
    assert experiment_id(group_canonicals(SEED, ["training", "processing", "model"])) == (
        "exp-51670633-73505354-70315067"
    )


PINNED = [
    ({"a": 1}, ["a"], "exp-48635463"),
    ({"a": 1.0}, ["a"], "exp-94532235"),
    ({"a": True}, ["a"], "exp-82205459"),
    ({"a": "1"}, ["a"], "exp-25819507"),
    ({"a": None}, ["a"], "exp-52530672"),
    ({"a": {}}, ["a"], "exp-30791614"),
    ({"a": []}, ["a"], "exp-35880782"),
    ({"a": "é"}, ["a"], "exp-77691048"),
    ({"a": 1e-5}, ["a"], "exp-40971753"),
    ({"a": 10**30}, ["a"], "exp-11328109"),
    ({"a": -0.0}, ["a"], "exp-87929075"),
    ({"a": {"b": [1, {"c": None}]}}, ["a"], "exp-10965292"),
    ({"a": 1, "b": 2}, [("a", "b")], "exp-97829422"),
    ({"a": 1, "b": 2}, ["a", "b"], "exp-48635463-96094161"),
]


@pytest.mark.parametrize(("params", "monitored", "expected"), PINNED)
def test_pinned_for_ever(params, monitored, expected):
    assert experiment_id(group_canonicals(params, monitored)) == expected


class Size(enum.IntEnum):
    SMALL = 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((3, 3), [3, 3]),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array(7), 7),
        (Size.SMALL, 3),
    ],
)
def test_what_makes_no_difference(one, other):
    assert canonical(one) == canonical(other)


def test_what_makes_a_difference():
    assert len({canonical(v) for v in (1, 1.0, True, "1", None, [1], {"1": 1})}) == 7


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"x": [0, math.nan]}, "params.model.x[1]"),
        ({"x": math.inf}, "params.model.x"),
        ({"x": {1: 2}}, "params.model.x"),
        ({"x": {1, 2}}, "params.model.x"),
        ({"x": object()}, "params.model.x"),
        ({"x": np.zeros(3)}, "params.model.x"),
        ({"x": np.float32("nan")}, "params.model.x"),
        ({"x": b"bytes"}, "params.model.x"),
    ],
)
def test_what_cannot_be_identified_names_its_place(value, place):
    with pytest.raises(UsageError, match="expected") as caught:
        experiment_id(group_canonicals({"model": value}, ["model"]))
    assert str(caught.value).startswith(place + ":")


def test_a_missing_key_is_named():
    with pytest.raises(UsageError, match=r"'modle'.*model"):
        experiment_id(group_canonicals({"model": 1}, ["modle"]))


def test_default_groups():
    assert default_monitored(SEED) == ("model", "processing", "training")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
@example({"x": 10**40, "y": 1e-320, "t": (1, 2), "z": -0.0, 'é\n"\\': "ü\u2028\U0001f600"})
def test_the_canonical_text_is_json_with_sorted_keys(value):
    assert canonical(value) == json.dumps(value, sort_keys=True)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(JSON, st.integers(8, 70))
def test_more_digits_extend_the_fewer(value, digits):
    text = canonical(value)
    assert digits_of(text, digits).startswith(digits_of(text))
