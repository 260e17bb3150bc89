"""A Gaussian process: what values to expect at points that were not tried, and how surely.

Matern-5/2 with a length scale per column, on numbers and categories together: categories are equal
or one apart. Length scales, variance and noise are those of the highest posterior density under
log-normal priors, found by L-BFGS. Source: Rasmussen and Williams, "Gaussian Processes for Machine
Learning", 2006, chapters 2 and 5; length scales that grow with the dimensions: Hvarfner et al.,
"Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import linalg, optimize
from scipy.spatial import distance
from threadpoolctl import ThreadpoolController

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

ROOT = math.sqrt(5)
LENGTH, LENGTH_SPREAD = 0.8, 0.9  # the median, for one column, and the deviation of its logarithm
NOISE, NOISE_SPREAD = 1e-5, 3.0
LEAST_NOISE = 1e-8
LEAST_VARIANCE = 1e-12
BOUNDS = {"length": (5e-3, 1e2), "variance": (1e-2, 1e2), "noise": (LEAST_NOISE, 1.0)}

# Matrices are small: more threads wait for cores that the trials have, and for each other.
on_one_core = partial(ThreadpoolController().limit, limits=1, user_api="blas")


def squares(one: Array, other: Array, categorical: Mask) -> Array:
    """Squared distances in each column, between every row of one and every row of the other."""
    gaps: Array = one.T[:, :, None] - other.T[:, None, :]
    gaps[categorical] = gaps[categorical] != 0
    return gaps * gaps


def apart(one: Array, other: Array, weights: Array, categorical: Mask) -> Array:
    """The weighted sums of the same: between every row of one and every row of the other."""
    scaled = np.sqrt(weights) * ~categorical
    r2: Array = distance.cdist(one * scaled, other * scaled, "sqeuclidean")
    for column in np.flatnonzero(categorical):
        r2 += weights[column] * (one[:, column, None] != other[None, :, column])
    return r2


def matern(r2: Array) -> tuple[Array, Array]:
    """The correlation at squared distances, and its derivative by these."""
    r = ROOT * np.sqrt(r2)
    decay = np.exp(-r)
    return (1 + r + r * r / 3) * decay, -5 / 6 * (1 + r) * decay


@dataclass(frozen=True)
class Hyperparameters:
    """Logarithms: of the length scales, then of the variance, then of the noise's variance."""

    logs: Array

    @property
    def weights(self) -> Array:
        weights: Array = np.exp(-2 * self.logs[:-2])
        return weights

    @property
    def variance(self) -> float:
        return math.exp(self.logs[-2])

    @property
    def noise(self) -> float:
        return math.exp(self.logs[-1])


def prior(columns: int) -> tuple[Array, Array]:
    """Means and deviations of the logarithms."""
    means = np.zeros(columns + 2)
    means[:columns] = math.log(LENGTH) + math.log(max(columns, 1)) / 2
    means[-1] = math.log(NOISE)
    spreads = np.full(columns + 2, LENGTH_SPREAD)
    spreads[-1] = NOISE_SPREAD
    return means, spreads


def loss(logs: Array, gaps: Array, values: Array) -> tuple[float, Array]:
    """The negative logarithm of the posterior density, and its gradient; infinite where the
    covariance cannot be factorised."""
    known = Hyperparameters(logs)
    count, columns = len(values), len(gaps)
    correlation, slope = matern(np.tensordot(known.weights, gaps, 1))
    covariance = known.variance * correlation
    covariance.flat[:: count + 1] += known.noise
    factor, failed = linalg.lapack.dpotrf(covariance, lower=1)
    if failed:
        return math.inf, np.zeros_like(logs)
    inverse, _ = linalg.lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    alpha = inverse @ values
    means, spreads = prior(columns)
    z = (logs - means) / spreads
    total = values @ alpha / 2 + np.log(factor.diagonal()).sum() + z @ z / 2
    spread = inverse - np.outer(alpha, alpha)
    gradient = z / spreads
    sloped = (spread * slope).ravel() * known.variance
    gradient[:columns] -= known.weights * (gaps.reshape(columns, -1) @ sloped)
    gradient[-2] += known.variance * (spread * correlation).sum() / 2
    gradient[-1] += known.noise * spread.trace() / 2
    return float(total), gradient


