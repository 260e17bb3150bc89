"""Gradient descent on a bowl: a train function that needs neither Keras nor TensorFlow.

A third argument, ``run``, records an epoch's metrics; ``callbacks`` are for Keras alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TARGET = (0.5, -1.0)


def loss(x: float, y: float) -> float:
    """The height of the bowl over (x, y); its bottom, 0, is at ``TARGET``."""
    return (x - TARGET[0]) ** 2 + 3.0 * (y - TARGET[1]) ** 2


def train(params: Mapping[str, Any], callbacks: Sequence[Any], run: Any) -> None:
    """Roll from (model.x, model.y) towards the bottom and report each step as an epoch."""
    x, y = params["model"]["x"], params["model"]["y"]
    # At a rate of 1/6 the steeper direction arrives in one step.
    rate = params["training"]["learning-rate"] / 6.0
    for epoch in range(1, params["training"]["epochs"] + 1):
        x -= rate * 2.0 * (x - TARGET[0])
        y -= rate * 6.0 * (y - TARGET[1])
        run.report(epoch=epoch, val_loss=loss(x, y))
    print(f"stopped at ({x:.3f}, {y:.3f})")
