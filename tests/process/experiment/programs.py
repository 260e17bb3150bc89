"""What people do in a train function, small: programs for the tests that kill a process anywhere.

Each takes the callbacks, the run, and ``moment``, to be called where a kill may strike outside of
``fit``; it returns what it found, which must not depend on the kills.
"""

from __future__ import annotations

import collections

import keras
import numpy as np
from keras import layers, ops

X = np.random.default_rng(0).normal(size=(48, 6)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
LABELS = (Y > 0).astype("float32")


def dense(units=4, rate=0.01, loss="mse", **options):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(units), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), loss, **options)
    return model


def history(fit):
    return [fit.epoch, fit.history]


def mlp(callbacks, run, moment, epochs=12, size=16):
    rng = np.random.default_rng(0)
    x = rng.random((size * 6, 8)).astype("float32")
    y = (x.sum(1) > 4).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(momentum=0.5),
            layers.GaussianNoise(0.1),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    fit = model.fit(
        x, y, batch_size=size, epochs=epochs, verbose=0, validation_data=(x[:40], y[:40]),
        callbacks=[
            keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
            *callbacks,
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.02),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ],
    )  # fmt: skip
    variables = [*model.variables, *model.optimizer.variables]
    return history(fit), [ops.convert_to_numpy(each) for each in variables]


# -- state outside model and optimizer --------------------------------------------------------


class Gan(keras.Model):
    def __init__(self):
        super().__init__()
        self.d = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
        self.g = keras.Sequential([keras.Input((3,)), layers.Dense(6)])

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real):
        import tensorflow as tf

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


def gan(callbacks, run, moment, made=Gan):
    import tensorflow as tf

    model = made()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.01))
    data = tf.data.Dataset.from_tensor_slices(X).batch(16)
    fit = model.fit(data, epochs=5, shuffle=False, verbose=0, callbacks=callbacks)
    return history(fit), model.d.get_weights(), model.g.get_weights()


class Anneal(keras.callbacks.Callback):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def on_epoch_end(self, epoch, logs=None):
        self.weight.assign(self.weight * 0.5 + 0.1)


def annealed_loss(callbacks, run, moment):
    beta = keras.Variable(1.0, trainable=False)

    def loss(true, found):
        return ops.mean((true - found) ** 2) + beta * ops.mean(ops.abs(found))

    model = dense(loss=loss)
    fit = model.fit(X, Y, epochs=5, verbose=0, callbacks=[*callbacks, Anneal(beta)])
    return history(fit), float(beta)


def loss_with_a_counter(callbacks, run, moment):
    class Growing(keras.losses.Loss):
        def __init__(self):
            super().__init__()
            self.seen = keras.Variable(0.0, trainable=False)

        def call(self, true, found):
            self.seen.assign_add(0.01)
            return ops.mean((true - found) ** 2, -1) * self.seen

    model = dense(loss=Growing())
    return history(model.fit(X, Y, epochs=5, verbose=0, callbacks=callbacks))


def stateful_rnn(callbacks, run, moment):
    model = keras.Sequential(
        [keras.Input((2, 3), batch_size=16), layers.GRU(4, stateful=True), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    fit = model.fit(
        X.reshape(-1, 2, 3), Y, batch_size=16, epochs=5, shuffle=False, verbose=0,
        callbacks=callbacks,
    )  # fmt: skip
    return history(fit), model.get_weights()


class Distiller(keras.Model):
    """A teacher with dropout, a student, and a moving average of the student."""

    def __init__(self):
        super().__init__()
        self.teacher, self.student, self.average = (
            keras.Sequential([keras.Input((6,)), layers.Dense(4), *more, layers.Dense(1)])
            for more in ([layers.Dropout(0.5)], [], [])
        )
        self.average.set_weights(self.student.get_weights())

    def call(self, x):
        return self.student(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean((self.teacher(x, training=True) - y_pred) ** 2) + ops.mean(
            (y - y_pred) ** 2
        )

    def train_step(self, *args):
        found = super().train_step(*args)
        for mean, weight in zip(self.average.weights, self.student.weights, strict=True):
            mean.assign(0.9 * mean + 0.1 * weight)
        return found


def teacher_and_average(callbacks, run, moment):
    model = Distiller()
    model.compile(keras.optimizers.Adam(0.01))
    fit = model.fit(X, Y, epochs=5, verbose=0, callbacks=callbacks)
    return history(fit), model.average.get_weights(), model.get_weights()


def mixed_precision_and_average(callbacks, run, moment):
    keras.config.set_dtype_policy("mixed_float16")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, dtype="float32")])
    model.compile(keras.optimizers.Adam(0.01, use_ema=True, gradient_accumulation_steps=2), "mse")
    fit = model.fit(X, Y, epochs=5, verbose=0, callbacks=callbacks)
    return history(fit), model.get_weights()


