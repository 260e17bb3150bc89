"""What a launch makes of a storage that fails for a moment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweeper.errors import LeaseLost, TreeError
from sweeper.raytune.stop_conditions import StopConditions
from sweeper.raytune.tune_callback import LaunchCallback
from sweeper.raytune.tune_searcher import TuneSearcher
from sweeper.sweepfile import Sweep
from sweeper.tree import Lease
from tests.opened import open_run_of


def test_a_lease_that_cannot_be_seen_is_not_lost(tmp_path: Path) -> None:
    home, moved = tmp_path / "home", tmp_path / "moved"
    home.mkdir()
    lease = Lease.acquire(home)
    told: list[Any] = []
    listener = SimpleNamespace(trial_started=lambda *what: told.append(what))
    searcher = SimpleNamespace(started=lambda trial: (7, "params"))
    nothing: Any = None
    callback = LaunchCallback(
        searcher,
        nothing,
        nothing,
        nothing,
        listener,
        nothing,
        nothing,
        None,
        "",
        lease,
        nothing,
        nothing,
        nothing,
    )  # type: ignore[arg-type]
    home.rename(moved)
    home.symlink_to(home)  # what is in it can be neither seen nor missed
    trial = SimpleNamespace(trial_id="one")
    callback.on_trial_start(1, [], trial)
    assert told == [(7, "params")]
    home.unlink()
    with pytest.raises(LeaseLost, match="renamed or removed"):
        callback.on_trial_start(1, [], trial)
    moved.rename(home)
    lease.release()


def test_a_storage_that_fails_between_trials_ends_the_launch_in_words(grid: Sweep) -> None:
    conditions = StopConditions(grid)
    nothing: Any = None

    class Plan:
        elsewhere = False

        def __next__(self) -> Any:
            raise TreeError("claims: cannot make the directory: Input/output error")

    plan: Any = Plan()
    searcher = TuneSearcher(plan, nothing, conditions, SimpleNamespace(slots=1, together=1))
    assert searcher.suggest("one") == TuneSearcher.FINISHED
    assert conditions.fatal is None
    assert conditions.reason == "claims: cannot make the directory: Input/output error"
    assert conditions.early


@pytest.mark.parametrize("own", ["finished", None])
def test_a_trial_that_ended_before_it_was_stopped_is_told_as_it_ended(
    grid: Sweep, own: str | None
) -> None:
    run = open_run_of(grid, next(grid.trials()))
    run.report(**{str(grid.metric and grid.metric.name): 0.5})
    if own is not None:
        run.close(own)
    nothing, told = SimpleNamespace(), list[Any]()
    callback = LaunchCallback(
        searcher=SimpleNamespace(index=lambda _: 0),  # type: ignore[arg-type]
        conditions=StopConditions(grid),
        faults=SimpleNamespace(ended=lambda *_: None),  # type: ignore[arg-type]
        disk=SimpleNamespace(ended=lambda _: None, spent=False),  # type: ignore[arg-type]
        listener=SimpleNamespace(trial_ended=lambda *what: told.append(what[:2])),  # type: ignore[arg-type]
        tree=nothing,  # type: ignore[arg-type]
        score=lambda _: [0.5],
        adaptive=None,
        ray_log="",
        lease=SimpleNamespace(check=lambda: None),  # type: ignore[arg-type]
        claims=SimpleNamespace(release=lambda *_: None),  # type: ignore[arg-type]
        asked=nothing,  # type: ignore[arg-type]
        share=SimpleNamespace(learn=lambda _: None),  # type: ignore[arg-type]
    )
    trial = SimpleNamespace(trial_id="one", last_result={"path": str(run.path), "epoch": 1})
    callback.on_trial_complete(1, [], trial)
    assert told == [(0, own or "stopped")]
