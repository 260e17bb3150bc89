"""Where to try next by a Gaussian process: the point of the highest expected improvement."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, special

from .gaussian_process import Array, GaussianProcess

_ROOT = math.sqrt(2 * math.pi)


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


def log_improvement(means: Array, variances: Array, best: float) -> Array:
    """The logarithm of the expected improvement on ``best``, the least value so far."""
    deviations = np.sqrt(variances)
    return log_h((best - means) / deviations) + np.log(deviations)


def slope(process: GaussianProcess, point: Array, best: float) -> tuple[float, Array]:
    """The logarithm of the expected improvement at a point, and its gradient."""
    mean, variance, of_mean, of_variance = process.slopes(point)
    deviation = math.sqrt(variance)
    z = (best - mean) / deviation
    log_of = float(log_h(np.array([z]))[0])
    below = math.exp(min(float(special.log_ndtr(z)) - log_of, 700))
    density = math.exp(min(-z * z / 2 - math.log(_ROOT) - log_of, 700))
    gradient = (-below * of_mean + density * of_variance / (2 * deviation)) / deviation
    return log_of + math.log(deviation), gradient


def climb(
    process: GaussianProcess,
    point: Array,
    free: list[int],
    best: float,
    within: float = 1.0,
) -> Array:
    """The point after an ascent along the ``free`` columns, ``within`` so far and 0 and 1."""

    def downhill(part: Array) -> tuple[float, Array]:
        whole = point.copy()
        whole[free] = part
        value, gradient = slope(process, whole, best)
        return -value, -gradient[free]

    bounds = [(max(0.0, u - within), min(1.0, u + within)) for u in point[free]]
    found = optimize.minimize(
        downhill, point[free], method="L-BFGS-B", jac=True, bounds=bounds,
        options={"maxiter": 40},
    )  # fmt: skip
    higher = point.copy()
    higher[free] = np.clip(found.x, 0.0, 1.0)
    return higher
