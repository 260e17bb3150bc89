"""Which repeats a race leaves out: the same whatever ends first and whoever was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
import yaml

from sweeper.search import Race
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import PlannedTrial

GOOD = (0.0, 0.05, 1.0, 2.0, 3.0, 2.0)


class Run(NamedTuple):
    """What a race asks of a run."""

    trial: int
    status: str


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Sweep]:
    def sweep(**keys: Any) -> Sweep:
        file = tmp_path / "s.yaml"
        document = {
            "program": "s.py", "method": "grid", "metric": {"name": "loss"},
            "parameters": {"place": {"values": list(range(len(GOOD)))}},
            "repeats": {"runs": 5, "race": True}, **keys,
        }  # fmt: skip
        file.write_text(yaml.safe_dump(document))
        return load_sweep(file)

    return sweep


def value_of(trial: int, sign: float = 1.0) -> float:
    place, replicate = divmod(trial, 5)
    return sign * (GOOD[place] + Random(replicate).gauss(0, 1) + Random(trial).gauss(0, 0.02))


def run(
    sweep: Sweep,
    seed: int,
    most: int = 1000,
    done: dict[int, str] | None = None,
    sign: float = 1,
    blank: int | None = None,
) -> dict[int, str]:
    """Run what the race hands out, four at a time; how each trial has ended after ``most``."""
    ended = dict(done or {})
    random = Random(seed)

    def plan() -> Any:
        for trial in sweep.trials():
            status = ended.get(trial.index)
            run: Any = Run(trial.index, status) if status else None
            yield PlannedTrial(trial, "exp", run, "reused" if status else "new")

    def score(run: Any) -> list[float] | None:
        if run.status != "finished" or run.trial // 5 == blank:
            return None
        return [value_of(run.trial, sign)]

    def drop(item: PlannedTrial, why: str) -> None:
        assert "surely worse than trial" in why or done or item.trial.index // 5 == blank
        ended[item.trial.index] = "pruned"

    race = Race(sweep, plan(), [], score, drop)
    running: list[int] = []
    exhausted = False
    while (running or not exhausted) and len(ended) < most:
        while len(running) < 4 and not exhausted:
            try:
                item = next(race)
            except StopIteration:
                exhausted = True
                break
            if item is None:
                assert running
                break
            if item.state == "new":
                running.append(item.trial.index)
        if running:
            trial = running.pop(random.randrange(len(running)))
            ended[trial] = "finished"
            ran: Any = Run(trial, "finished")
            race.ended(trial, score(ran), ran)
    return ended


def test_losers_are_dropped_and_the_others_run_whole(sweep: Callable[..., Sweep]) -> None:
    ended = run(sweep(), 0)
    assert sorted(ended) == list(range(5 * len(GOOD)))
    trained = [sum(ended[5 * place + r] == "finished" for r in range(5)) for place in range(6)]
    assert trained[:2] == [5, 5]
    assert all(2 <= count < 5 for count in trained[2:])


def test_what_is_dropped_depends_on_no_order_and_no_kill(sweep: Callable[..., Sweep]) -> None:
    first = run(sweep(), 0)
    assert all(run(sweep(), seed) == first for seed in range(1, 10))
    for most in range(1, 30, 3):
        assert run(sweep(), most, done=run(sweep(), 5, most)) == first


def test_more_may_be_better(sweep: Callable[..., Sweep]) -> None:
    largest = sweep(metric={"name": "loss", "goal": "maximize"})
    assert run(largest, 0, sign=-1) == run(sweep(), 0)


@pytest.mark.parametrize("most", [1000, 7])
def test_who_never_gives_a_number_is_dropped(sweep: Callable[..., Sweep], most: int) -> None:
    ended = run(sweep(), 1, done=run(sweep(), 0, most, blank=1), blank=1)
    assert [ended[trial] for trial in range(5, 10)] == ["finished"] * 2 + ["pruned"] * 3
    assert [ended[trial] for trial in range(5)] == ["finished"] * 5


def test_values_near_the_largest_float_are_compared(sweep: Callable[..., Sweep]) -> None:
    ended = run(sweep(), 0, sign=2e307)
    assert sorted(ended) == list(range(30))
    assert [ended[trial] for trial in range(5)] == ["finished"] * 5


def test_replicates_share_their_seeds_in_a_race_alone(sweep: Callable[..., Sweep]) -> None:
    seeds = [trial.seed for trial in sweep().trials()]
    assert seeds[:5] == seeds[5:10]
    assert len({trial.seed for trial in sweep(repeats=5).trials()}) == 30
