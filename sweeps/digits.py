"""A small convnet on scikit-learn's handwritten digits (1,797 images of 8x8 pixels).

Everything that can be chosen comes from the parameter dict (``digits.json``, varied by
``digits.yaml``): the image size from ``processing``, the layers from ``model``, the rest from
``training``. Nothing here knows about sweeps, so the same two functions serve a notebook:

    callbacks = ExperimentManager("notebook").prepare(params)
    train(params, callbacks)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

VALIDATION = 360  # images, the same for every trial: trials are compared on them
SPLIT_SEED = 0  # the split is no hyperparameter, so it does not follow the run's seed


@lru_cache(maxsize=4)
def get_data(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ``x, y, x_validation, y_validation``.

    Images are float32 of shape (n, height, width, 1) in [0, 1], labels integers below 10.
    """
    digits = load_digits()
    images = resize((digits.images / 16.0).astype("float32"), height, width)[..., np.newaxis]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    x, y = images[order], digits.target[order]
    return x[VALIDATION:], y[VALIDATION:], x[:VALIDATION], y[:VALIDATION]


def resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize ``images`` (n, h, w) to (n, height, width), bilinear, the corners staying in place."""
    vertical = interpolation(images.shape[1], height)
    horizontal = interpolation(images.shape[2], width)
    return np.einsum("Hh,nhw,Ww->nHW", vertical, images, horizontal, optimize=True)


def interpolation(old: int, new: int) -> np.ndarray:
    """Return the (new, old) matrix that interpolates ``old`` samples linearly at ``new`` places."""
    places = np.linspace(0, old - 1, new)
    return np.stack([np.interp(places, range(old), row) for row in np.eye(old)], axis=1).astype(
        "float32"
    )


def get_model(params: Mapping[str, Any]) -> keras.Model:
    """Build the convnet that ``params['model']`` describes, not yet compiled."""
    model, processing = params["model"], params["processing"]
    return keras.Sequential(
        [
            keras.Input((processing["height"], processing["width"], 1)),
            keras.layers.Conv2D(model["conv_0"], model["kernel_0"], activation="relu"),
            keras.layers.Conv2D(model["conv_1"], model["kernel_1"], activation="relu"),
            keras.layers.MaxPooling2D(model["pool_size"]),
            keras.layers.Dropout(model["dropout_0"]),
            keras.layers.Flatten(),
            keras.layers.Dense(model["dense"], activation="relu"),
            keras.layers.Dropout(model["dropout_1"]),
            keras.layers.Dense(model["num_classes"], activation="softmax"),
        ]
    )


def train(params: Mapping[str, Any], callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Train one model; everything that is worth keeping is kept by ``callbacks``."""
    training, processing = params["training"], params["processing"]
    x, y, x_validation, y_validation = get_data(processing["height"], processing["width"])
    model = get_model(params)
    model.compile(
        optimizer=keras.optimizers.Adam(training["learning-rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x,
        y,
        batch_size=training["batch_size"],
        epochs=training["epochs"],
        validation_data=(x_validation, y_validation),
        callbacks=list(callbacks),
        verbose=2,
    )
