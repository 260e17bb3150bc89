"""YAML 1.2 values, kept places, and the oddities of real files."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.sweepfile.yaml12.read import parse, reads_as_text
from sweeper.sweepfile.yaml12.write import to_yaml


def data(text: str) -> Any:
    document = parse(text, "f.yaml")
    assert not document.problems, document.problems
    return document.data


def problem(text: str) -> tuple[int, int, str]:
    document = parse(text, "f.yaml")
    assert document.problems
    first = document.problems[0]
    return first.line, first.column, first.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-1e3", -1000.0),
        ("1.e-5", 1e-5),
        (".5", 0.5),
        ("1E5", 1e5),
        ("12:30:00", "12:30:00"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000_000", 1_000_000),
        ("2_5.5", 25.5),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("None", "None"),
        ("2026-11-24", "2026-11-24"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("-", [None]),
        ("'1e-4'", "1e-4"),
        ("!!float 1e-5", 1e-5),
        ("!!float 3", 3.0),
        ("!!str 12", "12"),
        ("!!int '7'", 7),
        ("=", "="),
        ("exp-1", "exp-1"),
        ("1__0", "1__0"),
        ("_1", "_1"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = data(f"- {text}\n")[0]
    assert found == value
    assert type(found) is type(value)


def test_floats_keep_their_type() -> None:
    assert [type(v) for v in data("[1, 1.0, 1e0, 3e6]")] == [int, float, float, float]


def test_windows_line_ends_marks_and_a_document_start() -> None:
    assert data("\ufeff---\r\na: 1\r\nb:\r\n  - ü\r\n  - 日本\r\n") == {"a": 1, "b": ["ü", "日本"]}


def test_anchors_aliases_and_merge_keys() -> None:
    text = """
base: &base {lr: 0.1, wd: &wd 1e-5}
more: &more {lr: 0.3, mo: 0.9}
one: {<<: *base, lr: 0.2}
two: {<<: [*base, *more], wd2: *wd}
"""
    found = data(text)
    assert found["one"] == {"lr": 0.2, "wd": 1e-5}
    assert found["two"] == {"lr": 0.1, "wd": 1e-5, "mo": 0.9, "wd2": 1e-5}


def test_a_list_of_400_items() -> None:
    assert data("values: [" + ", ".join(str(i) for i in range(400)) + "]")["values"][-1] == 399


def test_every_value_knows_its_place() -> None:
    document = parse("a: 1\nb:\n  - x\n  -  {c: 2}\n", "f.yaml")
    assert document.places[("a",)] == ((1, 1), (1, 4))
    assert document.place_of(("b", 0)) == ((3, 5), (3, 5))
    assert document.places[("b", 1, "c")] == ((4, 7), (4, 10))


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "`a` stands here and on line 1"),
        ("a:\n\tb: 1\n", (2, 1), "a tab in the indentation"),
        ("a:\n  b: 1\n\tc: 2\n", (3, 1), "a tab in the indentation"),
        ("a: [1, 2\nb: 3\n", (2, 2), "not valid YAML"),
        ("a: b: c\n", (1, 5), "a `:` that cannot stand here"),
        ("a: @x\n", (1, 4), "not valid YAML"),
        ("a: *nowhere\n", (1, 4), "undefined alias"),
        ("a: 1\n---\nb: 2\n", (2, 1), "a second document begins here"),
        ("1: a\n", (1, 1), "expected a name, found 1"),
        ("true: a\n", (1, 1), "expected a name, found true"),
        ("[a]: b\n", (1, 1), "expected a name, found a list or mapping"),
        ("a: .nan\n", (1, 4), "expected a finite number, found .nan"),
        ("a: [.inf, -.INF]\n", (1, 5), "expected a finite number, found .inf"),
        ("a: 1e999\n", (1, 4), "expected a finite number, found 1e999"),
        ("a: !!float x\n", (1, 4), "expected float, found 'x'"),
        ("a: !!python/object/apply:os.system [ls]\n", (1, 4), "is not read here"),
        ("a: !!set {x, y}\n", (1, 4), "the tag !!set is not read here"),
        ("a: !!timestamp 2026-11-24\n", (1, 4), "the tag !!timestamp is not read here"),
        ("a: &x [*x]\n", (1, 4), "an alias that contains itself"),
        ('a: "\\ud800"\n', (1, 4), ""),
        ("a: \x00\n", (1, 4), "the character U+0000 is not allowed"),
        ("ok: 1\n  bad: 2\n", (2, 6), ""),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    text: str, place: tuple[int, int], words: str
) -> None:
    line, column, message = problem(text)
    assert words in message
    assert (line, column) == place


def test_all_problems_of_a_file_are_found() -> None:
    document = parse("a: 1\na: 2\nb: .nan\nc: {d: 1, d: 2}\n", "f.yaml")
    assert [p.line for p in document.problems] == [2, 3, 4]


def test_aliases_cannot_blow_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "multiply beyond reason" in problem("\n".join(lines))[2]


def test_deep_nesting_is_a_complaint_and_no_crash() -> None:
    assert problem("[" * 2_000 + "]" * 2_000)


@pytest.mark.parametrize(
    "text",
    [
        *("1e-4", "010", "no", "on", "y", "12:30:00", "2026-11-24", "", "~", "null", "1_000"),
        *("true", "0x1F", "0o7", "=", "<<", "- a", "a: b", "#x", " lead", "tail ", "a\nb"),
        *("ü\u2028", "0b11"),
    ],
)
def test_text_that_looks_like_a_value_is_written_so_that_it_stays_text(text: str) -> None:
    import yaml

    written = to_yaml({"k": text, "l": [text]})
    assert data(written) == {"k": text, "l": [text]}
    assert yaml.safe_load(written) == {"k": text, "l": [text]}


def test_plain_text_stays_plain() -> None:
    assert reads_as_text("val_loss")
    assert to_yaml({"a": "val_loss", "b": 1e-5, "c": True}) == "a: val_loss\nb: 1.0e-05\nc: true\n"
