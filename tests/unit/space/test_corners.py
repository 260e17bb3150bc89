"""The extreme parameter dicts of a space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sweeper.space import corners
from sweeper.sweepfile import Sweep

Load = Callable[..., Sweep]


def ends(load: Load, body: str, method: str = "random") -> list[Any]:
    sweep = load(f"method: {method}\nparameters:\n  a: {{{body}}}\n")
    return [params["a"] for params in corners(sweep.space)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("min: 0.0, max: 1.0", [0.0, 1.0]),
        ("distribution: uniform, min: 0, max: 2", [0.0, 2.0]),
        ("distribution: log_uniform_values, min: 1e-4, max: 10", [1e-4, 10.0]),
        ("distribution: inv_log_uniform_values, min: 1e-4, max: 10", [1e-4, 10.0]),
        ("distribution: q_uniform, min: 0, max: 1, q: 0.1", [0.0, 1.0]),
        ("distribution: q_log_uniform_values, min: 1, max: 100, q: 1", [1, 100]),
        ("min: 1, max: 10000000000000000000000", [1, 10**22]),
        ("values: [b, c, a, b]", ["b", "a"]),
        ("values: [x, y, z], probabilities: [0, 0.5, 0.5]", ["y", "z"]),
    ],
)
def test_the_ends_of_a_range_are_its_bounds(load: Load, body: str, expected: list[Any]) -> None:
    found = ends(load, body)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_what_has_no_end_is_taken_to_a_far_quantile(load: Load) -> None:
    low, high = ends(load, "distribution: normal, mu: 0, sigma: 1")
    assert (round(low, 2), round(high, 2)) == (-3.72, 3.72)


def test_a_grid_has_the_ends_that_it_walks(load: Load) -> None:
    assert ends(load, "distribution: q_uniform, min: 0.05, max: 0.52, q: 0.1", "grid") == [
        0.05,
        pytest.approx(0.45),
    ]


def test_many_parameters_are_tried_one_by_one(load: Load) -> None:
    names = "\n".join(f"  p{k}: {{min: 1, max: 5}}" for k in range(9))
    found = list(corners(load(f"method: grid\nparameters:\n{names}\n").space))
    assert found[0] == {f"p{k}": 1 for k in range(9)}
    assert found[1] == {f"p{k}": 5 for k in range(9)}
    assert len(found) == 2 + 2 * 9
