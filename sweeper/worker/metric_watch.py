"""Noticing, long before a trial ends, that what it reports is not the sweep's metric."""

from __future__ import annotations

from collections.abc import Iterable

from sweeper.tree import means_metric

VALIDATED_EVERY = 10  # epochs: `validation_freq` is rarely larger


class MetricWatch:
    """Follows the names that a trial reports, until the sweep's ``metric`` is among them."""

    def __init__(self, metric: str | None) -> None:
        self._metric = metric
        self._names: set[str] = set()
        self._epochs = 0

    def heard(self) -> None:
        """The metric has come: there is nothing more to notice."""
        self._metric = None

    def look(self, names: Iterable[str], *, epoch_over: bool) -> list[str] | None:
        """All names so far, once, when they show that the metric goes by another; else None.

        They show it if one means the metric, else when an epoch is over; of a ``val_…`` metric
        where nothing is validated yet, when ten are.
        """
        metric, names = self._metric, set(names)
        if metric is None or metric in names:
            self.heard()
            return None
        self._names |= names
        self._epochs += epoch_over
        waits = metric.startswith("val_") and not any("val" in name for name in self._names)
        if not any(means_metric(name, metric) for name in names) and (
            not names or self._epochs < (VALIDATED_EVERY if waits else 1)
        ):
            return None
        self.heard()
        return sorted(self._names)
