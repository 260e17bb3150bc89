"""Which rows a reading command shows, in what order, and with which columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

from sweeper.results import ParameterNames, flat_row, sort_key
from sweeper.space import CannotEvaluate, Expression, ExpressionError, Names
from sweeper.wording import nearest, one_of

from . import formatting
from .tables import Column

OWN = (
    *("sweep", "trial", "replicate", "status", "epochs"),
    *("value", "epoch", "elapsed", "error", "rank"),
)


class Selection:
    """Chooses among ``rows``, which have ``params`` and ``metrics``, as the options say.

    Names are a row's own (``trial``, ``status``, ``value``, …), then those of its metrics and its
    parameters: of equal ones the first counts, and ``metrics.x``, ``params.x`` are always those.
    """

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], names: ParameterNames, given: Mapping[str, Any]
    ) -> None:
        self._rows = rows
        self._names = names
        self._given = given
        self.metrics = sorted({name for row in rows for name in row["metrics"]})
        # Columns of a CSV file beside a row's own.
        self.more = [f"params.{name}" for name in names.all]
        self.more += [f"metrics.{name}" for name in self.metrics]
        found = sorted(self.more)  # metrics before parameters
        short = {name.partition(".")[2]: name for name in reversed(found)}
        own = {name: name for name in OWN if rows and name in rows[0]}
        # No comparison with a number that is not there holds: `x < 1 or status == "failed"`.
        absent = ["value", "epoch", *(f"metrics.{name}" for name in self.metrics)]
        self._absent = dict.fromkeys(absent, math.nan)
        self._known = {**short, **{name: name for name in found}, **own}

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """What ``--where``, ``--sort`` and ``--limit`` leave. Raises click.UsageError."""
        where, sort, limit = (self._given[name] for name in ("where", "sort", "limit"))
        if where is None and sort is None:
            return self._rows[:limit]
        every = ((row, flat_row(row)) for row in self._rows)
        flat = [(row, {k: v for k, v in all_.items() if v is not None}) for row, all_ in every]
        if where is not None and flat:
            condition = self._condition(where)
            flat = [pair for pair in flat if self._holds(condition, pair[1])]
        if sort is not None:
            falls = sort.startswith("-") and sort not in self._known
            name = self._key("--sort", sort.removeprefix("-" if falls else ""))
            there = [pair for pair in flat if name in pair[1]]
            there.sort(key=lambda pair: sort_key(pair[1][name]), reverse=falls)
            flat = there + [pair for pair in flat if name not in pair[1]]
        return [row for row, _ in flat[:limit]]

    def columns(self, own: Sequence[Column]) -> list[Column]:
        """What ``--columns`` names, else ``own``, some parameters, and the directory."""
        if self._given["columns"] is not None:
            asked = [name.strip() for name in self._given["columns"].split(",")]
            return [formatting.column(self._key("--columns", name), name) for name in asked]
        every = self._given["all_columns"]
        params = formatting.param_columns(self._names, optional=not every)
        more = [formatting.column(f"metrics.{n}", n) for n in self.metrics] if every else []
        return [*own, *params, *more, formatting.DIRECTORY]

    def _holds(self, condition: Expression, flat: Mapping[str, Any]) -> bool:
        try:
            return condition.holds({**self._absent, **flat})
        except CannotEvaluate as error:
            raise click.UsageError(f"--where: {error}; {error.mend}") from error

    def _condition(self, where: str) -> Expression:
        try:
            return Expression.parse(where, Names({k: (v,) for k, v in self._known.items()}))
        except ExpressionError as error:
            mend = f"; {error.mend}" if error.mend else ""
            raise click.UsageError(f"--where, column {error.column + 1}: {error}{mend}") from error

    def _key(self, option: str, name: str) -> str:
        if name in self._known:
            return self._known[name]
        near = nearest(name, self._known, 3) or sorted(self._known)[:8]
        raise click.UsageError(f"{option}: there is no {name!r}; did you mean {one_of(near)}?")
