"""Which runs cannot be ranked, and why."""

from __future__ import annotations

from sweeper.sweepfile import Metric
from sweeper.wording import counted

from .entry import Entry
from .index import Index
from .ranking import score


def without_number(index: Index, metric: Metric) -> list[Entry]:
    """The entries whose runs recorded the metric, but no number: NaN or infinity alone."""
    return [
        entry
        for entry in index.entries
        if entry.record is not None
        and score(entry.record, metric) is None
        and any(metric.name in row for row in entry.record.rows)
    ]


def nothing_to_rank(index: Index, metric: Metric) -> str:
    """Why no run is ranked, in words: whoever has a number and has not failed is."""
    name = metric.name
    empty = without_number(index, metric)
    failed = [entry for entry in index.entries if entry.failed]
    numbers = sum(e.record is not None and score(e.record, metric) is not None for e in failed)
    silent = len(failed) - numbers - sum(entry.failed for entry in empty)
    found = {
        f"recorded a number for {name}, but failed": numbers,
        f"recorded {name}, but NaN or infinity only": len(empty),
        f"failed before recording {name}": silent,
    }
    why = "; ".join(f"{counted(number, 'run')} {what}" for what, number in found.items() if number)
    if not why:
        return f"no run has recorded {name} yet"
    return f"nothing to rank: {why}{': see `sweeper status`' if failed else ''}"
