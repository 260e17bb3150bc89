"""Printing rows as they come: a table for people; JSON, CSV and YAML for programs.

Only what a person reads is rounded; JSON, CSV and YAML give numbers in full.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sweeper.results import ParameterNames, csv_lines, flat_row, plain_json, short_names
from sweeper.wording import clock

from . import tables
from .tables import EMPTY, Column, Row, show

_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def column(key: str, title: str | None = None, optional: bool = False) -> Column:
    return Column(title or key, lambda row: row.get(key), optional)


def param_columns(names: ParameterNames, optional: bool = True) -> list[Column]:
    """Table columns for the parameters that vary; ``optional``: as far as there is room."""
    short = short_names(names.all)
    return [column(f"params.{name}", short[name], optional) for name in names.varying]


def _directory(row: Row) -> str | None:
    debug = "debug" if row["params"].get("debug") is True else None
    names = [name for name in (debug, row["experiment"], row["run"]) if name]
    return "/".join(names) or None


DIRECTORY = Column("directory", _directory, path=True)


def show_mean(value: float | None, std: float | None) -> str:
    """``0.971 ± 0.0032``; without ``std`` the value alone."""
    return show(value) if std is None else f"{show(value)} ± {std:.2g}"


def show_seconds(seconds: float | None) -> str:
    """A duration as :func:`clock` shows it, if there was any."""
    return clock(seconds) if seconds else EMPTY


def print_rows(
    format_: str,
    rows: Iterable[Row],
    head: Row,
    columns: Sequence[Column],
    fields: Sequence[str],
    more: Sequence[str] = (),
    *,
    key: str = "trials",
    tail: Row | None = None,
) -> int:
    """Print ``rows`` as they come, in one format: table, json, csv, yaml, md or latex.

    Returns how many optional columns the table had no room for.

    ``head``: what JSON and YAML say before the rows, which stand under ``key``; ``tail``: what they
    say after them, which may be filled as the rows are made. ``columns``: of a table. ``fields``:
    the row's own columns of a CSV file, before ``more``, such as ``params.<name>``.
    """
    tail = {} if tail is None else tail
    if format_ == "json":
        texts = _as_json(rows, head, key, tail)
    elif format_ == "yaml":
        texts = _as_yaml(rows, head, key, tail)
    elif format_ == "csv":
        texts = csv_lines([*fields, *more], map(flat_row, rows))
    elif format_ in ("md", "latex"):
        make = tables.markdown if format_ == "md" else tables.latex
        texts = make(rows, columns)
    else:
        screen = tables.Screen.of(sys.stdout)
        texts, left_out = tables.fit(rows, columns, screen)
        tables.page(texts, screen)
        return left_out
    sys.stdout.writelines(texts)
    return 0


def _as_json(rows: Iterable[Row], head: Row, key: str, tail: Row) -> Iterator[str]:
    """One object; each row on a line of its own. Numbers that are not finite become null."""
    yield "{" + "".join(f"{json.dumps(k)}: {json_text(v)}, " for k, v in head.items())
    yield f"{json.dumps(key)}: ["
    before, after = "", ""
    for row in rows:
        yield f"{before}\n  {json_text(row)}"
        before, after = ",", "\n"
    yield f"{after}]" + "".join(f", {json.dumps(k)}: {json_text(v)}" for k, v in tail.items())
    yield "}\n"


def _as_yaml(rows: Iterable[Row], head: Row, key: str, tail: Row) -> Iterator[str]:
    """One mapping; the rows are a list under ``key``."""
    if head:
        yield _yaml(head)
    title = f"{key}:\n"
    for row in rows:
        yield title + _yaml([row])
        title = ""
    if title:
        yield f"{key}: []\n"
    if tail:
        yield _yaml(tail)


def json_text(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON: what a terminal would obey is escaped, which JSON reads back the same."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except (TypeError, ValueError):  # a number that is not finite, a mapping that is no dict
        text = json.dumps(plain_json(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return text if text.isascii() and "\x7f" not in text else _OBEYED.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _yaml(value: Any) -> str:
    import yaml

    # Lists for tuples, and nothing shared, which YAML would write as an alias.
    plain = json.loads(json.dumps(value, default=dict))

    def dump(allow_unicode: bool) -> str:
        return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=allow_unicode))

    text = dump(True)
    return dump(False) if _OBEYED.search(text) else text