# -- callbacks --------------------------------------------------------------------------------


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


def odd_callback(callbacks, run, moment):
    shared = []
    fit = dense().fit(X, Y, epochs=5, verbose=0, callbacks=[*callbacks, Odd(shared)])
    return history(fit), shared


class Streaming(keras.callbacks.Callback):
    """Counts in something that cannot be kept: a generator in its middle."""

    def __init__(self):
        super().__init__()
        self.numbers = (n for n in range(100))

    def on_epoch_end(self, epoch, logs=None):
        logs["number"] = next(self.numbers)


def callback_that_cannot_be_kept(callbacks, run, moment):
    dense().fit(X, Y, epochs=5, verbose=0, callbacks=[Streaming(), *callbacks])


class Mean(keras.callbacks.Callback):
    """A running mean of the weights, exchanged for them at the end."""

    def on_train_begin(self, logs=None):
        self.mean = {w.path: np.zeros(w.shape) for w in self.model.weights}

    def on_epoch_end(self, epoch, logs=None):
        for weight in self.model.weights:
            self.mean[weight.path] += (ops.convert_to_numpy(weight) - self.mean[weight.path]) / (
                epoch + 1
            )

    def on_train_end(self, logs=None):
        for weight in self.model.weights:
            weight.assign(self.mean[weight.path])


def mean_of_weights(callbacks, run, moment):
    model = dense(16)
    fit = model.fit(X, Y, epochs=5, verbose=0, callbacks=[*callbacks, Mean()])
    return history(fit), model.get_weights()


def swapped_average(callbacks, run, moment):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.8), "mse")
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit = model.fit(X, Y, epochs=5, verbose=0, validation_data=(X, Y), callbacks=[swap, *callbacks])
    return history(fit), model.get_weights()


class Curriculum(keras.callbacks.Callback):
    """Makes its own data harder as training gets better, with NumPy's global generator."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_epoch_end(self, epoch, logs=None):
        self.data.noise *= 0.5 + np.random.random()
        logs["noise"] = self.data.noise


class Noisy(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.noise = 0.1

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        x = X[index * 16 : index * 16 + 16]
        return x + rng.normal(0, self.noise, x.shape), Y[index * 16 : index * 16 + 16]


def dataset_that_a_callback_changes(callbacks, run, moment):
    data = Noisy()
    model = dense()
    fit = model.fit(
        data, epochs=5, shuffle=False, verbose=0, callbacks=[Curriculum(data), *callbacks]
    )
    return history(fit), model.get_weights()


class Lookahead(keras.optimizers.Optimizer):
    """Wraps another optimizer, and follows it slowly."""

    def __init__(self, **options):
        super().__init__(learning_rate=0.01, **options)
        self.fast = keras.optimizers.Adam(0.01)
        self.slow = []

    def build(self, variables):
        super().build(variables)
        self.fast.build(variables)
        self.slow = [keras.Variable(v, trainable=False) for v in variables]

    def apply_gradients(self, pairs):
        pairs = list(pairs)
        if not self.built:
            self.build([v for _, v in pairs])
        self.fast.apply_gradients(pairs)
        for slow, (_, fast) in zip(self.slow, pairs, strict=True):
            slow.assign(slow + 0.1 * (fast - slow))
            fast.assign(0.5 * fast + 0.5 * slow)


class Running(keras.metrics.Metric):
    """Forgets but half at each epoch's end."""

    def __init__(self):
        super().__init__(name="running")
        self.sum = self.add_variable((), "zeros", name="sum")

    def update_state(self, true, found, sample_weight=None):
        self.sum.assign_add(ops.mean(ops.abs(true - found)))

    def result(self):
        return self.sum.value

    def reset_state(self):
        self.sum.assign(self.sum * 0.5)


