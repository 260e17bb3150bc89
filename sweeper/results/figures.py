"""Figures of sweeps for plotly: what is drawn from trials as Optuna has them, and from their rows.

Whatever comes from a tree is escaped: plotly takes text for a little HTML.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile import Metric

from .attempts import attempts_of, lanes
from .axes import Axis, axis_of, shown, surface, thinned, usual_range
from .drawn import AXES, CYCLE, TEXT, Drawn, called
from .entry import Entry
from .ranked_by import check_metric
from .study import curve_of

BEST, POINTS, CURVES, EPOCHS, SLICES = 5, 2000, 100, 200, 6
"""At most: curves that stand out, points, curves, points of a curve, slices."""

COLOURS = {
    "finished": "#10b981",
    "running": "#3b82f6",
    "interrupted": "#94a3b8",
    "stopped": "#f59e0b",
    "pruned": "#eab308",
    "failed": "#ef4444",
    "out-of-memory": "#be185d",
    "timed-out": "#a855f7",
}


class Figures(Drawn):
    """Figures of one or several sweeps; each raises UsageError where it cannot be drawn."""

    def history(self) -> Any:
        """The value of each trial that has ended, and the best so far."""
        values = [self._value(trial) for trial in self._trials]
        better = max if self._metric.goal == "maximize" else min
        so_far, best = [], values[0]
        for value in values:
            so_far.append(best := better(best, value))
        kept = sorted({*thinned(range(len(values)), POINTS), values.index(best)})
        x = [self._number(self._trials[i]) for i in kept]
        std = [self._trials[i].user_attrs.get("std") for i in kept]
        points = self._points([values[i] for i in kept], [self._trials[i] for i in kept], x)
        if any(std):
            points["error_y"] = {"array": std, "thickness": 1, "width": 2}
        steps = {"shape": "hv", "color": CYCLE[1]}
        line = _line("best so far", x, [so_far[i] for i in kept], steps, hoverinfo="skip")
        y = self._value_axis(values)
        return self._figure("History", [points, line], self._titled("trial"), y)

    def curves(self) -> Any:
        """The metric epoch by epoch: the best trials stand out, over repetitions mean ± std."""
        order = {trial.number: place for place, trial in enumerate(self._by_value)}
        curves = []
        for trial, entries in zip(self._every, self._groups, strict=True):
            if curve := _mean_curve(entries, self._metric):
                curves.append((order.get(trial.number, len(order)), trial, curve))
        if not curves:
            check_metric(self._metric, (r for index in self._indices for r in index.records()))
            raise UsageError(f"no run has recorded a number for {self._metric.name} in any epoch")
        curves.sort(key=lambda item: item[0])
        best, others = curves[:BEST], curves[BEST:]
        data = []
        points: list[tuple[Any, Any, Any]] = []
        for _, trial, curve in thinned(others, CURVES):
            points += [(epoch, mean, self._label(trial)) for epoch, mean, _ in curve]
            points.append((None, None, None))  # the line ends here
        if others:
            of = f" of {len(others)}" if len(others) > CURVES else ""
            name = f"{min(len(others), CURVES)}{of} others"
            x, y, text = (list(column) for column in zip(*points, strict=True))
            hover = "%{text}, epoch %{x}: %{y:.5g}<extra></extra>"
            pale = {"color": "rgba(128,128,128,0.35)", "width": 1}
            data.append(_line(name, x, y, pale, text=text, hovertemplate=hover))
        for place, (_, trial, curve) in reversed(list(enumerate(best))):
            x, y, std = (list(column) for column in zip(*curve, strict=True))
            one = _line(self._label(trial), x, y, {"color": CYCLE[place], "width": 2})
            one |= {"mode": "lines" if len(x) > 1 else "markers", "legendrank": place}
            if any(std):
                one["error_y"] = {"array": std, "thickness": 1, "width": 2}
            hover = self._hover(trial).partition("<br>")[2]
            after = f"<br>{hover}" if hover else ""
            one["text"] = [f"{self._label(trial)}, epoch {e}: {v:.5g}{after}" for e, v, _ in curve]
            data.append({**one, "hovertemplate": TEXT})
        ends = [point[1] for _, _, curve in curves for point in curve]
        axis = self._value_axis(ends)
        longest = max(curve[-1][0] for _, _, curve in curves)
        across = {**self._titled("epoch"), **({"dtick": 1} if longest <= 10 else {})}
        return self._figure("Learning curves", data, across, axis)

    def parallel_coordinates(self, params: Sequence[str] | None = None) -> Any:
        """A line for each trial through its parameters, coloured by the metric; axes brush."""
        names = self._named(params, AXES)
        trials = thinned(self._by_value[::-1], POINTS)  # the best lie on top
        values = [self._value(trial) for trial in trials]
        ends = usual_range(values, self._metric.goal)
        first = Axis(shown(self._metric.name), list(values), None, False).clipped(ends)
        numbers = Axis("trial", [float(self._number(trial)) for trial in trials], None, False)
        axes = [numbers, *(axis_of(trials, name, self._titles[name]) for name in names)]
        dimensions = [first.dimension(), *(axis.dimension() for axis in axes)]
        line = {"color": values, "showscale": True, **self._scale(values)}
        data = [{"type": "parcoords", "line": line, "dimensions": dimensions, "labelangle": -20}]
        return self._figure("Parallel coordinates", data)

    def importance(self) -> Any:
        """How much of the metric's variance each parameter alone explains, by fANOVA."""
        found = list(self.weighed().items())[:20][::-1]
        texts = [f"{value:.2f}" for _, value in found]
        bars = {
            "type": "bar",
            "orientation": "h",
            "x": [value for _, value in found],
            "y": list(range(len(found))),
            "text": texts,
            "textposition": "outside",
            "hovertext": [f"{shown(name, 80)}: {value:.4f}" for name, value in found],
            "hoverinfo": "text",
            "cliponaxis": False,
            "marker": {"color": CYCLE[0]},
        }
        ticks = {"tickvals": bars["y"], "ticktext": [self._titles[name] for name, _ in found]}
        y = {**ticks, "automargin": True}
        return self._figure("Importance", [bars], self._titled("importance"), y, 22 * len(found))

    def slice(self, params: Sequence[str] | None = None) -> Any:
        """The metric over each parameter alone: the most important ones, or ``params``."""
        names = self._named(params, SLICES)
        kept = thinned(self._by_value[::-1], POINTS)  # the last one is the best
        columns = min(3, len(names))
        rows = math.ceil(len(names) / columns)
        data: list[dict[str, Any]] = []
        layout: dict[str, Any] = {}
        for place, name in enumerate(names):
            axis = axis_of(kept, name, self._titles[name])
            there = [i for i, value in enumerate(axis.values) if value is not None]
            trials = [kept[i] for i in there]
            values = [self._value(trial) for trial in trials]
            points = self._points(values, trials, [axis.values[i] for i in there])
            end = str(place + 1) if place else ""
            data.append({**points, "xaxis": f"x{end}", "yaxis": f"y{end}"})
            column, row = place % columns, place // columns
            layout[f"xaxis{end}"] = {**axis.layout(), "anchor": f"y{end}"}
            layout[f"xaxis{end}"]["domain"] = _domain(column, columns, 0.08)
            domain = _domain(rows - 1 - row, rows, 0.2)
            y = {**self._value_axis([self._value(t) for t in kept]), "domain": domain}
            if column:
                y |= {"title": {"text": ""}, "showticklabels": False}
            layout[f"yaxis{end}"] = {**y, "anchor": f"x{end}"}
        return self._figure("Slices", data, high=260 * rows, **layout, showlegend=False)

    def contour(self, params: Sequence[str] | None = None) -> Any:
        """The metric over the plane of two parameters: the most important ones, or ``params``."""
        names = self._named(params, 2)
        if len(names) != 2:
            raise UsageError(f"contour: expected two parameters that vary, found {len(names)}")
        trials = [t for t in self._by_value[::-1] if all(name in t.params for name in names)]
        if not trials:
            raise UsageError(f"contour: no trial with a number has both {' and '.join(names)}")
        x, y = (axis_of(trials, name, self._titles[name]) for name in names)
        values = [self._value(trial) for trial in trials]
        low, high = usual_range(values, self._metric.goal) or (min(values), max(values))
        across, up, means = surface(x, y, [min(max(v, low), high) for v in values])
        seen = [mean for row in means for mean in row if mean is not None]
        flat = x.labels is None and y.labels is None
        plane = {
            "type": "contour" if flat else "heatmap",
            "x": across,
            "y": up,
            "z": means,
            "hoverinfo": "skip",
            "connectgaps": False,
            **self._scale(seen, "z"),
            "colorbar": {"title": {"text": shown(self._metric.name)}},
        }
        points = self._points(values, trials, x.values)
        points |= {"y": y.values, "showlegend": False}
        points["marker"] = {"size": 5, "color": "#fff", "line": {"width": 1, "color": "#334155"}}
        kept = thinned(range(len(trials)), POINTS)
        points |= {key: [points[key][i] for i in kept] for key in ("x", "y", "text")}
        return self._figure("Contour", [plane, points], x.layout(), y.layout())

    def edf(self) -> Any:
        """Which part of the trials is as good as a value, or worse: a line for each sweep."""
        data = []
        for index in self._indices:
            mine = [t for t in self._trials if t.user_attrs["sweep"] == index.title]
            values = sorted(self._value(trial) for trial in mine)
            parts = [(place + 1) / len(values) for place in range(len(values))]
            kept = thinned(range(len(values)), POINTS)
            x, part = [values[i] for i in kept], [parts[i] for i in kept]
            data.append(_line(shown(index.title), x, part, {"shape": "hv"}))
        values = [self._value(trial) for trial in self._trials]
        y = {**self._titled("part of the trials"), "range": [0, 1.02]}
        return self._figure("Distribution", data, self._value_axis(values), y)

    def timeline(self) -> Any:
        """Who worked when: a bar for each attempt of a run, a lane for each worker of a host."""
        entries = [entry for index in self._indices for entry in index.entries]
        found = attempts_of(entries)[-POINTS:]
        if not found:
            raise UsageError("no run says when it began and where")
        places, names = lanes(found)
        bars: dict[str, dict[str, list[Any]]] = {}
        for attempt, lane in zip(found, places, strict=True):
            bar = bars.setdefault(attempt.status, {"base": [], "x": [], "y": [], "text": []})
            bar["base"].append(attempt.start.isoformat(timespec="milliseconds"))
            bar["x"].append(1000 * max(attempt.seconds, 0.001))
            bar["y"].append(lane)
            gpus = f", {len(attempt.gpus)} GPU" if attempt.gpus else ""
            place = f"{shown(attempt.host)}, pid {attempt.pid}{gpus}"
            lines = [f"{called(attempt.entry)}: {attempt.status}", place]
            bar["text"].append("<br>".join([*lines, f"{attempt.seconds:.1f} s"]))
        data = [
            {
                "type": "bar",
                "orientation": "h",
                "name": status,
                **bar,
                "textposition": "none",
                # A border is seen where a short attempt would be narrower than a pixel.
                "marker": {"color": colour, "line": {"color": colour, "width": 1}},
                "hovertemplate": TEXT,
                "width": 0.8,
            }
            for status, bar in bars.items()
            for colour in [COLOURS.get(status, "#64748b")]
        ]
        labels = [shown(name, 24) for name in names]
        y = {"tickvals": list(range(len(names))), "ticktext": labels, "automargin": True}
        x = {"type": "date"}
        return self._figure("Timeline", data, x, y, 22 * len(names), barmode="overlay")


def _line(
    name: str, x: list[Any], y: list[Any], line: dict[str, Any], **more: Any
) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line, **more}


def _domain(place: int, many: int, gap: float) -> list[float]:
    wide = (1 - gap * (many - 1)) / many
    return [round(place * (wide + gap), 4), round(place * (wide + gap) + wide, 4)]


def _mean_curve(entries: Sequence[Entry], metric: Metric) -> list[tuple[int, float, float | None]]:
    """Epoch, mean over the runs that have it, and their standard deviation; thinned."""
    found: dict[int, list[float]] = {}
    for entry in entries:
        for epoch, value in curve_of(entry, metric).items():
            found.setdefault(epoch, []).append(value)
    curve = [
        (epoch, statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)
        for epoch, values in sorted(found.items())
    ]
    return thinned(curve, EPOCHS)
