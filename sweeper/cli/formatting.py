"""Printing rows as they come: a table for people; JSON, CSV and YAML for programs.

Only what a person reads is rounded; JSON, CSV and YAML give numbers in full.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sweeper.results import ParameterNames, csv_line, flatten, plain_json, short_names
from sweeper.wording import printable

LOOK_AHEAD = 200  # rows that decide how wide a table's columns are
PARAM_COLUMNS = 6  # parameters that vary, shown in a table
EMPTY = "-"
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its title, and what a row says in it, a parameter as ``params.<name>``."""

    title: str
    get: Callable[[Row], Any]


def column(key: str, title: str | None = None) -> Column:
    """The column that shows the row's ``key``."""
    return Column(title or key, lambda row: row.get(key))


def param_columns(names: ParameterNames, most: int | None = PARAM_COLUMNS) -> list[Column]:
    """Table columns for the parameters that vary, the first ``most`` of them."""
    short = short_names(names.all)
    return [column(f"params.{name}", short[name]) for name in names.varying[:most]]


def _directory(row: Row) -> str | None:
    debug = "debug" if row["params"].get("debug") is True else None
    names = [name for name in (debug, row["experiment"], row["run"]) if name]
    return "/".join(names) or None


DIRECTORY = Column("directory", _directory)


def show(value: Any) -> str:
    """A value as a person reads it, on one line."""
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is str:
        return printable(" ".join(value.split())) or '""'
    if value is None:
        return EMPTY
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (bool, list, tuple, Mapping)):
        return printable(json.dumps(value))
    return printable(" ".join(str(value).split())) or '""'


def show_mean(value: float | None, std: float | None) -> str:
    """``0.971 ± 0.0032``; without ``std`` the value alone."""
    return show(value) if std is None else f"{show(value)} ± {std:.2g}"


def show_seconds(seconds: float | None) -> str:
    """A duration as :func:`clock` shows it, if there was any."""
    return clock(seconds) if seconds else EMPTY


def clock(seconds: float) -> str:
    """``75`` seconds as ``1:15``, ``4000`` as ``1:06:40``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def show_bytes(count: float) -> str:
    """``1500000`` bytes as ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


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
    stream: TextIO | None = None,
) -> None:
    """Print ``rows`` as they come, in one format: table, json, csv or yaml.

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
        titles = [*fields, *more]
        texts = map(csv_line, _cells(rows, titles, [column(title) for title in titles]))
    else:
        texts = _as_table(_cells(rows, [c.title for c in columns], columns))
    for text in texts:
        (stream or sys.stdout).write(text)


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


def _cells(
    rows: Iterable[Row], titles: Sequence[str], columns: Sequence[Column]
) -> Iterator[list[Any]]:
    """The titles, then what each row says in the columns."""
    yield list(titles)
    for row in rows:
        groups = {name: row.get(name) or {} for name in ("params", "metrics")}
        flat = {**row, **flatten(groups)}
        yield [column.get(flat) for column in columns]


def _as_table(lines: Iterator[list[Any]]) -> Iterator[str]:
    """Aligned text; the first rows decide the widths, the rest is printed as it comes."""
    titles = next(lines)
    first = list(itertools.islice(lines, LOOK_AHEAD))
    texts = [[show(cell) for cell in cells] for cells in (titles, *first)]
    widths = [max(map(len, cells)) for cells in zip(*texts, strict=True)]
    signs = ["" if all(map(_is_number, cells)) else "-" for cells in zip(*first, strict=True)]
    if not first:
        return
    form = "  ".join(f"%{sign}{width}s" for sign, width in zip(signs, widths, strict=True))
    for cells in texts:
        yield (form % tuple(cells)).rstrip() + "\n"
    for line in lines:
        yield (form % tuple(map(show, line))).rstrip() + "\n"


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


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

    def dump(allow_unicode: bool) -> str:
        return str(yaml.safe_dump(_copied(value), sort_keys=False, allow_unicode=allow_unicode))

    text = dump(True)
    return dump(False) if _OBEYED.search(text) else text


def _copied(value: Any) -> Any:
    """``value`` with lists for tuples and nothing shared, which YAML would write as an alias."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(item) for item in value]
    return value
