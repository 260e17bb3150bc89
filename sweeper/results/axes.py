"""A parameter as an axis of figures: where each trial lies on it, and what stands at its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from sweeper.wording import printable, shortened

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FEW = 8
"""So many different values stand side by side; more are an axis of numbers."""

MOST = 40
"""So many categories have a name at their tick."""


def shown(value: Any, most: int = 40) -> str:
    """A name or value as figures show it, for whom text is a little HTML."""
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return escape(shortened(printable(text[: 4 * most]), most), quote=False)


@dataclass(frozen=True)
class Axis:
    """``values``: of each trial, None without one; of categories their place, from 0.

    ``labels`` are the names of the categories, None of numbers; ``log``: a logarithmic axis.
    """

    title: str
    values: list[float | None]
    labels: list[str] | None
    log: bool

    def layout(self) -> dict[str, Any]:
        """As plotly has an axis."""
        found: dict[str, Any] = {"title": {"text": self.title}, "automargin": True}
        if self.labels is None:
            ticks = {"type": "log", "dtick": 1} if self.log else {"type": "linear"}
            return {**found, **ticks, "exponentformat": "e"}
        labels = self.labels[:MOST]
        named = {"tickvals": list(range(len(labels))), "ticktext": labels}
        return {**found, **named, "range": [-0.5, len(self.labels) - 0.5]}

    def positions(self) -> list[float | None]:
        """The values as they lie on the axis: the logarithms of a logarithmic one."""
        return [math.log10(v) if self.log and v is not None else v for v in self.values]

    def clipped(self, ends: Sequence[float] | None) -> Axis:
        """The same with what lies beyond ``ends`` at them."""
        if ends is None:
            return self
        low, high = ends
        values = [None if v is None else min(max(v, low), high) for v in self.values]
        return Axis(self.title, values, self.labels, self.log)

    def dimension(self) -> dict[str, Any]:
        """As parallel coordinates have an axis; below it lie the trials without a value."""
        there = [v for v in self.positions() if v is not None]
        low, high = min(there), max(there)
        if self.labels is None:
            span = high - low or abs(high) or 1.0
            every = [low + span * step / 4 for step in range(5)] if high > low else [low]
            ticks = [(v, shown(float(f"{10**v if self.log else v:.3g}"))) for v in every]
        else:
            span = max(len(self.labels) - 1, 1)
            ticks = [(float(place), text) for place, text in enumerate(self.labels[:MOST])]
        if len(there) < len(self.values):
            low -= span / 8
            ticks.insert(0, (low, "none"))
        if low == high:
            low, high = low - 0.5, high + 0.5
        return {
            "label": self.title,
            "values": [low if v is None else v for v in self.positions()],
            "range": [low, high],
            "tickvals": [value for value, _ in ticks],
            "ticktext": [text for _, text in ticks],
        }


def axis_of(trials: Sequence[FrozenTrial], name: str, title: str) -> Axis:
    found = [trial.params.get(name) for trial in trials]
    distribution = next(t.distributions[name] for t in trials if name in t.distributions)
    there = [value for value in found if value is not None]
    if hasattr(distribution, "choices"):
        values: list[Any] = [choice for choice in distribution.choices if choice in set(there)]
    else:
        values = sorted(set(there))
        if len(values) > FEW or len(values) == len(there):  # nothing to compare at one place
            return Axis(title, found, None, bool(getattr(distribution, "log", False)))
    places = {value: float(place) for place, value in enumerate(values)}
    labels = [shown(value, 24) for value in values]
    return Axis(title, [None if v is None else places[v] for v in found], labels, False)


def thinned(items: Sequence[Any], most: int) -> list[Any]:
    """At most ``most`` of them, evenly, the last one among them."""
    if len(items) <= most:
        return list(items)
    return [items[(place + 1) * len(items) // most - 1] for place in range(most)]


def usual_range(values: Iterable[float], goal: str) -> list[float] | None:
    """From the best value to where the many end, if a few lie so far off that they hide the rest.

    None where all of them can be seen at once.
    """
    sign = -1.0 if goal == "maximize" else 1.0
    found = sorted(sign * value for value in values)
    if len(found) < 5:
        return None
    best, most = found[0], found[(len(found) - 1) * 4 // 5]
    end = best + 3 * (most - best)
    if not best < end < found[-1]:
        return None
    end = max(value for value in found if value <= end)
    return sorted((sign * (best - (end - best) / 20), sign * (end + (end - best) / 20)))


def surface(x: Axis, y: Axis, z: Sequence[float]) -> tuple[list[float], list[float], list[Any]]:
    """The mean of ``z`` over the plane of two axes, weighted by nearness; None far from all."""
    import numpy

    both = [i for i, pair in enumerate(zip(x.values, y.values, strict=True)) if None not in pair]
    grids, weights = [], []
    for axis in (x, y):
        positions = axis.positions()
        at = numpy.array([positions[i] for i in both], dtype=float)
        if axis.labels is None:
            grid = numpy.linspace(at.min(), at.max(), 40)
            wide = (at.max() - at.min()) / 15
            weights.append(numpy.exp(-(((grid[:, None] - at) / wide) ** 2) / 2))
        else:
            grid = numpy.arange(len(axis.labels), dtype=float)
            weights.append((grid[:, None] == at).astype(float))
        grids.append((10**grid if axis.log else grid).tolist())
    sums = (weights[1] * numpy.array([z[i] for i in both])) @ weights[0].T
    total = weights[1] @ weights[0].T
    near = total > 0.05
    means = numpy.where(near, sums / numpy.where(near, total, 1.0), numpy.nan)
    rows = [[None if math.isnan(v) else v for v in row] for row in means.tolist()]
    return grids[0], grids[1], rows
