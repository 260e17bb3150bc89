"""What figures of sweeps have in common: the trials, their names, colours and hover texts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sweeper.errors import UsageError
from sweeper.sweepfile import Metric

from .axes import shown, usual_range
from .entry import Entry
from .flat import short_names
from .index import Index
from .ranked_by import nothing_to_rank
from .study import grouped, optuna_study

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

AXES = 12  # parameters in a hover text, and beside each other
CYCLE = ["#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#a855f7", "#14b8a6", "#ec4899", "#84cc16"]
TEXT = "%{text}<extra></extra>"
NONE_VARY = "no parameter varies among the trials that have a number"


def plotly_figure(figure: dict[str, Any]) -> Any:
    try:
        from plotly.graph_objects import Figure
    except ImportError:
        raise missing_plotly() from None
    return Figure(figure)


def missing_plotly() -> UsageError:
    """What to say where plotly is not installed."""
    return UsageError("figures need plotly, which is not installed: pip install 'sweeper[figures]'")


def called(entry: Entry, trial: int | None = None) -> str:
    """What figures call a trial, or the run of none."""
    number = entry.trial if trial is None else trial
    return shown(entry.experiment) if number is None else f"trial {number}"


WEIGHED = 300
"""Trials that importances are made of, evenly from the best to the worst: what it takes grows with
their square."""


class Drawn:
    """The trials of one or several sweeps as figures are made of them.

    ``make`` makes of plotly's JSON what a figure is: by default a ``plotly`` one.
    """

    def __init__(
        self,
        indices: Sequence[Index],
        metric: Metric | None,
        make: Callable[[dict[str, Any]], Any] = plotly_figure,
    ) -> None:
        self._indices = list(indices)
        self._given = metric
        self._make = make

    def importances(self) -> dict[str, float]:
        """The same as numbers, the most important first; empty where they cannot be had."""
        return self._importances if self._given and self._complete else {}

    def weighed(self) -> dict[str, float]:
        """The same. Raises UsageError, which says why, where they cannot be had."""
        found = self.importances()
        if not found:
            raise UsageError(self._cannot_weigh or NONE_VARY)
        return found

    @cached_property
    def _importances(self) -> dict[str, float]:
        from optuna import create_study
        from optuna.distributions import CategoricalDistribution
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances
        from optuna.trial import create_trial

        if self._cannot_weigh:
            return {}
        # Most of what a searcher tries is near the best: who counts trials, or ranks them, is told
        # of small differences there. A value that lies far off would decide alone: the worst tenth
        # count as the best of them.
        trials = self._by_value
        worst = self._value(trials[len(trials) * 9 // 10])
        if worst == self._value(trials[0]):
            worst = self._value(trials[-1])
        if len(trials) > WEIGHED:
            trials = [trials[i * (len(trials) - 1) // (WEIGHED - 1)] for i in range(WEIGHED)]
        trials = sorted(trials, key=self._number)
        known = {name: dist for trial in trials for name, dist in trial.distributions.items()}
        given = {name: [t.params[name] for t in trials if name in t.params] for name in known}
        # Where one is not active it has a common value: what is due to a condition is its names'.
        common = {
            name: statistics.mode(values)
            if isinstance(known[name], CategoricalDistribution)
            else statistics.median_low(values)
            for name, values in given.items()
        }
        clip = max if self._metric.goal == "maximize" else min
        study = create_study()
        study.add_trials(
            create_trial(
                params=common | trial.params,
                distributions=known,
                value=clip(self._value(trial), worst),
            )
            for trial in trials
        )
        evaluator = FanovaImportanceEvaluator(seed=0, n_trees=32, max_depth=8)
        found = get_param_importances(study, evaluator=evaluator)
        order = sorted(found.items(), key=lambda item: -item[1])
        return {name: float(part) for name, part in order if math.isfinite(part)}

    @property
    def _cannot_weigh(self) -> str:
        values = {self._value(trial) for trial in self._trials}
        many = len(self._trials)
        if many < 4:
            return f"importance: expected four trials with a number, found {many}"
        if len(values) < 2:
            return f"importance: all {many} trials have the same {self._metric.name}"
        return "" if self._titles else NONE_VARY

    @property
    def _metric(self) -> Metric:
        if self._given is None:
            names = ", ".join(index.title for index in self._indices)
            raise UsageError(f"{names}: expected a metric to draw, found none in the file")
        return self._given

    @cached_property
    def _study(self) -> Any:
        return optuna_study(self._indices, self._metric)

    @cached_property
    def _every(self) -> list[FrozenTrial]:
        return list(self._study.get_trials(deepcopy=False))

    @cached_property
    def _groups(self) -> list[list[Entry]]:
        return [group for index in self._indices for group, _ in grouped(index, self._metric)]

    @cached_property
    def _complete(self) -> list[FrozenTrial]:
        found = [trial for trial in self._every if trial.state.name == "COMPLETE"]
        return sorted(found, key=self._number)

    @property
    def _trials(self) -> list[FrozenTrial]:
        """The trials with a number. Raises UsageError if there are none."""
        if not self._complete:
            raise UsageError(nothing_to_rank(self._indices[0], self._metric))
        return self._complete

    @cached_property
    def _by_value(self) -> list[FrozenTrial]:
        falls = self._given is not None and self._given.goal == "maximize"
        return sorted(self._complete, key=self._value, reverse=falls)

    @cached_property
    def _titles(self) -> dict[str, str]:
        """The parameters that vary among the trials with a number, as figures call them."""
        seen: dict[str, set[Any]] = {}
        for trial in self._complete:
            for name, value in trial.params.items():
                seen.setdefault(name, set()).add(value)
        counts = {n: sum(n in t.params for t in self._complete) for n in seen}
        names = [n for n in seen if len(seen[n]) > 1 or counts[n] < len(self._complete)]
        return {name: shown(short, 28) for name, short in short_names(names).items()}

    def _named(self, params: Sequence[str] | None, most: int) -> list[str]:
        """The parameters that are asked for, else the most important of those that vary."""
        assert self._trials
        if params is not None:
            short = {end: name for name, end in short_names(self._titles).items()}
            found = [short.get(name, name) for name in params]
            if unknown := [name for name in found if name not in self._titles]:
                there = ", ".join(self._titles) or "none"
                raise UsageError(f"expected parameters that vary ({there}), found {unknown[0]!r}")
            return found
        names = list(dict.fromkeys([*self.importances(), *self._titles]))[:most]
        if not names:
            raise UsageError(NONE_VARY)
        return [name for name in names if len({t.params.get(name) for t in self._trials}) > 1]

    def _value(self, trial: FrozenTrial) -> float:
        return float(trial.values[0])

    def _number(self, trial: FrozenTrial) -> int:
        number = trial.user_attrs.get("trial")
        return trial.number if len(self._indices) > 1 or number is None else int(number)

    def _label(self, trial: FrozenTrial) -> str:
        sweep = f"{shown(trial.user_attrs['sweep'], 24)} " if len(self._indices) > 1 else ""
        return sweep + called(self._groups[trial.number][0], trial.user_attrs["trial"])

    def _hover(self, trial: FrozenTrial) -> str:
        std = trial.user_attrs.get("std")
        spread = f" ± {std:.2g}" if std is not None else ""
        head = f"{shown(self._metric.name)} {trial.values[0]:.5g}{spread}" if trial.values else ""
        params = [
            f"{title} = {shown(trial.params[name])}"
            for name, title in list(self._titles.items())[:AXES]
            if name in trial.params
        ]
        return "<br>".join([self._label(trial), *filter(None, [head]), *params])

    def _points(self, values: list[float], trials: list[Any], x: list[Any]) -> dict[str, Any]:
        size = 7 if len(values) < 300 else 4
        return {
            "type": "scatter",
            "mode": "markers",
            "name": shown(self._metric.name),
            "x": x,
            "y": values,
            "text": [self._hover(trial) for trial in trials],
            "hovertemplate": TEXT,
            "marker": {"color": CYCLE[0], "size": size},
        }

    def _scale(self, values: list[float], axis: str = "c") -> dict[str, Any]:
        """Colours from the worst, dark, to the best; what lies far off is of the last colour."""
        goal = self._metric.goal
        low, high = usual_range(values, goal) or [min(values), max(values)]
        ends = {f"{axis}min": low, f"{axis}max": high if high > low else low + 1}
        return {"colorscale": "Viridis", "reversescale": goal == "minimize", **ends}

    def _value_axis(self, values: list[float]) -> dict[str, Any]:
        axis = self._titled(shown(self._metric.name))
        if ends := usual_range(values, self._metric.goal):
            axis["range"] = ends
            beyond = sum(not ends[0] <= value <= ends[1] for value in values)
            axis["title"]["text"] += f"<br>({beyond} beyond: double-click)"
        return axis

    def _titled(self, title: str) -> dict[str, Any]:
        return {"title": {"text": title, "standoff": 12}, "automargin": True}

    def _figure(
        self, title: str, data: list[Any], x: Any = None, y: Any = None, high: int = 0, **more: Any
    ) -> Any:
        of = ", ".join(shown(index.title) for index in self._indices)
        layout = {**({"xaxis": x} if x else {}), **({"yaxis": y} if y else {}), **more}
        layout |= {"title": {"text": f"{title} of {of}"}, "colorway": CYCLE, "hovermode": "closest"}
        layout |= {"height": max(high + 160, 360)} if high else {}
        return self._make({"data": data, "layout": layout})