def optimizer_and_metric_of_ones_own(callbacks, run, moment):
    teacher = dense(2)

    class Follow(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for mine, its in zip(teacher.weights, self.model.weights, strict=True):
                mine.assign(0.9 * mine + 0.1 * its)

    model = keras.Sequential([keras.Input((6,)), layers.Dense(2), layers.Dense(1)])
    model.compile(Lookahead(), "mse", metrics=[Running()])
    fit = model.fit(X, Y, batch_size=16, epochs=5, verbose=0, callbacks=[*callbacks, Follow()])
    return history(fit), model.get_weights(), teacher.get_weights()


class Counts:
    def __init__(self):
        self.epochs = 0

    def one_more(self, epoch, logs):
        self.epochs += 1


def functions_that_remember(callbacks, run, moment):
    seen, counts, number = {"worse": 0}, Counts(), 0

    def rate(epoch, now):
        seen["worse"] += epoch % 2
        return 0.01 / (1 + seen["worse"])

    def count(epoch, logs):
        nonlocal number
        number += 1

    more = [
        keras.callbacks.LearningRateScheduler(rate),
        keras.callbacks.LambdaCallback(on_epoch_end=count),
        keras.callbacks.LambdaCallback(on_epoch_end=counts.one_more),
    ]
    fit = dense().fit(X, Y, epochs=5, verbose=0, callbacks=[*more, *callbacks])
    return history(fit), seen, counts.epochs, number


class Recompiles(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            self.model.layers[0].trainable = False
            self.model.compile(keras.optimizers.SGD(0.001), "mae")
            self.model.make_train_function(force=True)


def recompiled_by_a_callback(callbacks, run, moment):
    model = dense()
    fit = model.fit(X, Y, epochs=5, verbose=0, callbacks=[Recompiles(), *callbacks])
    return history(fit), model.get_weights()


class Shuffling(Noisy):
    """Draws its order after each epoch, as many do."""

    def __init__(self):
        super().__init__()
        self.order, self.random = np.arange(len(X)), np.random.default_rng(1)

    def on_epoch_end(self):
        self.random.shuffle(self.order)
        np.random.shuffle(self.order)

    def __getitem__(self, index):
        chosen = self.order[index * 16 : index * 16 + 16]
        return X[chosen], Y[chosen]


def dataset_that_shuffles_itself(callbacks, run, moment):
    data, model = Shuffling(), dense()
    fit = model.fit(data, epochs=5, shuffle=False, verbose=0, callbacks=callbacks)
    return history(fit), model.get_weights(), data.order


def attributes_of_the_model(callbacks, run, moment):
    model = Lazy()
    model.compile("adam", "mse")
    model.temperature = 1.0

    class Cool(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.temperature *= 0.8
            logs["temperature"] = self.model.temperature

    model.fit(X, Y, epochs=5, verbose=0, callbacks=[Cool(), *callbacks])


# -- several fits -----------------------------------------------------------------------------


def kfold(callbacks, run, moment, made=dense):
    scores = []
    for fold in range(3):
        held = np.arange(len(X)) % 3 == fold
        model = made()
        stop = keras.callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
        order = np.random.permutation(np.flatnonzero(~held))
        moment()
        fit = model.fit(X[order], Y[order], epochs=3, verbose=0, callbacks=[*callbacks, stop])
        moment()
        scores.append([model.evaluate(X[held], Y[held], verbose=0), history(fit)])
    run.report(cv=float(np.mean([score for score, _ in scores])))
    return scores


def fine_tuning(callbacks, run, moment):
    model = dense()
    first = model.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks)
    moment()
    run.report(between=1.0)
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.001), "mse")
    moment()
    second = model.fit(X, Y, epochs=5, initial_epoch=2, verbose=0, callbacks=callbacks)
    moment()
    third = model.fit(X, Y, epochs=1, verbose=0, callbacks=callbacks)
    return [history(fit) for fit in (first, second, third)], model.get_weights()


