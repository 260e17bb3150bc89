"""What came of sweeps, for Python: tables as pandas has them, the best runs, their models.

Reads when it is made: load again to see what has come since.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sweeper import store
from sweeper.errors import UsageError
from sweeper.space import flatten
from sweeper.sweepfile import Metric
from sweeper.tree import Row, RunRecord
from sweeper.wording import tally

from .entry import Entry
from .figures import Figures
from .index import Index
from .ranked_by import metric_of
from .ranking import Ranked, Score, checkpoint_of, group_of, rank_together
from .rows import entry_score
from .target import open_index

if TYPE_CHECKING:
    import pandas


_LAST = ("elapsed", "error", "path", "checkpoint")


def _params(params: dict[str, Any]) -> dict[str, Any]:
    return {f"params.{name}": value for name, value in flatten(params).items()}


def load(*targets: str | Path) -> SweepResults:
    """What came of sweeps: each a sweep file, a base directory, or a ``sweeps/<name>`` in one.

    What is odd about a tree (older texts of the program, files that cannot be read) is warned of.
    Raises UsageError where there is nothing, SpecError for a sweep file that is invalid, TreeError.
    """
    if not targets:
        raise UsageError("load: expected a sweep file or a directory, found nothing")
    indices = [open_index(Path(target)) for target in targets]
    for index in indices:
        for note in index.notes:
            warnings.warn(note, stacklevel=2)
    return SweepResults(indices)


@dataclass(frozen=True, repr=False)
class LoadedRun:
    """A run of a sweep, as its files have it; ``score`` is None if it has no number for the metric.

    ``params`` is the parameter dict, ``status`` an outcome, ``running``, ``interrupted``, ….
    """

    sweep: str
    trial: int | None
    replicate: int
    status: str
    params: dict[str, Any]
    record: RunRecord
    score: Score | None
    error: str | None

    def __repr__(self) -> str:
        value = f", {self.value:.5g} in epoch {self.epoch}" if self.score else ""
        return f"<{self.sweep}: trial {self.trial}, {self.status}{value}>"

    @property
    def path(self) -> Path:
        """Its directory, absolute."""
        return self.record.path

    @property
    def value(self) -> float | None:
        """The metric's value in the epoch that counts."""
        return self.score.value if self.score else None

    @property
    def epoch(self) -> int | None:
        """The epoch that counts, from 1."""
        return self.score.epoch if self.score else None

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics of the epoch that counts."""
        return dict(self.score.metrics) if self.score else {}

    @property
    def rows(self) -> list[Row]:
        """Every epoch that it has recorded: ``epoch``, from 1, and the metrics."""
        return list(self.record.rows)

    @property
    def checkpoint(self) -> Path | None:
        """The saved model of the epoch that counts, else the best that is kept; or None."""
        return checkpoint_of(self.record, self.score)

    def load_model(self, **options: Any) -> Any:
        """The model of ``checkpoint``, by ``keras.saving.load_model(…, **options)``.

        Raises UsageError if none is kept, or its weights only.
        """
        path = self.checkpoint
        if path is None or path.name.endswith(".weights.h5"):
            found = "none" if path is None else f"the weights {path}: model.load_weights takes them"
            raise UsageError(f"{self.path}: expected a saved model, found {found}")
        import keras

        store.bring(path)
        return keras.saving.load_model(path, **options)


class SweepResults:
    """Sweeps with their trials and runs; made by :func:`load`.

    ``metric`` is what the first of them ranks by, None if nothing says. Tables are
    ``pandas.DataFrame``: parameters are ``params.<dotted name>``, the metrics of the epoch that
    counts ``metrics.<name>``. With several sweeps the first column is ``sweep``.
    """

    def __init__(self, indices: list[Index]) -> None:
        self._indices = indices
        self.metric: Metric | None = metric_of(indices[0])

    @property
    def counts(self) -> dict[str, int]:
        """Status -> number of trials."""
        found: dict[str, int] = {}
        for index in self._indices:
            for status, number in index.counts().items():
                found[status] = found.get(status, 0) + number
        return found

    @cached_property
    def _runs(self) -> list[LoadedRun]:
        return [
            self._run(index, entry)
            for index in self._indices
            for entry in index.entries
            if entry.record is not None
        ]

    def __iter__(self) -> Iterator[LoadedRun]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def best(self) -> LoadedRun: ...

    @overload
    def best(self, k: int) -> list[LoadedRun]: ...

    def best(self, k: int | None = None) -> LoadedRun | list[LoadedRun]:
        """The best run, or the ``k`` best, best first: by the mean where trials are repeated.

        Of a repeated trial it is its best run. Raises UsageError without a metric, or if no run
        has a number for it.
        """
        ranked = self._ranked()[:k]
        if not ranked:
            raise UsageError(f"{self._names}: no run has recorded {self._metric().name} yet")
        found = [self._run(index, one.entry) for index, one in ranked]
        return found[0] if k is None else found

    def runs(self) -> pandas.DataFrame:
        """A row for each run."""
        return self._frame([self._row(run) for run in self])

    def trials(self) -> pandas.DataFrame:
        """A row for each trial that has a number, best first, then the others.

        ``value`` is the mean over the repetitions, ``std`` their sample standard deviation (n - 1),
        ``runs`` how many there are; the rest is about the best of them.
        """
        rows: list[dict[str, Any]] = []
        seen = set()
        for index, one in self._ranked() if self.metric else []:
            row = self._row(self._run(index, one.entry))
            row |= {"value": one.value, "std": one.std, "runs": len(one.values)}
            rows.append({"rank": len(rows) + 1, **row})
            seen.add((index.base, group_of(one.entry)))
        for index in self._indices:
            for entry in index.entries:
                key = (index.base, group_of(entry))
                if key not in seen:
                    seen.add(key)
                    run = self._run(index, entry) if entry.record else None
                    rows.append(self._row(run) if run else self._unrun(index, entry))
        return self._frame(rows)

    def history(self) -> pandas.DataFrame:
        """A row for each epoch of each run, as plotting libraries take it.

        The metrics have their own names beside ``trial``, ``replicate``, ``epoch`` and the
        parameters.
        """
        return self._frame(self._epoch_rows())

    def table(self, epochs: bool = False) -> tuple[list[str], list[dict[str, Any]]]:
        """The columns and rows of ``runs``, or of ``history``, for whom pandas is too much."""
        return self._table(self._epoch_rows() if epochs else [self._row(run) for run in self])

    def _epoch_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for run in self._runs:
            names = {"sweep": run.sweep, "trial": run.trial, "replicate": run.replicate}
            params = _params(run.params)
            rows += [{**names, **row, **params} for row in run.rows]
        return rows

    @cached_property
    def figures(self) -> Figures:
        """Figures for plotly: ``history()``, ``curves()``, ``importance()``, …"""
        return Figures(self._indices, self.metric)

    def __repr__(self) -> str:
        return f"<{self._names}: {tally(self.counts) or 'no trials'}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])}</p>{self.trials()._repr_html_()}"

    @property
    def _names(self) -> str:
        return ", ".join(index.title for index in self._indices)

    def _metric(self) -> Metric:
        if self.metric is None:
            raise UsageError(f"{self._names}: expected a metric to rank by, found none in the file")
        return self.metric

    def _ranked(self) -> list[tuple[Index, Ranked]]:
        """The trials of all sweeps with a number, best first."""
        ranked = rank_together(self._indices, self._metric())
        return [(self._indices[place], one) for place, one in ranked]

    def _run(self, index: Index, entry: Entry) -> LoadedRun:
        assert entry.record is not None
        return LoadedRun(
            index.title,
            entry.trial,
            entry.replicate,
            entry.status,
            entry.params,
            entry.record,
            entry_score(entry, self.metric),
            entry.error,
        )

    def _row(self, run: LoadedRun) -> dict[str, Any]:
        return {
            "sweep": run.sweep,
            "trial": run.trial,
            "replicate": run.replicate,
            "status": run.status,
            "value": run.value,
            "epoch": run.epoch,
            **_params(run.params),
            **{f"metrics.{name}": value for name, value in sorted(run.metrics.items())},
            "elapsed": run.record.elapsed,
            "error": run.error,
            "path": str(run.path),
            "checkpoint": store.shown(run.checkpoint) if run.checkpoint else None,
        }

    def _unrun(self, index: Index, entry: Entry) -> dict[str, Any]:
        named = {"sweep": index.title, "trial": entry.trial, "replicate": entry.replicate}
        return {**named, "status": entry.status, **_params(entry.params), "error": entry.error}

    def _frame(self, rows: list[dict[str, Any]]) -> pandas.DataFrame:
        import pandas

        columns, rows = self._table(rows)
        return pandas.DataFrame(rows, columns=columns)

    def _table(self, rows: list[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
        def place(name: str) -> int:
            kinds = [name in _LAST, name.startswith("metrics."), name.startswith("params.")]
            return 3 - kinds.index(True) if any(kinds) else 0

        names = dict.fromkeys(name for row in rows for name in row)
        if len(self._indices) == 1:
            names.pop("sweep", None)
            rows = [{k: v for k, v in row.items() if k != "sweep"} for row in rows]
        return sorted(names, key=place), rows