def fit(
    points: Array,
    values: Array,
    categorical: Mask,
    starts: list[Hyperparameters],
    steps: int = 50,
) -> tuple[float, Hyperparameters]:
    """The most probable hyperparameters, and their loss: the best of ascents from ``starts``."""
    gaps = squares(points, points, categorical)
    columns = points.shape[1]
    bounds = [BOUNDS["length"]] * columns + [BOUNDS["variance"], BOUNDS["noise"]]
    logs = [(math.log(low), math.log(high)) for low, high in bounds]
    found: list[tuple[float, int, Array]] = []
    for number, start in enumerate(starts):
        best = optimize.minimize(
            loss, start.logs, (gaps, values), "L-BFGS-B", True, bounds=logs,
            options={"maxiter": steps},
        )  # fmt: skip
        found.append((float(best.fun), number, best.x))
    least, _, best_logs = min(found, key=lambda one: one[:2])
    return least, Hyperparameters(best_logs)


def first_guesses(columns: int) -> list[Hyperparameters]:
    means, _ = prior(columns)
    noisy = means.copy()
    noisy[-1] = math.log(0.05)
    return [Hyperparameters(means), Hyperparameters(noisy)]


@dataclass(frozen=True)
class GaussianProcess:
    """The process that is known at ``points``: means and variances of what it is without noise.

    The last of them, which are ``imagined``, are known without noise.
    """

    points: Array
    values: Array
    categorical: Mask
    known: Hyperparameters
    imagined: int = 0

    def _covariance(self, points: Array) -> Array:
        r2 = apart(points, self.points, self.known.weights, self.categorical)
        return self.known.variance * matern(r2)[0]

    @cached_property
    def _inverse_factor(self) -> Array:
        covariance = self._covariance(self.points)
        jitter = np.full(len(self.values), self.known.noise)
        jitter[len(jitter) - self.imagined :] = LEAST_NOISE
        while True:
            covariance.flat[:: len(self.values) + 1] += jitter
            factor, failed = linalg.lapack.dpotrf(covariance, lower=1)
            if not failed:
                inverse, _ = linalg.lapack.dtrtri(factor, lower=1)
                return np.tril(inverse)
            jitter = np.full(len(self.values), max(jitter.max(), LEAST_NOISE) * 10)

    @cached_property
    def _alpha(self) -> Array:
        alpha: Array = self._inverse_factor.T @ (self._inverse_factor @ self.values)
        return alpha

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Means and variances."""
        covariance = self._covariance(points)
        whitened = covariance @ self._inverse_factor.T
        variances = self.known.variance - np.einsum("ij,ij->i", whitened, whitened)
        return covariance @ self._alpha, np.maximum(variances, LEAST_VARIANCE)

    def slopes(self, point: Array) -> tuple[float, float, Array, Array]:
        """Mean and variance at one point, and the gradients of both; 0 along categories."""
        gaps = point - self.points
        gaps[:, self.categorical] = gaps[:, self.categorical] != 0
        correlation, slope = matern((gaps * gaps) @ self.known.weights)
        covariance = self.known.variance * correlation
        whitened = self._inverse_factor @ covariance
        variance = max(self.known.variance - float(whitened @ whitened), LEAST_VARIANCE)
        gaps[:, self.categorical] = 0
        along = 2 * self.known.variance * slope[:, None] * gaps * self.known.weights
        of_mean = self._alpha @ along
        of_variance = -2 * (self._inverse_factor.T @ whitened) @ along
        return float(covariance @ self._alpha), variance, of_mean, of_variance

    def imagine(self, points: Array) -> GaussianProcess:
        """The process that has seen its own means at ``points``: the Kriging believer's."""
        means, _ = self.predict(points)
        return GaussianProcess(
            np.vstack([self.points, points]),
            np.concatenate([self.values, means]),
            self.categorical,
            self.known,
            len(points),
        )


POWERS = (1.0, 0.5, 0.0)


def warp(values: Array, power: float) -> tuple[Array, float]:
    """The values on another scale, with mean 0 and deviation 1; the logarithm of the density that
    the change of scale takes from them.

    A Box-Cox transformation of how far each lies above the least: with less ``power`` a few huge
    values hide less of what differs between the good ones. Increasing: the order stays.
    """
    least = values.min()
    scale = float(np.median(values) - least) or float(values.mean() - least)
    if scale <= 0:  # all are equal, and their mean is rounded
        scale = 1.0
    above = 1 + (values - least) / scale
    moved = np.log(above) if power == 0 else (above**power - 1) / power
    deviation = float(moved.std()) or 1.0
    lost = len(values) * math.log(scale * deviation) - (power - 1) * float(np.log(above).sum())
    return (moved - moved.mean()) / deviation, lost
