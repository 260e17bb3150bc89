"""Every searcher that comes through Ray Tune keeps the contract of adaptive sweeps.

A library that is not installed is skipped: what it raises then is tested instead.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import random
from typing import Any

import pytest

from sweeper.errors import UsageError
from sweeper.search.ray_libraries import LIBRARIES, UNUSABLE
from sweeper.search.ray_searcher import RaySearcher

ASKS = {"ax": 14}  # seconds per point of its model; the others: 40
FIRST = {"ax": 5}  # what it tries before its model, which is at the bowl's bottom soon; others: 8


def searcher(name: str, dimensions: int = 2, seed: int = 1) -> RaySearcher:
    try:
        return RaySearcher(name, dimensions, seed)
    except UsageError as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise


def bowl(point: list[float], at: float = 0.3) -> float:
    return sum((x - at) ** 2 for x in point)


@pytest.fixture(autouse=True)
def _no_failure_is_hidden(caplog: pytest.LogCaptureFixture) -> Any:
    """A library that fails gives random points and a warning: here that must not happen."""
    yield
    records = caplog.get_records("call")
    assert [r.getMessage() for r in records if r.name == "sweeper.search"] == []


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_is_named_with_its_remedy(name: str) -> None:
    if importlib.util.find_spec(LIBRARIES[name].module):
        pytest.skip("installed")
    with pytest.raises(UsageError) as caught:
        RaySearcher(name, 2, 1)
    text = str(caught.value)
    assert f"method: {name}" in text
    assert f"pip install 'sweeper[{name}]'" in text


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_method_that_no_launch_can_have_says_why_and_what_is_nearest(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^method: {name}: .+\. Use `method: \w+`.* instead\.$"):
        RaySearcher(name, 2, 1)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"expected one of hyperopt, ax, .*bayesopt, found 'hyperopd'"
    ):
        RaySearcher("hyperopd", 2, 1)


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
        bad = {1: None, 3: math.nan, 4: math.inf, 6: None}.get(step % 9, 0.0)
        if bad == 0.0:
            values.append(bowl(point))
            search.tell(key, values[-1])
        else:
            search.tell(key, bad)
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


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_that_fails_gives_a_warning_and_a_random_point(
    name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = searcher(name)
    for _ in range(12):
        key, point = search.ask()
        search.tell(key, bowl(point))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug of the library")

    monkeypatch.setattr(type(search._search), "suggest", fail)
    found = [search.ask() for _ in range(3)]
    assert len({tuple(point) for _, point in found}) == 3
    assert all(0 < x < 1 for _, point in found for x in point)
    search.tell(found[0][0], 0.1)
    warned = [r for r in caplog.records if r.name == "sweeper.search"]
    assert [r.levelno for r in warned] == [logging.WARNING]
    assert "ZeroDivisionError: a bug of the library" in warned[0].getMessage()
    assert name in warned[0].getMessage()
    caplog.clear()
