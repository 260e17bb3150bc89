"""The time left that a launch shows: it runs down, whatever the trials do."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import pytest

from sweeper.cli import time_left
from sweeper.cli.progress import LaunchProgress
from sweeper.sweepfile import Metric


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time."""
    now = [0.0]
    monkeypatch.setattr(time_left.time, "monotonic", lambda: now[0])

    def set_time(seconds: float) -> None:
        now[0] = seconds

    return set_time


def shown(
    clock: Callable[[float], None],
    seconds: Sequence[float],
    at_once: int,
    *,
    step: float = 0.5,
    resumed: int = 0,
    wall: float | None = None,
) -> tuple[list[tuple[float, float]], float]:
    """When and what is shown while trials take so many seconds, and when the last one ends."""
    display = LaunchProgress(Metric("loss"))
    display.deadline(wall, wall)
    display.started(len(seconds))
    running: list[tuple[float, int]] = []
    todo = list(enumerate(seconds))[::-1]
    found, now = [], 0.0
    while todo or running:
        while todo and len(running) < at_once:
            trial, takes = todo.pop()
            heapq.heappush(running, (now + takes, trial))
            display.trial_started(trial)
        while running and now + step < running[0][0]:
            now += step
            clock(now)
            left = display.seconds_left()
            if left is not None:
                found.append((now, left))
        now, trial = heapq.heappop(running)
        clock(now)
        display.trial_ended(trial, "finished", {"resumed_epoch": 3 * (trial < resumed)}, None)
    return found, now


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("trials", [1, 5, 16, 33])
def test_of_trials_that_take_equally_long_it_is_right(
    clock: Callable[[float], None], trials: int, at_once: int
) -> None:
    found, end = shown(clock, [10.0] * trials, at_once)
    assert [left for _, left in found] == pytest.approx([end - now for now, _ in found])


def test_nothing_is_shown_before_a_trial_has_ended(clock: Callable[[float], None]) -> None:
    found, _ = shown(clock, [10.0] * 4, 2)
    assert found[0][0] > 10


def test_it_does_not_grow_while_a_trial_takes_longer_than_others(
    clock: Callable[[float], None],
) -> None:
    found, _ = shown(clock, [10.0, 10.0, 40.0], 1)
    left = [left for _, left in found]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0.0


def test_a_trial_that_was_not_stopped_early_takes_as_long_as_those_were_not(
    clock: Callable[[float], None],
) -> None:
    found, _ = shown(clock, [2.0, 30.0, 2.0, 30.0, 30.0], 1)
    at = dict(found)
    assert at[69.0] == pytest.approx(25.0)  # the last one runs for 5 s


def test_a_resumed_trial_says_nothing_of_whole_ones(clock: Callable[[float], None]) -> None:
    found, end = shown(clock, [1.0, 1.0, *[10.0] * 4], 1, resumed=2)
    assert [left for now, left in found if now > 12] == pytest.approx(
        [end - now for now, _ in found if now > 12]
    )


def test_a_trial_whose_worker_died_waits_again(clock: Callable[[float], None]) -> None:
    display = LaunchProgress(Metric("loss"))
    display.started(3)
    display.trial_started(0)
    display.trial_started(1)
    clock(10)
    display.trial_ended(0, "finished", {}, None)
    clock(19)
    display.trial_lost(1)
    assert display.running == {}
    display.trial_started(2)
    display.trial_started(1)
    assert display.seconds_left() == pytest.approx(10)


def test_before_the_first_has_ended_it_is_told_from_epochs(
    clock: Callable[[float], None],
) -> None:
    display = LaunchProgress(Metric("loss"))
    display.started(4)
    for trial in range(2):
        display.trial_started(trial)
    clock(10)
    display.trial_reported(0, 2, 1.0, "")
    assert display.seconds_left() is None
    display.running[0].epochs, display.running[0].pace = 4, 5.0
    for now in (10, 12, 15):
        clock(now)
        assert display.seconds_left() == pytest.approx(20 - now + 20)  # the other two after these
    display.trial_ended(0, "finished", {}, 1.0)
    assert display.seconds_left() == pytest.approx(15)  # it took 15 s


def test_the_budget_of_time_ends_it(clock: Callable[[float], None]) -> None:
    found, _ = shown(clock, [10.0] * 9, 1, wall=25.0)
    assert [left for now, left in found if now < 25] == pytest.approx(
        [25 - now for now, _ in found if now < 25]
    )


def test_many_trials_are_reckoned_in_rounds(clock: Callable[[float], None]) -> None:
    display = LaunchProgress(Metric("loss"))
    display.started(1_000_001)
    display.trial_started(0)
    clock(2)
    display.trial_ended(0, "finished", {}, None)
    assert display.seconds_left() == pytest.approx(2_000_000)
