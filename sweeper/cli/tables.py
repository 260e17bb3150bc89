"""Rows as a table: for the width of a terminal, or for Markdown and LaTeX."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sweeper.results import flat_row
from sweeper.sweepfile import is_number
from sweeper.wording import printable

from .messages import is_terminal

LOOK_AHEAD = 200  # rows that decide how wide a table's columns are
PARAM_COLUMNS = 6  # parameters that vary, shown in a table that is not fitted to a width
NARROWEST = 13  # what is left of a path: exp-12345678…

EMPTY = "-"

Row = Mapping[str, Any]

_COLOURS = {
    "finished": "32",
    "stopped": "32",
    "pruned": "32",
    "running": "36",
    "interrupted": "33",
    **dict.fromkeys(("failed", "out-of-memory", "timed-out", "unreadable"), "31"),
}
_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
}
_MARKDOWN = {sign: f"\\{sign}" for sign in r"\`*_[]|"} | {"<": "&lt;", "&": "&amp;"}


@dataclass(frozen=True)
class Column:
    """A column: its title, and what a row says in it, a parameter as ``params.<name>``.

    ``optional``: left out where the table would be too wide, the last one first; ``path``: cut
    before that.
    """

    title: str
    get: Callable[[Row], Any]
    optional: bool = False
    path: bool = False


@dataclass(frozen=True)
class Screen:
    """Where a table goes: ``width`` in cells, None for a file or a pipe; ``height`` if it has one;
    with colours or not.
    """

    width: int | None = None
    height: int = 0
    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """That of a terminal, else of a pipe. https://no-color.org says when there is no colour."""
        if not stream.isatty():
            return cls()
        size = shutil.get_terminal_size()
        lines = size.lines if is_terminal(stream) else 0  # a pager would wait for ever
        return cls(size.columns, lines, not os.environ.get("NO_COLOR"))


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


def _cells(rows: Iterable[Row], columns: Sequence[Column]) -> Iterator[list[Any]]:
    """What each row says in the columns."""
    for row in map(flat_row, rows):
        yield [column.get(row) for column in columns]


def fit(rows: Iterable[Row], columns: Sequence[Column], to: Screen) -> tuple[Iterator[str], int]:
    """Aligned text, and how many optional columns it has no room for.

    The first rows decide the widths, the rest is made as it comes.
    """
    lines = _cells(rows, columns)
    first = list(itertools.islice(lines, LOOK_AHEAD))
    if not first:
        return iter(()), 0
    heads = [column.title and show(column.title) for column in columns]
    texts = [[show(cell) for cell in cells] for cells in first]
    widths = [max(map(cells_of, column)) for column in zip(heads, *texts, strict=True)]
    right = [all(map(_is_number, cells)) for cells in zip(*first, strict=True)]
    shown = list(range(len(columns)))
    optional = [place for place in shown if columns[place].optional]
    paths = [place for place in shown if columns[place].path and widths[place] > NARROWEST]
    spare = sum(widths[place] - NARROWEST for place in paths)
    for place in reversed(optional if to.width is not None else optional[PARAM_COLUMNS:]):
        if to.width is None or _total(widths, shown) - spare > to.width:
            shown.remove(place)
    if to.width is not None:
        for place in paths:
            over = max(0, _total(widths, shown) - to.width)
            widths[place] = max(NARROWEST, widths[place] - over)

    def line(texts: Sequence[str], colour: bool) -> str:
        parts = []
        for place in shown:
            text, width = texts[place], widths[place]
            if columns[place].path and cells_of(text) > width:
                text = text[: width - 1] + "…"
            padding = " " * (width - cells_of(text))
            if colour and columns[place].title == "status":
                text = f"\x1b[{_COLOURS.get(text, '0')}m{text}\x1b[0m"
            parts.append(padding + text if right[place] else text + padding)
        return "  ".join(parts).rstrip() + "\n"

    body = itertools.chain(texts, ([show(cell) for cell in cells] for cells in lines))
    made = itertools.chain([line(heads, False)], (line(texts, to.colour) for texts in body))
    return made, len(optional) - sum(columns[place].optional for place in shown)


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] for place in shown) + 2 * (len(shown) - 1)


def cells_of(text: str) -> int:
    """How many cells of a terminal ``text`` takes, by Unicode's annex 11; marks that join none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _is_number(value: Any) -> bool:
    return value is None or is_number(value)


def sparkline(values: Sequence[float], most: int = 16) -> str:
    """Numbers as blocks of eight heights, evenly thinned to ``most``."""
    if not values:
        return ""
    step = max(1.0, len(values) / most)
    numbers = [values[round((n + 1) * step) - 1] for n in range(round(len(values) / step))]
    low, high = min(numbers), max(numbers)
    return "".join("▁▂▃▄▅▆▇█"[int(7.999 * (x - low) / (high - low or 1))] for x in numbers)


def page(texts: Iterator[str], screen: Screen) -> None:
    """Write ``texts``; of more than a terminal shows at once by the user's pager, as git does."""
    first = list(itertools.islice(texts, screen.height))
    if len(first) < screen.height or not first:
        sys.stdout.writelines(itertools.chain(first, texts))
        return
    import click

    os.environ.setdefault("LESS", "FRX")
    click.echo_via_pager(itertools.chain(first, texts), color=screen.colour)
    for _ in texts:  # what is counted as rows are made is counted
        pass


def markdown(rows: Iterable[Row], columns: Sequence[Column]) -> Iterator[str]:
    """A table as GitHub's Markdown has it, numbers to the right."""
    right, (heads, *lines) = _marked(rows, columns, _MARKDOWN)
    rules = ["--:" if number else ":--" for number in right]
    for cells in (heads, rules, *lines):
        yield f"| {' | '.join(cells)} |\n"


def latex(rows: Iterable[Row], columns: Sequence[Column]) -> Iterator[str]:
    """A ``tabular`` with the rules of the package booktabs, numbers to the right."""
    right, (heads, *lines) = _marked(rows, columns, _LATEX)
    sides = "".join("r" if number else "l" for number in right)
    yield f"\\begin{{tabular}}{{{sides}}}\n\\toprule\n{' & '.join(heads)} \\\\\n\\midrule\n"
    for cells in lines:
        yield f"{' & '.join(cells)} \\\\\n"
    yield "\\bottomrule\n\\end{tabular}\n"


def _marked(
    rows: Iterable[Row], columns: Sequence[Column], signs: Mapping[str, str]
) -> tuple[list[bool], list[list[str]]]:
    """Which columns hold numbers; the titles and then the rows as text, ``signs`` escaped."""
    lines = list(_cells(rows, columns))
    escaped = str.maketrans(dict(signs))
    right = [all(map(_is_number, cells)) for cells in zip(*lines, strict=True)]
    texts = [[column.title for column in columns], *lines]
    marked = [["" if c == "" else show(c).translate(escaped) for c in t] for t in texts]
    return right or [False] * len(columns), marked
