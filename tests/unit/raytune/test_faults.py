"""Faults of the machines are no failures of the user's trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.raytune.faults import MOST_LOST, Faults, in_words
from sweeper.raytune.stop_conditions import StopConditions
from sweeper.sweepfile import Sweep


def unfit(node: str, why: str, sure: bool = True) -> dict[str, Any]:
    return {"node": node, "host": f"host-{node}", "error": why, "sure": sure}


def test_a_node_that_cannot_work_is_left_out_and_named_once(grid: Sweep, tmp_path: Path) -> None:
    faults = Faults(StopConditions(grid), lambda: {"a": 2, "b": 1}, tmp_path)
    said = faults.unfit(unfit("a", "/data: the storage is not here"))
    assert said is not None
    assert said.startswith("host-a: /data: the storage is not here")
    assert faults.unfit(unfit("a", "again")) is None
    assert list(faults.left_out) == ["a"]
    assert len([*tmp_path.glob("a-*")]) == 2  # for whom nobody waits


def test_the_sweep_ends_when_no_node_is_left(grid: Sweep, tmp_path: Path) -> None:
    conditions = StopConditions(grid)
    faults = Faults(conditions, lambda: {"a": 1, "b": 1}, tmp_path)
    faults.unfit(unfit("a", "no storage"))
    assert not conditions.winding_down()
    faults.unfit(unfit("b", "no module"))
    assert conditions.fatal == "no node can run a trial\nhost-a: no storage\nhost-b: no module"


def test_where_trials_have_run_the_request_was_right(grid: Sweep, tmp_path: Path) -> None:
    conditions = StopConditions(grid)
    faults = Faults(conditions, lambda: {"a": 1}, tmp_path)
    faults.unfit({**unfit("a", "Read-only file system"), "path": "/tree/exp-1/run--1"})
    assert conditions.fatal is None
    assert (conditions.reason, conditions.early) == ("Read-only file system", True)
    assert conditions.over


def test_a_node_that_may_recover_is_left_out_after_a_few_times_in_a_row(
    grid: Sweep, tmp_path: Path
) -> None:
    faults = Faults(StopConditions(grid), lambda: {"a": 1, "b": 1}, tmp_path)
    for _ in range(2):
        faults.unfit(unfit("a", "no child starts", sure=False))
    faults.ended("finished", {"node": "a"})
    for _ in range(2):
        faults.unfit(unfit("a", "no child starts", sure=False))
    assert not faults.left_out
    faults.unfit(unfit("a", "no child starts", sure=False))
    assert faults.left_out


def test_lost_trials_in_a_row_end_the_launch_and_no_failure_does(
    grid: Sweep, tmp_path: Path
) -> None:
    conditions = StopConditions(grid)
    faults = Faults(conditions, lambda: {"a": 1}, tmp_path)
    for trial in range(MOST_LOST):
        assert not conditions.winding_down()
        assert [faults.lost(trial, "the worker died") for _ in range(4)] == [
            *[None] * 3,
            "its worker was lost 4 times, the last time: the worker died",
        ]
    assert conditions.early
    assert conditions.reason == "3 trials in a row lost their workers: the worker died"
    assert conditions.failures_in_a_row == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("died.\n\tip: 10.0.0.7\nThe actor died because its node has died.", "the node is gone"),
        ("died.\n\tip: 10.0.0.7\nits worker process has died: SYSTEM_ERROR", "the worker died"),
        ("died.\n\tip: 10.0.0.7\nits worker process has died: Some common causes include: (1) the "
         "process was killed by the OOM killer due to high memory usage", "the worker died"),
        ("died.\n\tip: 10.0.0.7\nTask was killed due to the node running low on memory: memory "
         "usage 0.96", "Ray ended the worker, as the node's memory was nearly full"),
    ],
)  # fmt: skip
def test_why_a_worker_is_gone_is_said_in_few_words(text: str, words: str) -> None:
    assert in_words(text, "Ray's log: x") == f"on 10.0.0.7: {words}; Ray's log: x"