def two_models_in_turn(callbacks, run, moment):
    teacher, student = dense(8), dense(2, 0.1)
    losses = []
    for _ in range(2):
        teacher.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks)
        moment()
        targets = teacher.predict(X, verbose=0)
        fit = student.fit(X, targets, epochs=2, verbose=0, callbacks=callbacks)
        losses.append(fit.history["loss"])
    return losses, student.get_weights()


def pretrained_features(callbacks, run, moment):
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="tanh")])
    codec = keras.Sequential([encoder, layers.Dense(6)])
    codec.compile("adam", "mse")
    codec.fit(X, X, epochs=3, verbose=0, callbacks=callbacks)
    moment()
    features = encoder.predict(X, verbose=0)
    encoder.trainable = False
    head = keras.Sequential([encoder, layers.Dropout(0.2), layers.Dense(1, activation="sigmoid")])
    head.compile("adam", "binary_crossentropy")
    fit = head.fit(X, LABELS, epochs=3, verbose=0, callbacks=callbacks)
    return history(fit), float(features.sum()), head.get_weights()


def a_fit_an_epoch(callbacks, run, moment):
    model = dense()
    losses = []
    for _ in range(5):
        losses += model.fit(X, Y, epochs=1, verbose=0, callbacks=callbacks).history["loss"]
        moment()
    return losses, model.get_weights()


# -- loops and models of one's own ------------------------------------------------------------


def own_loop(callbacks, run, moment):
    import tensorflow as tf

    model = dense()
    optimizer = keras.optimizers.Adam(0.01)
    heard = keras.callbacks.CallbackList(callbacks, model=model)
    heard.on_train_begin()
    losses = []
    for epoch in range(5):
        heard.on_epoch_begin(epoch)
        order = np.random.permutation(len(X))
        for batch in range(3):
            chosen = order[batch * 16 : batch * 16 + 16]
            with tf.GradientTape() as tape:
                loss = ops.mean((model(X[chosen], training=True) - Y[chosen]) ** 2)
            weights = model.trainable_weights
            optimizer.apply(tape.gradient(loss, weights), weights)
            moment()
        losses.append(float(loss))
        heard.on_epoch_end(epoch, {"loss": losses[-1]})
    heard.on_train_end()
    return losses, model.get_weights()


def own_loop_without_keras(callbacks, run, moment):
    weights = np.random.normal(size=6)
    for epoch in range(5):
        chosen = np.random.permutation(len(X))[:16]
        wrong = X[chosen] @ weights - Y[chosen, 0]
        weights -= 0.05 * X[chosen].T @ wrong / 16
        run.report(epoch=epoch + 1, loss=float(np.mean(wrong**2)))
        moment()
    return weights


class Lazy(keras.Model):
    """Subclassed, and built by its first batch."""

    def __init__(self):
        super().__init__()
        self.one, self.drop, self.two = layers.Dense(8), layers.Dropout(0.3), layers.Dense(1)

    def call(self, x, training=None):
        return self.two(self.drop(self.one(x), training=training))


def subclassed(callbacks, run, moment):
    model = Lazy()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    fit = model.fit(X, Y, epochs=5, verbose=0, validation_split=0.25, callbacks=callbacks)
    return history(fit), model.get_weights()


class LateGan(Gan):
    """Its parts are first built within train_step."""

    def __init__(self):
        super().__init__()
        self.d, self.g = keras.Sequential([layers.Dense(1)]), keras.Sequential([layers.Dense(6)])


def built_in_train_step(callbacks, run, moment):
    return gan(callbacks, run, moment, LateGan)


def unbuilt_sequential(callbacks, run, moment):
    model = keras.Sequential([layers.Dense(8), layers.Dropout(0.3), layers.Dense(1)])
    model.compile("rmsprop", "mse")
    fit = model.fit(X, Y, epochs=5, verbose=0, callbacks=callbacks)
    return history(fit), model.get_weights()


