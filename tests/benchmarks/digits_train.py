"""The train function of every Keras contender: a small MLP on scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

EPOCHS = 2
RATES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.01, 0.02)
WIDTHS = (32, 48, 64, 96)
VALIDATION = 360  # images


def trial_params(index: int) -> dict[str, Any]:
    """The parameters of trial ``index``; past the 32 of the grid they begin again."""
    rate, width = list(product(RATES, WIDTHS))[index % (len(RATES) * len(WIDTHS))]
    return {"training": {"learning-rate": rate, "epochs": EPOCHS}, "model": {"width": width}}


@lru_cache(maxsize=1)
def get_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ``x, y, x_validation, y_validation``; x is float32 (n, 64), y integers below 10."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32")
    return x[VALIDATION:], y[VALIDATION:], x[:VALIDATION], y[:VALIDATION]


def train(
    params: Mapping[str, Any], callbacks: Sequence[keras.callbacks.Callback]
) -> keras.callbacks.History:
    """Train one model for ``EPOCHS`` epochs."""
    x, y, x_validation, y_validation = get_data()
    width = params["model"]["width"]
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(params["training"]["learning-rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model.fit(
        x,
        y,
        batch_size=32,
        epochs=params["training"]["epochs"],
        validation_data=(x_validation, y_validation),
        callbacks=list(callbacks),
        verbose=0,
    )
