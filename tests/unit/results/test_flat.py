from __future__ import annotations

from sweeper.results import ParameterNames, flatten, short_names


def test_nested_parameters_become_dotted_names() -> None:
    params = {"model": {"dense": 8, "kernel": [3, 3], "extra": {}}, "debug": False}
    assert flatten(params) == {
        "model.dense": 8,
        "model.kernel": [3, 3],
        "model.extra": {},
        "debug": False,
    }


def test_what_varies_is_told_from_what_does_not() -> None:
    names = ParameterNames([{"a": 1, "b": {"c": 1}}, {"a": 1, "b": {"c": 2}, "d": 0}])
    assert names.all == ["a", "b.c", "d"]
    assert names.varying == ["b.c", "d"]


def test_a_parameter_that_a_later_dict_lacks_varies() -> None:
    assert ParameterNames([{"a": 1, "b": 1}, {"a": 1}]).varying == ["b"]


def test_one_and_one_point_zero_and_true_are_different_values() -> None:
    assert ParameterNames([{"a": 1}, {"a": 1.0}]).varying == ["a"]
    assert ParameterNames([{"a": 1}, {"a": True}]).varying == ["a"]


def test_names_are_shortened_as_far_as_they_stay_apart() -> None:
    assert short_names(["training.rate", "model.rate", "model.dense"]) == {
        "training.rate": "training.rate",
        "model.rate": "model.rate",
        "model.dense": "dense",
    }
    assert short_names(["rate", "model.rate"]) == {"rate": "rate", "model.rate": "model.rate"}
