"""A fit broken off and gone on with ends as the one that was not, bit for bit."""

from __future__ import annotations

import json
import math
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from sweeper.experiment import keras_callbacks
from sweeper.experiment.variables import StateMismatch, Variables, restore
from tests.opened import open_run

from .conftest import PARAMS, TENSORFLOW, same


class Counter(keras.callbacks.Callback):
    """A callback of the user's with a state of its own."""

    def __init__(self, data=None):
        super().__init__()
        self.data = data
        self.epochs = 0
        self.losses = []
        self.best = math.nan
        self.weights = None

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        self.losses.append(float(logs["loss"]))
        self.weights = [w * 2 for w in self.model.get_weights()]
        if self.epochs > 3:
            self.model.stop_training = True


class Stateful(keras.callbacks.Callback):
    """One that stores its state as it likes."""

    def __init__(self):
        super().__init__()
        self.seen = {7: set()}

    def on_epoch_end(self, epoch, logs=None):
        self.seen[7].add(epoch)

    def state_dict(self):
        return {"seen": sorted(self.seen[7])}

    def load_state_dict(self, state):
        self.seen[7] = set(state["seen"])


def test_everything_at_once(problem):
    created = []

    def others():
        created.append(
            [
                keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
                keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.3, cooldown=1),
                keras.callbacks.ModelCheckpoint(
                    str(problem.base / "own.keras"), "val_loss", save_best_only=True
                ),
                keras.callbacks.LearningRateScheduler(lambda e, rate: rate * 0.9),
                Counter(np.zeros(1_000_000)),
                Stateful(),
            ]
        )
        return created[-1]

    problem.epochs, problem.rich = 6, True
    whole, parts = problem.both(1, 3, others=others)
    assert same(whole, parts)
    a, b = created[0], created[-1]
    names = ("wait", "best", "best_epoch", "stopped_epoch")
    assert [getattr(a[0], n) for n in names] == [getattr(b[0], n) for n in names]
    assert (a[1].wait, a[1].cooldown_counter, a[1].best) == (
        b[1].wait, b[1].cooldown_counter, b[1].best,
    )  # fmt: skip
    assert a[2].best == b[2].best
    assert (a[4].epochs, a[4].losses) == (b[4].epochs, b[4].losses)
    assert a[4].epochs == 4
    for x, y in zip(a[4].weights, b[4].weights, strict=True):
        np.testing.assert_array_equal(x, y)
    assert a[5].seen == b[5].seen == {7: {0, 1, 2, 3}}
    assert whole[0].history_of_fit.epoch == parts[0].history_of_fit.epoch == [0, 1, 2, 3]
    assert whole[0].history_of_fit.history == parts[0].history_of_fit.history
    assert parts[1].provenance["attempts"][-1]["resumed_from_epoch"] == 3


def test_our_callbacks_may_stand_anywhere(problem):
    def train(name, order):
        run = problem.open(name)
        stop = keras.callbacks.EarlyStopping("val_loss", patience=2)
        lower = keras.callbacks.ReduceLROnPlateau("loss", patience=1)
        model = problem.model()
        ours = keras_callbacks(run)
        model.fit(
            problem.x[:8], problem.y[:8], epochs=2, verbose=0, callbacks=order(ours, stop, lower),
            validation_data=(problem.x[:8], problem.y[:8]),
        )  # fmt: skip
        (newest,) = run.backups.names()
        state = json.loads((run.paths.backup / newest / "state.json").read_text())["state"]
        run.close("finished")
        return state["callbacks"], problem.record(name).rows

    first = train("a", lambda ours, stop, lower: [*ours, stop, lower])
    last = train("b", lambda ours, stop, lower: [stop, lower, *ours])
    assert first == last
    if TENSORFLOW:  # Keras takes nested lists there alone
        assert first == train("c", lambda ours, stop, lower: [stop, [ours], lower])
        assert first == train("d", lambda ours, stop, lower: [[*ours, stop], lower])
    assert [c["class"] for c in first[0]["each"]] == ["EarlyStopping", "ReduceLROnPlateau"]
    assert "learning_rate" in first[1][0]


