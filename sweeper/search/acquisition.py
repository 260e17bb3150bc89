"""Where to try next by Gaussian processes: the point of the highest expected improvement.

Of one goal it is that on the least value so far; of several, that of the hypervolume which the
known points dominate together, summed over the boxes that the rest of the space is cut into. What
limits there are counts by how probable it is that they are kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy import optimize, special

from .gaussian_process import Array, GaussianProcess

Places = np.ndarray[Any, np.dtype[np.intp]]

_ROOT = math.sqrt(2 * math.pi)
MOST_ON_FRONT = {2: 60, 3: 20}  # points; of more goals 12: the boxes grow with the powers of these


def log_h(z: Array) -> Array:
    """The logarithm of φ(z) + z Φ(z), for z however low.

    Source: Ament et al., "Unexpected Improvements to Expected Improvement", NeurIPS 2023.
    """
    density = np.exp(-z * z / 2) / _ROOT
    with np.errstate(all="ignore"):
        near = np.log(density + z * special.ndtr(z))
        scaled = special.erfcx(-z / math.sqrt(2)) * np.abs(z) * math.sqrt(math.pi / 2)
        far = -z * z / 2 - math.log(_ROOT) + np.log1p(-np.minimum(scaled, 1.0))
        farthest = -z * z / 2 - math.log(_ROOT) - 2 * np.log(np.abs(z))
    found: Array = np.where(z > -1, near, np.where(z > -1e3, far, farthest))
    return found


def front(points: Array) -> list[int]:
    """The places of the rows than which no other is as low in all columns."""
    found: list[int] = []
    for place in np.lexsort(points.T[::-1]):
        if not any((points[other] <= points[place]).all() for other in found):
            found.append(int(place))
    return found


def boxes(points: Array, reference: Array) -> list[tuple[list[float], list[float]]]:
    """The least and the highest corners of boxes that hold all below ``reference`` that no point
    dominates. A least corner may be infinite.
    """
    if len(reference) == 1:
        return [([-math.inf], [min([*points[:, 0], reference[0]])])]
    below = points[points[:, -1] < reference[-1]]
    levels = [-math.inf, *np.unique(below[:, -1]), float(reference[-1])]
    return [
        ([*low, level], [*high, above])
        for level, above in itertools.pairwise(levels)
        for low, high in boxes(below[below[:, -1] <= level, :-1], reference[:-1])
    ]


def boxes_above(points: Array) -> tuple[Array, Array]:
    """The boxes that points improve on: up to a tenth beyond the worst of those on the front, and
    the median of all, as a front that is found in part is narrow.
    """
    if points.shape[1] == 1:
        return np.full((1, 1), -math.inf), points.min(0)[None]
    best = points[front(points)]
    most = MOST_ON_FRONT.get(points.shape[1], 12)
    best = best[np.linspace(0, len(best) - 1, min(len(best), most)).astype(int)]
    worst = np.maximum(best.max(0), np.median(points, axis=0))
    found = boxes(best, worst + 0.1 * np.maximum(worst - best.min(0), 1e-3))
    return np.array([low for low, _ in found]), np.array([high for _, high in found])


def _log_sum(logs: Array) -> Array:
    """Over the boxes, of the product of the goals."""
    whole = logs.sum(0)
    most = whole.max(-1)
    found: Array = most + np.log(np.exp(whole - most[..., None]).sum(-1))
    return found


@dataclass(frozen=True)
class Acquisition:
    """The logarithm of what is hoped for at a point.

    ``low`` and ``high``: the corners of boxes, with a column for each of ``goals``. ``limits``:
    each with the value up to which it is kept.
    """

    goals: Sequence[GaussianProcess]
    low: Array
    high: Array
    limits: Sequence[tuple[GaussianProcess, float]] = field(default=())

    def scores(self, points: Array) -> Array:
        found = np.zeros(len(points))
        if self.goals:
            found += _log_sum(self._logs([process.predict(points) for process in self.goals]))
        for process, most in self.limits:
            means, variances = process.predict(points)
            found += special.log_ndtr((most - means) / np.sqrt(variances))
        return found

    @cached_property
    def _cuts(self) -> list[tuple[Array, Places, Places, Places]]:
        """By goal: the corners' values, where of them each box ends, which begin, and where."""
        found = []
        for low, high in zip(self.low.T, self.high.T, strict=True):
            inner = np.flatnonzero(np.isfinite(low))
            cuts = np.unique([*low[inner], *high])
            ends, begins = np.searchsorted(cuts, high), np.searchsorted(cuts, low[inner])
            found.append((cuts, ends, inner, begins))
        return found

    def _logs(self, predicted: Sequence[tuple[Array, Array]]) -> Array:
        """By goal, point and box: of what is expected between the corners."""
        found = []
        for (means, variances), (cuts, ends, inner, begins) in zip(
            predicted, self._cuts, strict=True
        ):
            deviations = np.sqrt(variances)[:, None]
            below = log_h((cuts - means[:, None]) / deviations) + np.log(deviations)
            logs = below[:, ends]
            if len(inner):
                less = below[:, begins] - logs[:, inner]
                logs[:, inner] += np.log(-np.expm1(np.minimum(less, -1e-12)))
            found.append(logs)
        return np.array(found)

    def slope(self, point: Array) -> tuple[float, Array]:
        """The score of a point, and its gradient."""
        total, gradient = 0.0, np.zeros(len(point))
        shares: Array = np.zeros(0)
        at = [process.slopes(point) for process in self.goals]
        if at:
            logs = self._logs([(np.array([mean]), np.array([var])) for mean, var, *_ in at])[:, 0]
            total = float(_log_sum(logs))
            shares = np.exp(logs.sum(0) - total)
        for column, (mean, variance, of_mean, of_variance) in enumerate(at):
            deviation = math.sqrt(variance)
            by_mean, by_deviation = 0.0, 0.0
            for corner, sign in ((self.high, 1.0), (self.low, -1.0)):
                z = (corner[:, column] - mean) / deviation
                below = np.minimum(special.log_ndtr(z) - logs[column], 700)
                density = np.minimum(-z * z / 2 - math.log(_ROOT) - logs[column], 700)
                by_mean -= sign * float(shares @ np.exp(below))
                by_deviation += sign * float(shares @ np.exp(density))
            gradient = gradient + by_mean * of_mean + by_deviation * of_variance / (2 * deviation)
        for process, most in self.limits:
            mean, variance, of_mean, of_variance = process.slopes(point)
            margin = (most - mean) / math.sqrt(variance)
            kept = float(special.log_ndtr(margin))
            steep = math.exp(min(-margin * margin / 2 - math.log(_ROOT) - kept, 700))
            by_variance = margin * of_variance / (2 * variance)
            gradient = gradient - steep * (of_mean / math.sqrt(variance) + by_variance)
            total += kept
        return total, gradient


def climb(acquisition: Acquisition, point: Array, free: list[int], within: float = 1.0) -> Array:
    """The point after an ascent along the ``free`` columns, ``within`` so far and 0 and 1."""

    def downhill(part: Array) -> tuple[float, Array]:
        whole = point.copy()
        whole[free] = part
        value, gradient = acquisition.slope(whole)
        return -value, -gradient[free]

    bounds = [(max(0.0, u - within), min(1.0, u + within)) for u in point[free]]
    found = optimize.minimize(
        downhill, point[free], method="L-BFGS-B", jac=True, bounds=bounds,
        options={"maxiter": 40},
    )  # fmt: skip
    higher = point.copy()
    higher[free] = np.clip(found.x, 0.0, 1.0)
    return higher
