"""Of several W&B runs in a trial the sweep's own counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.worker.reports import ScriptReports
from tests.unit.worker.test_reports import File


def begun(run: str, pid: int = os.getpid(), **begun: bool) -> dict[str, Any]:
    return {"sweeper": {"wandb": run, "pid": pid, "begun": begun}}


def log(run: str, **metrics: float) -> dict[str, Any]:
    return {**metrics, "sweeper": {"wandb": run, "pid": os.getpid()}}


def end(run: str, **summary: float) -> dict[str, Any]:
    return {**summary, "sweeper": {"wandb": run, "pid": os.getpid(), "ended": True}}


def losses(reports: ScriptReports) -> list[float]:
    """The rows that stay."""
    found: list[float] = []
    for report in reports.read():
        found = [*([] if report.afresh else found), report.metrics["loss"]]
    return found


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "reports.jsonl", "loss")


def test_within_the_open_run_no_other_counts(file: File) -> None:
    file.add(begun("own"), begun("fold"), log("fold", loss=9), log("own", loss=1), end("fold"))
    file.add(begun("fold-2"), log("fold-2", loss=8), log("own", loss=2), end("own", loss=2))
    assert losses(file.reports) == [1, 2]


def test_after_a_run_that_is_over_the_next_one_counts_instead(file: File) -> None:
    file.add(begun("a"), log("a", loss=1, other=7), log("a", x=5), end("a"))
    file.add(begun("b", labelled=True), log("b", loss=2), log("b", loss=3, y=6))
    assert [(r.afresh, r.metrics) for r in file.read()] == [
        (False, {"loss": 1.0, "other": 7.0}),
        (True, {"loss": 2.0}),
        (False, {"loss": 3.0, "y": 6.0}),
    ]
    assert file.reports.leftover() == {}


def test_a_run_that_never_reports_the_metric_leaves_the_rows(file: File) -> None:
    file.add(begun("a"), log("a", loss=1), log("a", x=5), end("a"), begun("b"), log("b", test=2))
    assert losses(file.reports) == [1]
    assert file.reports.leftover() == {"x": 5.0, "test": 2.0}


def test_a_run_begun_for_its_parameters_is_begun_again(file: File) -> None:
    file.add(begun("a"), end("a"), begun("fold", labelled=True), log("fold", loss=9), end("fold"))
    file.add(begun("b"), log("b", loss=1))
    assert losses(file.reports) == [1]


@pytest.mark.parametrize("lacks", ["swept", "first"])
def test_a_run_with_the_parameters_and_of_the_first_rank_goes_before(
    file: File, lacks: str
) -> None:
    file.add(begun("other", **{lacks: False}), log("other", loss=9), begun("own"))
    file.add(log("other", loss=8), log("own", loss=1), end("own"))
    file.add(begun("last", **{lacks: False}), log("last", loss=7))
    assert losses(file.reports) == [1]


def test_the_run_of_a_parent_process_goes_before_its_childs(file: File) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        file.add(begun("child", child.pid), log("child", loss=9), begun("own"))
        file.add(log("child", loss=8), log("own", loss=1))
        assert losses(file.reports) == [1]


def test_the_run_of_a_process_that_is_gone_is_over(file: File) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    file.add(begun("a", child.pid), log("a", loss=9), begun("b"), log("b", loss=1))
    assert losses(file.reports) == [1]


def test_a_run_that_is_resumed_goes_on(file: File) -> None:
    file.add(begun("a"), log("a", loss=2), end("a"), begun("a"), begun("b"), log("b", loss=9))
    file.add(log("a", loss=1))
    assert losses(file.reports) == [2, 1]


def test_where_the_sweeps_run_is_silent_the_others_are_heard(file: File) -> None:
    file.add(begun("own"), begun("child"), log("child", loss=2), log("child", loss=1))
    assert losses(file.reports) == []
    others = file.reports.of_others()
    assert others is not None
    assert losses(others) == [2, 1]
    assert others.of_others() is None


def test_a_run_whose_beginning_nobody_heard(file: File) -> None:
    file.add(log("a", loss=2), log("a", loss=1), log("b", loss=9))
    assert losses(file.reports) == [2, 1]


def test_of_a_summary_what_was_not_logged_last_is_news(file: File) -> None:
    nan = float("nan")
    file.add(log("a", loss=2, x=1, y=nan), end("a", loss=2, x=1, y=nan, best=3))
    assert losses(file.reports) == [2]
    assert file.reports.leftover() == {"best": 3.0}
    file.add(begun("a"), end("a", loss=1))
    assert losses(file.reports) == [1]


def test_without_a_metric_the_rows_of_all_own_runs_stay(tmp_path: Path) -> None:
    file = File(tmp_path / "r", None)
    file.add(begun("a"), log("a", loss=1), end("a"), begun("b", labelled=True), log("b", loss=2))
    assert losses(file.reports) == [1, 2]
