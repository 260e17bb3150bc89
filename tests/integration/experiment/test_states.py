"""State outside the model and its optimizer: broken off once, and equal to undisturbed."""

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from sweeper.experiment import ExperimentManager, keras_callbacks
from sweeper.experiment.backend import reset_session

from .conftest import Breaks, BrokenOffError

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="TensorFlow's")

X = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Gan(keras.Model):
    def __init__(self):
        super().__init__()
        self.d = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
        self.g = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6)])

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real):
        size = tf.shape(real)[0]
        losses = {}
        for name, net, optimizer in (
            ("d", self.d, self.d_optimizer), ("g", self.g, self.g_optimizer),
        ):  # fmt: skip
            with tf.GradientTape() as tape:
                fake = self.d(self.g(keras.random.normal((size, 3))))
                loss = self.bce(tf.ones((size, 1)), fake)
                if name == "d":
                    loss = self.bce(tf.ones((size, 1)), self.d(real)) - loss
            weights = net.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            losses[name] = loss
        return losses


def gan(callbacks):
    made = Gan()
    made.compile(keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.01))
    data = tf.data.Dataset.from_tensor_slices(X).batch(32)
    made.fit(data, epochs=5, shuffle=False, verbose=0, callbacks=callbacks)


def dense(loss="mse", **options):
    made = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    made.compile(keras.optimizers.Adam(0.01), loss, **options)
    return made


class Anneal(keras.callbacks.Callback):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def on_epoch_end(self, epoch, logs=None):
        self.weight.assign(self.weight * 0.5 + 0.1)


def annealed_loss(callbacks):
    beta = keras.Variable(1.0, trainable=False)

    def loss(true, found):
        return keras.ops.mean((true - found) ** 2) + beta * keras.ops.mean(keras.ops.abs(found))

    dense(loss).fit(X, Y, epochs=5, verbose=0, callbacks=[*callbacks, Anneal(beta)])


def loss_with_a_counter(callbacks):
    seen = tf.Variable(0.0)

    class Growing(keras.losses.Loss):
        def __init__(self):
            super().__init__()
            self.seen = seen

        def call(self, true, found):
            self.seen.assign_add(0.01)
            return keras.ops.mean((true - found) ** 2, -1) * self.seen

    dense(Growing()).fit(X, Y, epochs=5, verbose=0, callbacks=callbacks)


def stateful_rnn(callbacks):
    made = keras.Sequential(
        [
            keras.Input((2, 3), batch_size=16),
            keras.layers.GRU(4, stateful=True),
            keras.layers.Dense(1),
        ]
    )
    made.compile("adam", "mse")
    made.fit(
        X.reshape(-1, 2, 3), Y, batch_size=16, epochs=5, shuffle=False, verbose=0,
        callbacks=callbacks,
    )  # fmt: skip


def reshuffled_validation(callbacks):
    data = tf.data.Dataset.from_tensor_slices((X, Y))
    held = data.shuffle(64, seed=3).repeat().batch(8)
    dense().fit(
        data.shuffle(64).batch(16), epochs=5, shuffle=False, verbose=0, callbacks=callbacks,
        validation_data=held, validation_steps=2,
    )  # fmt: skip


class Odd(keras.callbacks.Callback):
    """Holds state of many kinds, and writes all of it into the logs."""

    def __init__(self, shared):
        super().__init__()
        self.shared = shared  # the caller's list
        self.alias = shared
        self.counter = collections.Counter()
        self.recent = collections.deque(maxlen=2)
        self.random = np.random.default_rng(5)
        self.large = np.zeros(300_000)
        self.by_number = {1: {"a"}, 2: set()}

    def on_epoch_end(self, epoch, logs=None):
        self.shared.append(float(logs["loss"]))
        self.counter[f"epoch {epoch % 2}"] += 1
        self.recent.append(epoch)
        self.large += self.random.normal()
        self.by_number[2].add(epoch)
        logs["shared"] = sum(self.alias)
        logs["counted"] = self.counter["epoch 0"]
        logs["recent"] = sum(self.recent)
        logs["large"] = self.large.sum()
        logs["set"] = len(self.by_number[2])


def odd_callback(callbacks):
    shared = []
    dense().fit(X, Y, epochs=5, verbose=0, callbacks=[*callbacks, Odd(shared)])
    assert len(shared) == 5  # who gave the list sees it too


def mixed_precision_and_average(callbacks):
    keras.config.set_dtype_policy("mixed_float16")
    made = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, dtype="float32")])
    made.compile(keras.optimizers.Adam(0.01, use_ema=True, gradient_accumulation_steps=2), "mse")
    made.fit(X, Y, epochs=5, verbose=0, callbacks=callbacks)


PROGRAMS = [
    gan, annealed_loss, loss_with_a_counter, stateful_rnn, reshuffled_validation, odd_callback,
    mixed_precision_and_average,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_broken_off_it_ends_as_undisturbed(tmp_path, program):
    logs = []
    for name, breaks in (("whole", [None]), ("cut", [3, 1, None])):
        for left in breaks:
            reset_session(7)
            run = ExperimentManager(tmp_path / name).open({"a": 1}, sweep="s", trial=0, seed=7)
            Breaks.left = left
            try:
                program([*keras_callbacks(run), Breaks()])
            except BrokenOffError:
                run.interrupt("broken off")
        assert run.resumed_epoch == (4 if name == "cut" else 0)
        assert not run._record["attempts"][-1].get("inexact")
        run.close("finished")
        logs.append(run.paths.training_logs.read_text())
    assert logs[0] == logs[1]