def test_a_run_at_its_last_epoch_finishes_at_once(problem, whole):
    run = problem.open("parts")
    from sweeper.experiment import resuming

    before, resuming.CHEAP_EPOCH_SECONDS = resuming.CHEAP_EPOCH_SECONDS, -1.0
    try:
        problem.fit(run, ends=False)  # killed after its last epoch, before its end
    finally:
        resuming.CHEAP_EPOCH_SECONDS = before
    run.interrupt()
    run = problem.open("parts")
    assert run.resumed_epoch == problem.epochs
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: batches.append(b))
    parts = problem.fit(run, others=lambda: [count])
    assert batches == []
    assert same(whole, (parts, problem.record("parts")))


def test_a_run_that_stopped_early_stays_stopped(problem):
    from sweeper.experiment import resuming

    before, resuming.CHEAP_EPOCH_SECONDS = resuming.CHEAP_EPOCH_SECONDS, -1.0
    others = lambda: [keras.callbacks.EarlyStopping("loss", patience=1, min_delta=99)]  # noqa: E731
    try:
        run = problem.open("parts")
        problem.fit(run, others=others, ends=False)
    finally:
        resuming.CHEAP_EPOCH_SECONDS = before
    run.interrupt()
    problem.fit(problem.open("parts"), others=others)
    assert [row["epoch"] for row in problem.record("parts").rows] == [1, 2]


@pytest.mark.parametrize(("at", "cheap"), [(3, 5.0), (2, -1.0)])
def test_several_fits_in_one_run(problem, monkeypatch, at, cheap):
    # The last epoch of a fit is backed up if it took longer than this.
    monkeypatch.setattr("sweeper.experiment.resuming.CHEAP_EPOCH_SECONDS", cheap)

    def train(name, at=None):
        run = problem.open(name)

        def report(epoch):
            if epoch["epoch"] == at and run.resumed_epoch < at:
                raise KeyError

        callbacks = keras_callbacks(run, report)
        model = problem.model()
        try:
            model.fit(problem.x, problem.y, epochs=2, verbose=0, callbacks=callbacks)
            model.compile(keras.optimizers.SGD(0.01), "binary_crossentropy", run_eagerly=True)
            model.fit(problem.x, problem.y, epochs=2, verbose=0, callbacks=callbacks)
            model.fit(problem.x, problem.y, epochs=6, initial_epoch=4, verbose=0,
                      callbacks=callbacks)  # fmt: skip
        except KeyError:
            run.interrupt()
            return None
        run.close("finished")
        model.final = Variables(model, []).read()
        return model, problem.record(name)

    whole = train("whole")
    assert [row["epoch"] for row in whole[1].rows] == [1, 2, 3, 4, 5, 6]
    assert train("parts", at=at) is None
    assert same(whole, train("parts"))


@pytest.mark.parametrize("every", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 5))])
def test_backups_within_an_epoch(problem, whole, every):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == 4 and batch == 1:  # in the second epoch
                raise KeyError

    run = problem.open("parts", backup_every=every)
    with pytest.raises(KeyError):
        problem.fit(run, others=lambda: [Stop()])
    run.interrupt()
    partial = [name for name in run.backups.names() if "batch" in name]
    assert bool(partial) == (every < 3)
    # Later attempts need not ask for it.
    trained = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: trained.append(b))
    parts = problem.fit(problem.open("parts"), others=lambda: [count])
    assert same(whole, (parts, problem.record("parts")))
    assert len(trained) == 6  # those of the second epoch that are passed over are counted too


def test_without_reproducible_training_goes_on_too(problem):
    (_, a), (_, b) = problem.both(2, reproducible=False)
    assert [r["epoch"] for r in a.rows] == [r["epoch"] for r in b.rows] == [1, 2, 3]
    random.seed(1)
    before = random.getstate()
    run = problem.open("third", reproducible=False)
    backend_state = random.getstate()
    keras_callbacks(run)
    assert random.getstate() == backend_state
    assert before is not None
    run.interrupt()


