from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import pytest
import yaml

from sweeper.cli import formatting
from sweeper.cli.formatting import column, show_seconds
from sweeper.cli.tables import LOOK_AHEAD, Column, show

ROWS: list[dict[str, Any]] = [
    {"trial": 0, "value": 0.1234567891, "params": {"model": {"kernel": (3, 3)}, "name": "a b"}},
    {"trial": 10, "value": None, "params": {"model": {"kernel": [5, 5]}, "name": ""}},
]
COLUMNS = [column("trial"), column("value", "loss"), column("params.model.kernel", "kernel")]


def render(format_: str, rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    head = {"sweep": "s", "size": None}
    fields, params = ("trial", "value"), ("params.model.kernel", "params.name")
    with contextlib.redirect_stdout(stream):
        formatting.print_rows(format_, rows, head, COLUMNS, fields, params)
    return stream.getvalue()


def test_a_table_is_aligned_and_rounded() -> None:
    assert render("table", ROWS) == (
        "trial      loss  kernel\n"
        "    0  0.123457  [3, 3]\n"
        "   10         -  [5, 5]\n"
    )  # fmt: skip


def test_json_is_exact_and_streams_a_row_a_line() -> None:
    text = render("json", ROWS)
    assert json.loads(text) == {"sweep": "s", "size": None, "trials": json.loads(json.dumps(ROWS))}
    assert text.count("\n") == 4
    assert json.loads(render("json", [])) == {"sweep": "s", "size": None, "trials": []}


def test_json_has_null_where_it_cannot_say_a_number() -> None:
    rows = [{"trial": 0, "value": nan}, {"trial": 1, "value": -inf}]
    assert [row["value"] for row in json.loads(render("json", rows))["trials"]] == [None, None]


def test_csv_is_exact_with_structures_as_json() -> None:
    rows = list(csv.reader(io.StringIO(render("csv", ROWS))))
    assert rows == [
        ["trial", "value", "params.model.kernel", "params.name"],
        ["0", "0.1234567891", "[3, 3]", "a b"],
        ["10", "", "[5, 5]", ""],
    ]


def test_yaml_reads_back_without_aliases() -> None:
    shared = {"model": {"kernel": [3, 3]}}
    text = render("yaml", [{"trial": 0, "params": shared}, {"trial": 1, "params": shared}])
    assert "&" not in text
    assert yaml.safe_load(text)["trials"][1] == {"trial": 1, "params": shared}
    assert yaml.safe_load(render("yaml", [])) == {"sweep": "s", "size": None, "trials": []}


@pytest.mark.parametrize("count", [LOOK_AHEAD - 1, LOOK_AHEAD, LOOK_AHEAD + 5])
def test_a_long_table_is_printed_as_it_comes(count: int) -> None:
    stream = io.StringIO()
    columns = [Column("n", lambda row: row["n"])]

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"n": number}
            assert number < LOOK_AHEAD or stream.getvalue()

    with contextlib.redirect_stdout(stream):
        formatting.print_rows("table", rows(), {}, columns, ())
    assert len(stream.getvalue().splitlines()) == count + 1


def test_values_as_people_read_them() -> None:
    values = [None, True, 1e-05, 3, "two\nlines", "", {"a": 1}]
    assert [show(value) for value in values] == [
        "-", "true", "1e-05", "3", "two lines", '""', '{"a": 1}',
    ]  # fmt: skip
    assert [show_seconds(value) for value in (None, 0.2, 75, 4000.4)] == [
        "-", "0:00", "1:15", "1:06:40",
    ]  # fmt: skip
