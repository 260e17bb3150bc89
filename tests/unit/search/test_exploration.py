"""Where a child's parameters lie: near its parent's, inside the space, on its steps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from sweeper.search.exploration import Change, explore, rank_numbers
from sweeper.space import Space
from sweeper.sweepfile import load_sweep

MIXED = {
    "rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
    "dropout": {"distribution": "q_uniform", "min": 0.0, "max": 0.5, "q": 0.05},
    "units": {"min": 1, "max": 64},
    "noise": {"distribution": "normal", "mu": 0.0, "sigma": 2.0},
    "kind": {"values": ["relu", "tanh", "elu", "gelu"]},
    "size": {"values": ["s", "m", "l"], "probabilities": [0.5, 0.3, 0.2]},
    "fixed": {"value": 7},
}
PARENT = {
    "rate": 0.01, "dropout": 0.25, "units": 20, "noise": -1.5, "kind": "tanh", "size": "m",
    "fixed": 7,
}  # fmt: skip


@pytest.fixture
def space(tmp_path: Path) -> Callable[..., Space]:
    def space(parameters: dict[str, Any] | None = None, **keys: Any) -> Space:
        file = tmp_path / "s.yaml"
        sweep = {"method": "random", "parameters": parameters or MIXED, **keys}
        file.write_text(yaml.safe_dump(sweep))
        return load_sweep(file).space

    return space


def children(space: Space, parent: dict[str, Any], resample: float, count: int = 300) -> list[Any]:
    found = [explore(space, parent, resample, Random(seed)) for seed in range(count)]
    assert None not in found
    return found


def test_a_step_from_the_parent(space: Callable[..., Space]) -> None:
    found = children(space(), PARENT, resample=0.0)
    assert found == children(space(), PARENT, resample=0.0)  # the seed decides
    for child in found:
        assert set(child) == set(PARENT)
        assert any(math.isclose(child["rate"], 0.01 * f, rel_tol=1e-9) for f in (0.8, 1.2))
        assert any(math.isclose(child["noise"], -1.5 * f, rel_tol=1e-9) for f in (0.8, 1.2))
        assert child["dropout"] in (0.2, 0.3)
        assert child["units"] in (16, 24)
        assert child["kind"] in ("relu", "tanh", "elu")
        assert child["fixed"] == 7
    for name, kinds in (("kind", 3), ("size", 3), ("units", 2), ("dropout", 2)):
        assert len(Counter(child[name] for child in found)) == kinds


def test_it_stays_inside_its_bounds_and_off_its_place(space: Callable[..., Space]) -> None:
    parameters = {
        "rate": {"min": 0.1, "max": 0.5},
        "units": {"min": 2, "max": 5},
        "q": {"distribution": "q_log_uniform_values", "min": 16, "max": 64, "q": 16},
        "kind": {"values": ["a", "b"]},
    }
    one = space(parameters)
    for parent in (
        {"rate": 0.5, "units": 5, "q": 64, "kind": "b"},
        {"rate": 0.1, "units": 2, "q": 16, "kind": "a"},
    ):
        for child in children(one, parent, resample=0.0):
            assert child != parent
            assert 0.1 <= child["rate"] <= 0.5
            # A fifth of 2 is less than a step: a whole step is taken instead.
            assert child["units"] in ((4, 5) if parent["units"] == 5 else (2, 3))
            assert child["q"] in ((48, 64) if parent["q"] == 64 else (16, 32))
            assert isinstance(child["units"], int)


def test_resampling_draws_from_the_distribution(space: Callable[..., Space]) -> None:
    everything = children(space(), PARENT, resample=1.0, count=1000)
    rates = sorted(child["rate"] for child in everything)
    assert abs(math.log10(rates[500]) + 2) < 0.2  # the median of the distribution
    assert 0.45 < Counter(child["size"] for child in everything)["s"] / 1000 < 0.55
    some = children(space(), PARENT, resample=0.25, count=1000)
    stayed = sum(child["units"] in (16, 24) for child in some)
    assert 0.7 < stayed / 1000 < 0.85


def test_constraints_and_conditions_hold(space: Callable[..., Space]) -> None:
    parameters = {
        "a": {"min": 0.0, "max": 1.0},
        "b": {"min": 0.0, "max": 1.0},
        "kind": {"values": ["x", "y"]},
        "c": {"min": 1.0, "max": 2.0, "when": "kind == 'y'"},
    }
    one = space(parameters, constraints=["a <= b"])
    for child in children(one, {"a": 0.5, "b": 0.5, "kind": "x"}, resample=0.25):
        assert child["a"] <= child["b"]
        assert ("c" in child) == (child["kind"] == "y")
        assert 1 <= child.get("c", 1) <= 2
    # Nothing near the parent satisfies them, so the child is drawn anywhere.
    narrow = space({"a": {"min": 0.0, "max": 1.0}}, constraints=["a < 0.1 or a == 0.5"])
    assert all(c["a"] < 0.1 for c in children(narrow, {"a": 0.5}, resample=0.0, count=20))


def test_a_space_of_one_point_has_no_child(space: Callable[..., Space]) -> None:
    one = space({"a": {"values": [1, 2]}}, constraints=["a == 1"])
    assert explore(one, {"a": 1}, 0.25, Random(0)) is None


def test_the_gaussian_process_finds_where_most_is_gained(space: Callable[..., Space]) -> None:
    one = space({"x": {"min": 0.0, "max": 1.0}, "kind": {"values": ["a", "b", "c"]}})
    random = Random(3)
    changes = []
    for epoch in range(1, 9):
        for _ in range(6):
            x = random.random()
            gain = 1 - (x - 0.7) ** 2 * 10 + random.gauss(0, 0.01)
            changes.append(Change(epoch, one.encode({"x": x, "kind": "b"}), gain))
    ranked = rank_numbers(one, changes, [], 9, Random(0))
    (number,) = [i for i, axis in enumerate(one.axes) if axis.name == "x"]
    assert all(list(point) == [number] for point in ranked)
    assert abs(ranked[0][number] - 0.7) < 0.1
    assert abs(ranked[-1][number] - 0.7) > 0.5
    child = explore(one, {"x": 0.1, "kind": "b"}, 0.0, Random(0), ranked)
    assert child is not None
    assert abs(child["x"] - 0.7) < 0.1
    assert rank_numbers(one, changes[:1], [], 9, Random(0)) == []


def test_parallel_children_spread(space: Callable[..., Space]) -> None:
    one = space({"x": {"min": 0.0, "max": 1.0}})
    changes = [Change(1, [x], 1 - abs(x - 0.5)) for x in (0.0, 0.1, 0.2, 0.8, 0.9, 1.0)]
    first = rank_numbers(one, changes, [], 2, Random(0))[0][0]
    second = rank_numbers(one, changes, [[first]], 2, Random(0))[0][0]
    assert 0.2 < first < 0.8
    assert abs(first - second) > 0.05