def pipeline(problem, **options):
    def make():
        augment = keras.layers.GaussianNoise(0.1, seed=4)
        data = tf.data.Dataset.from_tensor_slices((problem.x, problem.y))
        data = data.shuffle(40, seed=1)
        if options.get("repeat"):
            data = data.repeat()
        data = data.batch(16)
        # tf.data prepares a batch ahead, across the ends of epochs; and this layer is for
        # TensorFlow's data only where it is the backend.
        if options.get("repeat") or not TENSORFLOW:
            return data
        return data.map(lambda x, y: (augment(x, training=True), y))

    return make


def test_a_pipeline_that_reshuffles(problem):
    assert same(*problem.both(2, data=pipeline(problem), shuffle=False))


@pytest.mark.parametrize("own", [False, True])
def test_a_data_loader(problem, own):
    torch = pytest.importorskip("torch")

    def data():
        tensors = torch.utils.data.TensorDataset(*map(torch.from_numpy, (problem.x, problem.y)))
        generator = torch.Generator().manual_seed(3) if own else None
        return torch.utils.data.DataLoader(tensors, 16, shuffle=True, generator=generator)

    assert same(*problem.both(1, 2, data=data, shuffle=False))


@pytest.mark.slow
def test_an_endless_pipeline(problem):
    data = pipeline(problem, repeat=True)
    assert same(*problem.both(1, 2, data=data, steps_per_epoch=2, shuffle=False))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_pipeline_of_unknown_length(problem):
    def data():
        return pipeline(problem)().filter(lambda x, y: True)

    assert same(*problem.both(2, data=data, shuffle=False))


def test_a_python_dataset(problem):
    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            part = slice(index * 13, index * 13 + 13)
            return problem.x[part], problem.y[part]

    assert same(*problem.both(2, data=Data))


def test_a_subclassed_model_is_built_before_it_is_restored(problem):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.a = keras.layers.Dense(8, activation="relu")
            self.b = keras.layers.Dropout(0.2)
            self.c = keras.layers.Dense(1, activation="sigmoid")

        def call(self, x, training=False):
            return self.c(self.b(self.a(x), training=training))

    def build():
        net = Net()
        net.compile("adam", "binary_crossentropy", metrics=["accuracy"], run_eagerly=True)
        return net

    assert same(*problem.both(2, build=build, checkpoint={"save_weights_only": True}))


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() == "torch", reason="Keras has none there")
def test_several_steps_per_execution(problem):
    def build():
        return problem.model(steps_per_execution=2, run_eagerly=False)

    assert same(*problem.both(2, build=build, backup_every=1))


