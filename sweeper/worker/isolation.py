"""Does a trial leave something behind in its process that changes the next one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Training(NamedTuple):
    """What one training has reported, a row with its ``epoch`` each; ``error`` if it failed."""

    rows: list[dict[str, float]]
    error: str | None


class Difference(NamedTuple):
    """The first value that differs; None where there is none."""

    epoch: int
    metric: str
    fresh: float | None
    warm: float | None


@dataclass(frozen=True)
class Isolation:
    """What a comparison has found: nothing where ``why`` says that there is nothing to compare.

    ``unsteady`` are metrics that differ between fresh processes too: of them nothing can be said.
    """

    epochs: int = 0
    difference: Difference | None = None
    unsteady: tuple[str, ...] = ()
    error: str | None = None
    why: str | None = None


def compare(first: Training, warm: Training, fresh: Training) -> Isolation:
    """Compare what the same trial has reported as a process's first, as its second, and afresh."""
    for training in (warm, fresh):
        if training.error is not None:
            return Isolation(error=training.error)
    names = {name for row in first.rows for name in row} - {"epoch"}
    unsteady = {name for name in names if _difference(first, fresh, {name})}
    found = _difference(first, warm, names - unsteady)
    error = None
    if unsteady == names:
        error = f"two fresh processes give different values of {', '.join(sorted(names))}"
    return Isolation(len(first.rows), found, tuple(sorted(unsteady)), error)


def _difference(fresh: Training, warm: Training, names: set[str]) -> Difference | None:
    for index in range(max(len(fresh.rows), len(warm.rows))):
        a, b = ((t.rows[index] if index < len(t.rows) else {}) for t in (fresh, warm))
        for name in sorted(names):
            if repr(a.get(name)) != repr(b.get(name)):  # NaN is NaN
                epoch = int((a or b)["epoch"])
                return Difference(epoch, name, a.get(name), b.get(name))
    return None
