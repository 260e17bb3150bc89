"""Every searcher of another library keeps the contract of adaptive sweeps.

A library that is not installed is skipped: what it raises then is tested instead.
"""

from __future__ import annotations

import importlib.util
import random
from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.search import check_installed
from sweeper.search.methods import PACKAGES, UNUSABLE
from sweeper.search.ray_libraries import LIBRARIES as WRAPPED
from sweeper.search.ray_searcher import RaySearcher

LIBRARIES = tuple(WRAPPED)

ASKS = {"ax": 14}  # seconds per point of its model; the others: 40
FIRST = {"ax": 5}  # what it tries before its model, which is at the bowl's bottom soon; others: 8


def searcher(name: str, dimensions: int = 2, seed: int = 1) -> Any:
    if importlib.util.find_spec(PACKAGES[name][0]) is None:
        pytest.skip(f"{name} is not installed")
    return RaySearcher(name, dimensions, seed)


def bowl(point: list[float], at: float = 0.3) -> float:
    return sum((x - at) ** 2 for x in point)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_library_is_named_with_its_remedy(name: str) -> None:
    if importlib.util.find_spec(PACKAGES[name][0]):
        pytest.skip("installed")
    with pytest.raises(UsageError, match=rf"^method: {name} needs .*sweeper\[{name}\]"):
        check_installed(name)


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_method_that_no_launch_can_have_says_why_and_what_is_nearest(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^method: {name}: .+\. Use `method: \w+`.* instead\.$"):
        check_installed(name)


@pytest.mark.parametrize("name", LIBRARIES)
def test_it_finds_better_points_than_its_first(name: str) -> None:
    search = searcher(name)
    values = []
    for _ in range(ASKS.get(name, 40)):
        key, point = search.ask()
        assert len(point) == 2
        assert all(0 < x < 1 for x in point)
        values.append(bowl(point))
        search.tell(key, values[-1])
    first = FIRST.get(name, 8)
    assert min(values[first:]) < min(values[:first])


@pytest.mark.parametrize("name", LIBRARIES)
def test_points_that_run_together_differ(name: str) -> None:
    search = searcher(name)
    running = [search.ask() for _ in range(6)]
    # Values come in another order than the points went out, with others always running.
    for step in range(12 if name == "ax" else 24):
        assert len({tuple(point) for _, point in running}) == 6
        assert len({key for key, _ in running}) == 6
        key, point = running.pop(step % 3)
        search.tell(key, bowl(point))
        running.append(search.ask())


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_earlier_launches_gave_is_learned(name: str) -> None:
    """After the same points with the bowl at two places, the next points follow the bowl."""

    def mean_after(at: float) -> float:
        search = searcher(name)
        draw = random.Random(5)
        history = [[draw.random(), draw.random()] for _ in range(24)]
        keys = [search.take(point) for point in history]
        for key, point in zip(keys, history, strict=True):
            search.tell(key, bowl(point, at))
        total = 0.0
        for _ in range(10):
            key, point = search.ask()
            search.tell(key, bowl(point, at))
            total += sum(point) / 2
        return total / 10

    assert mean_after(0.1) < mean_after(0.9) - 0.1


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_point_without_value_does_no_harm(name: str) -> None:
    search = searcher(name)
    values = []
    for step in range(ASKS.get(name, 40)):
        key, point = search.ask()
        if step % 9 in (1, 3, 4, 6):
            search.tell(key, None)
        else:
            values.append(bowl(point))
            search.tell(key, values[-1])
        assert all(0 < x < 1 for x in point)
    first = FIRST.get(name, 8)
    assert min(values[first:]) < min(values[:first])


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_same_seed_and_history_give_the_same_points(name: str) -> None:
    def points(seed: int) -> list[list[float]]:
        search = searcher(name, dimensions=3, seed=seed)
        search.tell(search.take([0.2, 0.4, 0.6]), 0.5)
        found = []
        for _ in range(9 if name == "ax" else 25):
            random.random()  # what else draws in this process must not matter
            key, point = search.ask()
            search.tell(key, bowl(point))
            found.append(point)
        return found

    first = points(7)
    assert points(7) == first
    assert points(8) != first


@pytest.mark.parametrize("name", LIBRARIES)
def test_points_taken_in_between_do_no_harm(name: str) -> None:
    search = searcher(name, dimensions=1)
    for _ in range(4):
        key, point = search.ask()
        search.tell(key, bowl(point))
        taken = search.take([0.31])
        search.ask()
        search.tell(taken, bowl([0.31]))
