"""Printing rows as they come: a table for people; JSON, CSV and YAML for programs.

Only what a person reads is rounded; JSON, CSV and YAML give numbers in full.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sweeper.results import ParameterNames, csv_line, flatten, plain_json, short_names
from sweeper.wording import printable

LOOK_AHEAD = 200  # rows that decide how wide a table's columns are
PARAM_COLUMNS = 6  # parameters that vary, shown in a table
EMPTY = "-"
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SCALARS = frozenset((int, float, str, bool, type(None)))

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and what a row says in it."""

    title: str
    get: Callable[[Row], Any]


def column(key: str, title: str | None = None) -> Column:
    """The column that shows the row's ``key``."""
    return Column(title or key, lambda row: row.get(key))


def param_column(name: str, title: str) -> Column:
    """The column of the parameter with this dotted ``name``."""
    parts = name.split(".")

    def get(row: Row) -> Any:
        params = value = row.get("params") or {}
        if len(parts) > 1 and name in params:
            return flatten(params).get(name)
        for part in parts:
            if type(value) is not dict or part not in value:  # a name may hold dots
                return flatten(params).get(name)
            value = value[part]
        if type(value) in _SCALARS:
            return value
        return None if value and isinstance(value, Mapping) else value

    return Column(title, get)


def param_columns(names: ParameterNames) -> list[Column]:
    """Table columns for the first parameters that vary."""
    short = short_names(names.all)
    return [param_column(name, short[name]) for name in names.varying[:PARAM_COLUMNS]]


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


class Writer:
    """Prints a head and rows in one format; use it as a context manager.

    ``head``: what JSON and YAML say before the rows, which stand under ``key``; ``tail``: what they
    say after them, if it is set before the end.
    ``columns``: of a table. ``fields``: the row's own columns of a CSV file, before one column
    ``params.<name>`` for each of ``params``.
    """

    def __init__(self, head: Row, key: str = "trials", stream: TextIO | None = None) -> None:
        self.head = head
        self.key = key
        self.stream = stream or sys.stdout
        self.count = 0
        self.tail: Row = {}

    def __enter__(self) -> Writer:
        self.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()

    def begin(self) -> None:
        """Print what comes before the rows."""

    def add(self, row: Row) -> None:
        """Print a row."""
        self.count += 1

    def end(self) -> None:
        """Print what comes after the rows."""


class JsonWriter(Writer):
    """One object; each row on a line of its own. Numbers that are not finite become null."""

    def begin(self) -> None:
        head = "".join(f"{json.dumps(k)}: {json_text(v)}, " for k, v in self.head.items())
        self.stream.write(f"{{{head}{json.dumps(self.key)}: [")

    def add(self, row: Row) -> None:
        self.stream.write(f"{',' if self.count else ''}\n  {json_text(row)}")
        super().add(row)

    def end(self) -> None:
        tail = "".join(f", {json.dumps(k)}: {json_text(v)}" for k, v in self.tail.items())
        self.stream.write(f"\n]{tail}}}\n" if self.count else f"]{tail}}}\n")


class YamlWriter(Writer):
    """One mapping; the rows are a list under ``key``."""

    def begin(self) -> None:
        if self.head:
            self.stream.write(_yaml(dict(self.head)))

    def add(self, row: Row) -> None:
        if not self.count:
            self.stream.write(f"{self.key}:\n")
        self.stream.write(_yaml([dict(row)]))
        super().add(row)

    def end(self) -> None:
        if not self.count:
            self.stream.write(f"{self.key}: []\n")
        if self.tail:
            self.stream.write(_yaml(dict(self.tail)))


class CsvWriter(Writer):
    """A header and one line per row; the head is left out."""

    def __init__(self, fields: Sequence[str], params: Sequence[str], **rest: Any) -> None:
        super().__init__(**rest)
        self.fields, self.params = fields, params

    def begin(self) -> None:
        names = [*self.fields, *(f"params.{name}" for name in self.params)]
        self.stream.write(csv_line(names))

    def add(self, row: Row) -> None:
        params = flatten(row.get("params") or {})
        cells = [row.get(key) for key in self.fields] + [params.get(name) for name in self.params]
        self.stream.write(csv_line(cells))
        super().add(row)


class TableWriter(Writer):
    """Aligned text; the first rows decide the widths, the rest is printed as it comes."""

    def __init__(self, columns: Sequence[Column], **rest: Any) -> None:
        super().__init__(**rest)
        self.columns = columns
        self._waiting: list[list[Any]] | None = []
        self._form = ""

    def add(self, row: Row) -> None:
        cells = [column.get(row) for column in self.columns]
        if self._waiting is None:
            self._line([show(cell) for cell in cells])
        else:
            self._waiting.append(cells)
            if len(self._waiting) >= LOOK_AHEAD:
                self._release()
        super().add(row)

    def end(self) -> None:
        if self._waiting:
            self._release()

    def _release(self) -> None:
        rows, self._waiting = self._waiting or [], None
        titles = [show(column.title) for column in self.columns]
        texts = [[show(cell) for cell in cells] for cells in rows]
        widths = [max(map(len, cells)) for cells in zip(titles, *texts, strict=True)]
        right = [all(map(_is_number, cells)) for cells in zip(*rows, strict=True)]
        signs = ["" if is_right else "-" for is_right in right]
        self._form = "  ".join(f"%{sign}{w}s" for sign, w in zip(signs, widths, strict=True))
        self._line(titles)
        for cells in texts:
            self._line(cells)

    def _line(self, cells: Sequence[str]) -> None:
        self.stream.write((self._form % tuple(cells)).rstrip() + "\n")


def writer(
    format_: str,
    head: Row,
    columns: Sequence[Column],
    fields: Sequence[str],
    params: Sequence[str] = (),
    **rest: Any,
) -> Writer:
    """The writer for ``format_``: table, json, csv or yaml; see :class:`Writer`."""
    if format_ == "json":
        return JsonWriter(head, **rest)
    if format_ == "yaml":
        return YamlWriter(head, **rest)
    if format_ == "csv":
        return CsvWriter(fields, params, head=head, **rest)
    return TableWriter(columns, head=head, **rest)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def json_text(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON: what a terminal would obey is escaped, which JSON reads back the same."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except (TypeError, ValueError):  # a number that is not finite, a mapping that is no dict
        text = json.dumps(plain_json(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return text if text.isascii() and "\x7f" not in text else _OBEYED.sub(_as_json, text)


def _as_json(match: re.Match[str]) -> str:
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
