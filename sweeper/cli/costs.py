"""What a plan says of the size of a sweep and of what is left to spend, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .formatting import show_bytes, show_seconds

if TYPE_CHECKING:
    from sweeper.results import Estimate, Estimator
    from sweeper.sweepfile import Sweep

ENDLESS_SHOWN = 100  # trials of an endless sweep that plan shows without -n
FACTORS = 4  # of a space's size that are named


def shown_limit(sweep: Sweep) -> int | None:
    """How many trials a plan shows: None is all, unless they are more than any launch takes."""
    from sweeper.sweepfile import MOST_LAUNCHED_TRIALS

    size = sweep.size()
    if sweep.adaptive:
        return None
    return ENDLESS_SHOWN if size is None or size > MOST_LAUNCHED_TRIALS else None


def space_in_words(sweep: Sweep) -> str:
    """The size of the search space, and what makes it large."""
    points = sweep.points()
    if points is None:
        return f"a space without end, method {sweep.method}"
    most = "at most " if sweep.space.size_is_bound else ""
    found = f"a space of {most}{points:,} point{'' if points == 1 else 's'}"
    factors = [f"{name} {n:,}" for name, n in sweep.space.factors() if n is not None and n > 1]
    if factors and sweep.space.listed is None:
        more = " x …" if len(factors) > FACTORS else ""
        found += f" ({' x '.join(factors[:FACTORS])}{more})"
    return f"{found}, method {sweep.method}"


def estimate_left(sweep: Sweep, seen: Estimator) -> Estimate | None:
    """What is left to spend; None if no run has finished or nobody can tell how many are left."""
    from sweeper.sweepfile import MOST_LAUNCHED_TRIALS

    size = sweep.size()
    if size is None or size > MOST_LAUNCHED_TRIALS:
        return None
    return seen.estimate(max(0, size - seen.trials) if sweep.adaptive else 0)


def estimate_in_words(estimate: Estimate) -> str:
    """One line for people."""
    runs = f"{estimate.runs} finished run{'' if estimate.runs == 1 else 's'}"
    return (
        f"left to spend, by the mean of {runs}: {show_seconds(estimate.seconds)} with "
        f"{estimate.parallel} at a time, {show_bytes(estimate.bytes)} of disk"
    )
