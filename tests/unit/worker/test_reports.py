"""Lines of a report file become rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeper.worker.reports import ScriptReport, ScriptReports


class File:
    """A report file, and who reads it."""

    def __init__(self, path: Path, metric: str | None) -> None:
        self.path = path
        self.complaints: list[str] = []
        self.reports = ScriptReports(path, metric, self.complaints.append)

    def add(self, *lines: Any, end: str = "\n") -> None:
        text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        with open(self.path, "a") as file:
            file.write("\n".join(text) + end)

    def read(self, *, last: bool = False) -> list[ScriptReport]:
        return list(self.reports.read(last=last))

    def rows(self, *lines: Any) -> list[tuple[int | None, dict[str, float]]]:
        self.add(*lines)
        return [(report.epoch, report.metrics) for report in self.read()]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "reports.jsonl", "loss")


def test_a_row_per_metric_with_the_last_value_of_the_others(file: File) -> None:
    assert file.read() == []  # there is no file yet
    assert file.rows({"a": 1}, {"a": 2, "b": 3}) == []
    assert file.rows({"a": 4}, {"loss": 1}, {"a": 5}) == [(None, {"a": 4.0, "b": 3.0, "loss": 1.0})]
    assert file.reports.leftover() == {"a": 5.0}
    assert file.rows({"loss": 2}, {"loss": 3}) == [
        (None, {"a": 5.0, "loss": 2.0}), (None, {"loss": 3.0}),
    ]  # fmt: skip
    assert file.reports.leftover() == {}


def test_without_a_metric_a_row_per_line(tmp_path: Path) -> None:
    file = File(tmp_path / "r", None)
    assert file.rows({"a": 1}, {}, {"b": "text"}, {"a": 2}) == [(None, {"a": 1.0}),
                                                                  (None, {"a": 2.0})]  # fmt: skip


def test_lines_of_one_step_are_one_line(file: File) -> None:
    assert file.rows(
        {"a": 1, "step": 0}, {"loss": 1, "step": 0}, {"b": 1, "step": 0},
        {"loss": 2, "step": 1}, {"loss": 3}, {"loss": 4, "step": 1}, {"loss": 5, "step": 1},
    ) == [
        (None, {"a": 1.0, "loss": 1.0, "b": 1.0}), (None, {"loss": 2.0}), (None, {"loss": 3.0}),
        (None, {"loss": 5.0}),
    ]  # fmt: skip


def test_epochs_are_integers_from_one(file: File) -> None:
    assert file.rows(
        {"epoch": 7, "a": 1}, {"loss": 1}, {"epoch": 9.0, "loss": 2}, {"epoch": None, "loss": 3}
    ) == [(7, {"a": 1.0, "loss": 1.0}), (9, {"loss": 2.0}), (None, {"loss": 3.0})]
    assert file.complaints == []
    odd = [0, -1, 0.5, "3", True, 1e400, float("nan"), [1]]
    assert [e for e, _ in file.rows(*({"epoch": o, "loss": 1} for o in odd))] == [None] * len(odd)
    assert len(file.complaints) == 1
    assert "counted from 1, found 0; the rows are numbered as they come" in file.complaints[0]


def test_what_is_no_number_is_named_once(file: File) -> None:
    rows = file.rows(
        {"loss": True, "name": "x", "none": None, "list": [1], "huge": 10**400, "in": {"x": 1}},
        {"loss": float("inf"), "name": "y"},
    )
    assert rows == [(None, {"loss": 1.0, "in.x": 1.0}), (None, {"loss": float("inf")})]
    assert [c.split(": ")[2] for c in file.complaints] == ["name", "none", "list", "huge"]


def test_malformed_lines_are_named_once(file: File) -> None:
    assert file.rows("{", "", "   ", "[1]", "7", "[" * 100_000, '{"loss": 1}') == [
        (None, {"loss": 1.0})
    ]
    assert len(file.complaints) == 1
    assert file.complaints[0].endswith("expected a JSON object in a line, found '{'")


def test_a_line_is_read_when_it_is_whole(file: File) -> None:
    file.add('{"lo', end="")
    assert file.read() == []
    file.add('ss": 1}', end="")
    assert file.read() == []
    assert [report.metrics for report in file.read(last=True)] == [{"loss": 1.0}]
    assert file.read(last=True) == []


def test_a_file_that_is_written_anew(file: File) -> None:
    file.add({"loss": 1}, {"loss": 2})
    assert len(file.read()) == 2
    file.path.write_text('{"loss": 3}\n')
    assert [report.metrics for report in file.read()] == [{"loss": 3.0}]


def test_what_a_script_recorded_itself(file: File) -> None:
    file.add({"loss": 1, "step": 3}, {"sweeper": "adopt", "pid": 12})
    file.add({"sweeper": "recorded", "epoch": 2, "loss": 0.5}, {"sweeper": "else", "loss": 3})
    assert file.read() == [
        ScriptReport("row", {"loss": 1.0}),
        ScriptReport("adopt", pid=12),
        ScriptReport("recorded", {"loss": 0.5}, 2),
        ScriptReport("row", {"loss": 3.0}),
    ]
