"""A small problem, and a fit that is broken off after some epoch and gone on with."""

from __future__ import annotations

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import pytest

from sweeper.experiment import backend, keras_callbacks, pacing
from sweeper.experiment.variables import Variables
from sweeper.tree import Tree
from tests.opened import open_run

TENSORFLOW = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
PARAMS = {"training": {"epochs": 3}, "model": {"units": 8}}


def pytest_collection_modifyitems(items):
    for item in items:
        if "integration/experiment" in str(item.path):
            # Keras against numpy 2, and Keras's advice not to use .h5
            item.add_marker(pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning"))


class BrokenOffError(Exception):
    """Stands for whatever ends a process."""


class Breaks(keras.callbacks.Callback):
    """Breaks training off once ``left`` epochs have begun; None: never."""

    left: int | None = None

    def on_epoch_begin(self, epoch, logs=None):
        if Breaks.left is not None:
            Breaks.left -= 1
            if Breaks.left < 0:
                Breaks.left = None
                raise BrokenOffError


class Problem:
    """Data, a model, and ways to train it."""

    def __init__(self, base):
        rng = np.random.default_rng(0)
        self.base = base
        self.x = rng.random((40, 8)).astype("float32")
        self.y = (self.x.sum(1) > 4).astype("float32")
        self.epochs = 3
        self.rich = False  # Adam, batch norm and a metric cost time, and most tests need none

    def model(self, **options):
        import keras

        inner = [keras.layers.BatchNormalization()] if self.rich else []
        model = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(4, activation="relu"),
                *inner,
                keras.layers.Dropout(0.3),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        if self.rich:
            options = {"optimizer": keras.optimizers.Adam(0.05), "metrics": ["accuracy"], **options}
        options = {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9), **options}
        # TensorFlow takes seconds to compile; the tests that kill a process do it.
        options.setdefault("run_eagerly", TENSORFLOW)
        model.compile(loss="binary_crossentropy", **options)
        return model

    def open(self, name, **options):
        backend.reset_session(3)
        return open_run(self.base / name, PARAMS, seed=3, settings=options)

    def fit(
        self, run, *, until=None, others=lambda: [], build=None, data=None, ends=True, **options
    ):
        """Train in ``run``; broken off after epoch ``until`` was recorded, backed up, reported."""

        def report(epoch):
            if epoch["epoch"] == until and run.resumed_epoch < until:
                raise BrokenOffError

        callbacks = [*keras_callbacks(run, report), *others()]
        model = (build or self.model)()
        options = {"epochs": self.epochs, "verbose": 0, **options}
        if data is None:
            options = {"batch_size": 16, "validation_data": (self.x[:8], self.y[:8]), **options}
        arguments = (self.x, self.y) if data is None else (data(),)
        try:
            model.history_of_fit = model.fit(*arguments, callbacks=callbacks, **options)
        except BrokenOffError:
            run.interrupt("broken off")
            return model
        model.final = Variables(model, []).read()
        if ends:
            run.close("finished")
        return model

    def both(self, *breaks, **options):
        """The models and records of a run trained at once, and of one broken off at ``breaks``."""
        manager = {k: options.pop(k) for k in ("reproducible", "backup_every", "checkpoint")
                   if k in options}  # fmt: skip
        whole = self.fit(self.open("whole", **manager), **options)
        for until in (*breaks, None):
            parts = self.fit(self.open("parts", **manager), until=until, **options)
        return (whole, self.record("whole")), (parts, self.record("parts"))

    def record(self, name):
        (record,) = Tree(self.base / name).all_runs()
        return record


def same(one, other, aside=False):
    """Two (model, record) pairs are bit for bit the same; ``aside``: something was set aside."""
    for a, b in zip(one[0].final.values(), other[0].final.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[1].paths.training_logs.read_bytes() == other[1].paths.training_logs.read_bytes()
    assert {**one[1].performances, "elapsed": 0} == {**other[1].performances, "elapsed": 0}
    assert sorted(p.name for p in one[1].models.values()) == sorted(
        p.name for p in other[1].models.values()
    )
    assert one[1].torn == other[1].torn == []
    assert other[1].paths.aside.exists() == aside
    return True


@pytest.fixture
def problem(tmp_path):
    return Problem(tmp_path)


@pytest.fixture(scope="package")
def whole(tmp_path_factory):
    """A run of the plain problem that nothing broke off: what many tests compare with."""
    problem = Problem(tmp_path_factory.mktemp("whole"))
    return problem.fit(problem.open("whole")), problem.record("whole")


@pytest.fixture(autouse=True)
def _each_epoch_is_backed_up(monkeypatch):
    """However slow the disk is."""
    monkeypatch.setattr(pacing, "SHARE", math.inf)


@pytest.fixture(autouse=True)
def _clean_session():
    yield
    backend.reset_session(0)