@pytest.mark.skipif(not TENSORFLOW, reason="about TensorFlow's operations")
def test_operations_with_a_hidden_state_are_named(problem, caplog):
    class Noise(keras.layers.Layer):
        def call(self, x, training=False):
            return x + tf.random.normal(tf.shape(x))

    def build():
        model = keras.Sequential([keras.Input((8,)), Noise(), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    problem.epochs = 2
    problem.both(1, build=build, validation_data=None)
    assert "RandomStandardNormal" in caplog.text
    assert "not exactly" in caplog.text


def test_a_torn_backup_is_set_aside_and_the_one_before_it_used(problem, whole, caplog):
    damages = [
        lambda p: (p / "arrays.npz").write_bytes((p / "arrays.npz").read_bytes()[:-9]),
        lambda p: (p / "state.json").unlink(),
    ]
    for number, damage in enumerate(damages):
        name = f"parts {number}"
        problem.fit(problem.open(name), until=2)
        run = problem.open(name)
        newest = run.paths.backup / run.backups.names()[0]
        damage(newest)
        parts = problem.fit(run)
        assert str(newest) in caplog.text
        assert same(whole, (parts, problem.record(name)), aside=True)
        assert problem.record(name).provenance["attempts"][-1]["resumed_from_epoch"] == 1
        assert list(run.paths.aside.iterdir())


def test_no_backup_left_is_said_aloud_and_nothing_is_deleted(problem, caplog):
    problem.epochs = 2
    problem.fit(problem.open("parts"), until=1)
    run = problem.open("parts")
    for name in run.backups.names():
        (run.paths.backup / name / "arrays.npz").write_bytes(b"garbage")
    rows = run.paths.training_logs.read_bytes()
    problem.fit(run)
    assert "starts again from epoch 1" in caplog.text
    kept = {p.name.split("-", 1)[1]: p for p in run.paths.aside.iterdir()}
    assert kept["training-logs.csv"].read_bytes() == rows
    assert list(kept["models"].iterdir())
    record = problem.record("parts")
    assert [row["epoch"] for row in record.rows] == [1, 2]
    assert record.provenance["attempts"][-1]["resumed_from_epoch"] == 0


def test_the_backup_of_another_model_or_run_is_foreign(problem, caplog):
    problem.epochs = 2
    problem.fit(problem.open("parts"), until=1)
    run = problem.open("parts")

    def build():
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile("sgd", "binary_crossentropy", run_eagerly=True)
        return model

    problem.fit(run, build=build)
    assert "is stored for" in caplog.text
    assert "starts again from epoch 1" in caplog.text

    problem.fit(problem.open("other"), until=1)
    other = problem.open("other")
    path = other.paths.backup / other.backups.names()[0] / "state.json"
    path.write_text(path.read_text().replace("exp-", "exp-9"))
    other.interrupt()
    problem.fit(problem.open("other"))
    assert "a backup of" in caplog.text
    assert [row["epoch"] for row in problem.record("other").rows] == [1, 2]


def test_another_callback_than_before_is_named_and_takes_nobody_s_state(problem, caplog):
    counters = []

    def others():
        counters.append(Counter())
        more = [keras.callbacks.EarlyStopping("loss", patience=9)] if len(counters) > 1 else []
        return [*more, counters[-1]]

    problem.epochs = 2
    problem.fit(problem.open("parts"), until=1, others=others)
    problem.fit(problem.open("parts"), others=others)
    assert "EarlyStopping" in caplog.text
    assert [counter.epochs for counter in counters] == [1, 2]
    assert [row["epoch"] for row in problem.record("parts").rows] == [1, 2]


def test_a_metric_called_epoch_is_left_out_and_that_is_said_once(problem, caplog):
    class Names(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["epoch"] = 7.0

    problem.fit(problem.open("tree"), others=lambda: [Names()], epochs=2, validation_data=None)
    assert [sorted(row) for row in problem.record("tree").rows] == [["epoch", "loss"]] * 2
    assert [row["epoch"] for row in problem.record("tree").rows] == [1, 2]
    assert caplog.text.count("'epoch' is not recorded") == 1


def test_a_lost_lease_ends_the_training(problem):
    from sweeper.errors import LeaseLost

    run = problem.open("parts")

    def report(epoch):
        if epoch["epoch"] == 2:
            open_run(problem.base / "parts", PARAMS, seed=3, take_over=True).interrupt()

    callbacks = keras_callbacks(run, report)
    with pytest.raises(LeaseLost):
        problem.model().fit(problem.x, problem.y, epochs=4, verbose=0, callbacks=callbacks)
    assert len(problem.record("parts").rows) == 2


def test_backend_state_fits_or_nothing_changes(problem):
    model = problem.model()
    arrays = Variables(model, []).read()
    name = list(arrays)[-1]
    before = [w.copy() for w in model.get_weights()]
    changed = {key: np.ones_like(value) for key, value in arrays.items()}
    for bad in (
        {**changed, name: np.zeros((3, 3), "float32")},
        {**changed, name: arrays[name].astype("int16")},
        {key: value for key, value in changed.items() if key != name},
    ):
        with pytest.raises(StateMismatch):
            restore(model, [], bad, {})
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
