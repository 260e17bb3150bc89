"""Population-based training's next parameters: near a good trial's, or by a Gaussian process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sweeper.space import Axis, Space

from .searcher import clip_to_unit

FACTORS = (0.8, 1.2)
TRIES = 50  # points that break a constraint or change nothing; then one is drawn anywhere
CANDIDATES = 500
MOST_CHANGES = 100  # the latest; the time to fit a Gaussian process grows with their cube


@dataclass(frozen=True)
class Change:
    """What a run's metric has gained over an interval that ended with ``epoch``, at a point of the
    unit cube (None where a parameter was not active)."""

    epoch: int
    point: Sequence[float | None]
    gain: float


def explore(
    space: Space,
    params: Mapping[str, Any],
    resample: float,
    random: Random,
    ranked: Sequence[Mapping[int, float]] = (),
) -> dict[str, Any] | None:
    """Parameters near ``params`` and not equal to them; None where the space has none.

    Each axis is drawn anew with probability ``resample``; else a number is multiplied by 0.8 or
    1.2, inside its bounds and on its steps, and a category stays or moves to a neighbour.
    ``ranked`` are values for some axes to be tried in turn instead. Source: Jaderberg et al.,
    "Population Based Training of Neural Networks", 2017.
    """
    try:
        start = space.encode(params)
    except ValueError:  # of another space: the sweep file has changed
        start = [None] * len(space.axes)
    for attempt in range(2 * TRIES):
        if attempt < TRIES:
            point = [
                _moved(axis, u, resample, random) for axis, u in zip(space.axes, start, strict=True)
            ]
            for index, u in (ranked[attempt] if attempt < len(ranked) else {}).items():
                point[index] = u
        else:
            point = [clip_to_unit(random.random()) for _ in space.axes]
        found = space.decode(point)
        if found is not None and found != params:
            return found
    return None


def _moved(axis: Axis, u: float | None, resample: float, random: Random) -> float:
    if u is None or random.random() < resample:
        return clip_to_unit(random.random())
    if axis.alternatives is not None:
        count = axis.alternatives
        place = min(int(u * count), count - 1) + random.choice((-1, 0, 1))
        return (min(max(place, 0), count - 1) + 0.5) / count
    distribution = axis.parameters[0].distribution
    value = distribution.ppf(u)
    if distribution.values:  # categories that are not equally likely
        choices = list(distribution.choices or ())
        place = choices.index(value) + random.choice((-1, 0, 1))
        return distribution.encode(choices[min(max(place, 0), len(choices) - 1)])
    factor = random.choice(FACTORS)
    moved = value * factor
    step = distribution.q if distribution.is_quantised else 1
    if distribution.is_quantised or distribution.kind == "int_uniform":
        before, after = round(value / step), round(moved / step)
        if after == before:  # a fifth is less than a step
            after += 1 if factor > 1 else -1
        moved = after * step
    low = -math.inf if distribution.low is None else distribution.low
    high = math.inf if distribution.high is None else distribution.high
    return clip_to_unit(distribution.encode(min(max(moved, low), high)))


def rank_numbers(
    space: Space,
    changes: Sequence[Change],
    running: Sequence[Sequence[float | None]],
    epoch: int,
    random: Random,
) -> list[dict[int, float]]:
    """Values for the axes that are numbers, the most promising for ``epoch`` first.

    A Gaussian process over time and the unit cube is fitted on what the metric gained per interval;
    candidates drawn at random are ranked by its upper confidence bound. Points that are
    ``running`` lower the uncertainty around them, and so parallel trials spread. Empty while less
    than two changes are known. Source: Parker-Holder et al., "Provably Efficient Online
    Hyperparameter Optimization with Population-Based Bandits", NeurIPS 2020; its constants for the
    bound as in Ray Tune's ``pb2_utils.UCB``.
    """
    axes = [
        index
        for index, axis in enumerate(space.axes)
        if axis.alternatives is None and not axis.parameters[0].distribution.values
    ]
    changes = sorted(changes, key=lambda change: change.epoch)[-MOST_CHANGES:]
    if len(changes) < 2 or not axes:
        return []
    import numpy as np

    from .gaussian_process import GaussianProcess, first_guesses, fit, on_one_core

    def row(when: int, point: Sequence[float | None]) -> list[float]:
        numbers = [point[index] for index in axes]
        return [when / epoch, *(0.5 if u is None else u for u in numbers)]

    known = np.array([row(change.epoch, change.point) for change in changes])
    gains = np.array([change.gain for change in changes])
    gains = (gains - gains.mean()) / (gains.std() or 1.0)
    draws = [[clip_to_unit(random.random()) for _ in axes] for _ in range(CANDIDATES)]
    asked = np.array([[1.0, *draw] for draw in draws])
    ordered = np.zeros(known.shape[1], bool)  # no column is of categories
    with on_one_core():
        _, hyper = fit(known, gains, ordered, first_guesses(len(ordered)))
        process = GaussianProcess(known, gains, ordered, hyper)
        if running:
            process = process.imagine(np.array([row(epoch, point) for point in running]))
        means, variances = process.predict(asked)
    factor = 0.2 + max(0.0, math.log(0.4 * len(changes)))
    order = np.argsort(-means - np.sqrt(factor * variances))
    return [dict(zip(axes, draws[place], strict=True)) for place in order]
