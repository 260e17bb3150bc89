"""HTML and SVG as text, escaped by construction: what is no Markup is text of somebody's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from sweeper.sweepfile import is_number
from sweeper.wording import printable, shortened

LONGEST = 500
"""Characters of a value; the rest is in the tree."""

_POINTS = 300  # of a line
_WIDTH, _HEIGHT = 600, 200

Lines = Sequence[tuple[str, Sequence[tuple[float, float]]]]
"""The lines of a chart: each with its name and its points, by x."""


class Markup(str):
    """Text that is HTML already."""


def html(value: Any) -> Markup:
    """Any value as HTML, shortened; Markup as it is."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(printable(shortened(show(value), LONGEST))))


def show(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def together(*parts: Any) -> Markup:
    """The parts as HTML, the one after the other."""
    return Markup("".join(map(html, parts)))


def tag(kind: str, /, *inside: Any, **attributes: Any) -> Markup:
    """An element; ``class_`` is its class, an attribute that is None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{kind}{given}>{together(*inside)}</{kind}>")


def link(address: str, *inside: Any) -> Markup:
    return tag("a", *inside, href=address)


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Markup:
    """A table that scrolls sideways where it is too wide; numbers to the right."""
    body = [
        tag("tr", *(tag("td", cell, class_="n" if is_number(cell) else None) for cell in row))
        for row in rows
    ]
    top = tag("thead", tag("tr", *(tag("th", cell) for cell in head)))
    return tag("div", tag("table", top, tag("tbody", *body)), class_="scroll")


def pairs(found: Mapping[str, Any]) -> Markup:
    """Names and values below each other."""
    return tag("div", table((), list(found.items())[:500]), class_="pairs")


def chart(title: str, lines: Lines) -> Markup:
    """A line chart; the lines have the colours of the classes c0, c1, …"""
    points = [point for _, line in lines for point in line]
    if not points:
        return Markup("")
    (left, right), (low, high) = (
        (min(p[i] for p in points), max(p[i] for p in points)) for i in (0, 1)
    )

    def at(x: float, y: float) -> str:
        across = (x - left) / (right - left or 1)
        # Halves, as the difference of two large numbers may be none.
        up = (y / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
        return f"{across * _WIDTH:.1f},{(1 - up) * _HEIGHT:.1f}"

    drawn = []
    for number, (name, line) in enumerate(lines):
        some = [*line[:: max(1, len(line) // _POINTS)], *line[-1:]]  # of one point: a dot
        kind = f"c{number % 10}"
        shape = tag("polyline", points=" ".join(at(*p) for p in some), class_=kind)
        drawn.append(tag("g", tag("title", name), shape))
    box = f"-4 -4 {_WIDTH + 8} {_HEIGHT + 8}"
    svg = tag("svg", *drawn, viewBox=box, role="img", aria_label=shortened(title, 100))
    names = [tag("span", name, class_=f"c{number % 10}") for number, (name, _) in enumerate(lines)]
    scale = f"{show(low)} to {show(high)}, epoch {show(left)} to {show(right)}"
    head = tag("figcaption", tag("b", title), " ", tag("small", scale), " ", *names)
    return tag("figure", head, svg)
