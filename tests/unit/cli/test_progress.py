"""What the displays of a launch say."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli.launch import _earlier
from sweeper.cli.progress import PlainDisplay
from sweeper.spec import Metric, Sweep


@pytest.mark.parametrize(("earlier", "said"), [(None, True), (1.0, False), (9.0, True)])
def test_a_trial_is_best_so_far_only_if_no_earlier_launch_has_a_better(
    earlier: float | None, said: bool
) -> None:
    stream = io.StringIO()
    board = PlainDisplay(Metric("val_loss", "minimize"), stream)
    board.best = None if earlier is None else (0, earlier)
    board.started(2)
    board.trial_started(1)
    board.trial_reported(1, 1, 2.0, "run")
    board.trial_ended(1, "finished", {})
    assert ("(best so far)" in stream.getvalue()) is said


def test_a_launch_knows_the_best_run_of_earlier_ones(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    assert _earlier(grid) == (None, False)
    for trial, value in zip(grid.trials(), (3.0, 2.0), strict=False):
        run_trial(grid, trial, rows=[{"val_loss": value}])
    assert _earlier(grid) == ((1, 2.0), False)