def functional_with_two_outputs(callbacks, run, moment):
    inputs = keras.Input((6,), name="x")
    hidden = layers.GaussianNoise(0.1)(layers.Dense(8, activation="relu")(inputs))
    outputs = {"sum": layers.Dense(1, name="sum")(hidden),
               "sign": layers.Dense(1, "sigmoid", name="sign")(hidden)}  # fmt: skip
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 3, 0.9)
    model.compile(
        keras.optimizers.AdamW(rate, clipnorm=1.0),
        {"sum": "mse", "sign": "binary_crossentropy"},
        metrics={"sign": ["accuracy", keras.metrics.AUC()]},
    )
    fit = model.fit(
        {"x": X}, {"sum": Y, "sign": LABELS}, sample_weight={"sum": Y[:, 0] ** 2, "sign": None},
        epochs=5, verbose=0, callbacks=callbacks,
    )  # fmt: skip
    return history(fit), model.get_weights()


# -- input ------------------------------------------------------------------------------------


def reshuffled_pipelines(callbacks, run, moment):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y))
    held = data.shuffle(64, seed=3).repeat().batch(8)
    fit = dense().fit(
        data.shuffle(64).batch(16), epochs=5, shuffle=False, verbose=0, callbacks=callbacks,
        validation_data=held, validation_steps=2,
    )  # fmt: skip
    return history(fit)


def batches():
    rng = np.random.default_rng(3)
    while True:
        chosen = rng.integers(len(X), size=16)
        yield X[chosen], Y[chosen]


def endless_generator(callbacks, run, moment):
    model = dense()
    fit = model.fit(batches(), steps_per_epoch=4, epochs=5, verbose=0, callbacks=callbacks)
    return history(fit), model.get_weights()


def generator_of_two_fits(callbacks, run, moment):
    endless, losses = batches(), []
    for _ in range(2):
        fit = dense().fit(endless, steps_per_epoch=3, epochs=3, verbose=0, callbacks=callbacks)
        losses.append(history(fit))
        moment()
    return losses


def pipeline_with_a_state(callbacks, run, moment):
    import tensorflow as tf

    seen = tf.Variable(0.0)
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(48).cache()
    data = data.map(lambda x, y: (x * (1 + 0.001 * seen.assign_add(1.0)), y)).batch(16)
    dense().fit(data, epochs=5, shuffle=False, verbose=0, callbacks=callbacks)


def backed_up_in_mid_epoch(callbacks, run, moment):
    model = Lazy()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    fit = model.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=callbacks)
    return history(fit), model.get_weights()


class Drawing(layers.Layer):
    def call(self, x):
        import tensorflow as tf

        return x + 0.1 * tf.random.normal(tf.shape(x))


def draws_that_cannot_be_kept(callbacks, run, moment):
    model = keras.Sequential([keras.Input((6,)), Drawing(), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=5, verbose=0, callbacks=callbacks)


def backed_up_now_and_then(callbacks, run, moment):
    return mlp(callbacks, run, moment)


OPTIONS = {
    "backed_up_in_mid_epoch": {"backup_every": 2},
    "backed_up_now_and_then": {"share": 1e-9},
}
"""What the experiment manager is given for a program, and the share of time for backups."""

TRAINED_AGAIN = {
    "backed_up_now_and_then",
    "recompiled_by_a_callback",
    "own_loop",
    "own_loop_without_keras",
    "built_in_train_step",
}
"""Programs that start from the first epoch again, or from one before the last."""

TENSORFLOW = {
    "gan",
    "built_in_train_step",
    "own_loop",
    "pipeline_with_a_state",
    "recompiled_by_a_callback",
    "teacher_and_average",
    "reshuffled_pipelines",
    "draws_that_cannot_be_kept",
}

PROGRAMS = {
    function.__name__: function
    for function in (
        mlp, gan, annealed_loss, loss_with_a_counter, stateful_rnn, teacher_and_average,
        mixed_precision_and_average, odd_callback, callback_that_cannot_be_kept, mean_of_weights,
        swapped_average, dataset_that_a_callback_changes, kfold, fine_tuning, two_models_in_turn,
        pretrained_features, a_fit_an_epoch, own_loop, own_loop_without_keras, subclassed,
        built_in_train_step, unbuilt_sequential, functional_with_two_outputs, reshuffled_pipelines,
        optimizer_and_metric_of_ones_own, functions_that_remember, recompiled_by_a_callback,
        dataset_that_shuffles_itself, attributes_of_the_model, generator_of_two_fits,
        pipeline_with_a_state, endless_generator, backed_up_in_mid_epoch, backed_up_now_and_then,
        draws_that_cannot_be_kept,
    )
}  # fmt: skip
