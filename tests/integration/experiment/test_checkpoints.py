"""Which models stay, what they are called, and that they are whole."""

from __future__ import annotations

import math
import os

import keras
import numpy as np
import pytest

import sweeper
from sweeper.errors import UsageError
from sweeper.experiment import ExperimentManager, keras_callbacks
from sweeper.tree import RunRecord, files

LOSSES = [3.0, 1.0, 2.0, 0.5, 4.0]


class Say(keras.callbacks.Callback):
    """Puts the losses of our choice into the logs."""

    def __init__(self, losses=LOSSES, name="val_loss"):
        super().__init__()
        self.losses = losses
        self.named = name

    def on_epoch_end(self, epoch, logs=None):
        value = self.losses[epoch]
        if value is not None:
            logs[self.named] = value


def train(problem, checkpoint=None, say=None, **options):
    run = problem.open("tree", checkpoint=checkpoint)
    say = say or Say()
    options = {"batch_size": 40, **options}
    problem.fit(run, others=lambda: [say], epochs=len(say.losses), validation_data=None, **options)
    return problem.record("tree")


NAMES = [f"model.{epoch:02d}-{loss:.4f}.keras" for epoch, loss in enumerate(LOSSES, 1)]
NAN = math.nan


@pytest.mark.parametrize(
    ("checkpoint", "losses", "expected", "best"),
    [
        (None, LOSSES, NAMES[3:4], 4),
        ({"keep": "last"}, LOSSES, NAMES[4:], 4),
        ({"keep": ["best", "last"]}, LOSSES, NAMES[3:], 4),
        ({"keep": "all"}, LOSSES, NAMES, 4),
        ({"keep": [3, "last"]}, LOSSES, NAMES[1:], 4),
        ({"keep": 2, "mode": "max"}, LOSSES, [NAMES[0], NAMES[4]], 5),
        ({"initial_value_threshold": 0.1}, LOSSES, [], 4),
        (None, [NAN, 2.0, NAN, 3.0], ["model.02-2.0000.keras"], 2),
        ({"mode": "max"}, [NAN, NAN, math.inf], ["model.03-inf.keras"], None),
        (None, [NAN, NAN], ["model.02-nan.keras"], None),
        (None, [None, 2.0, None, 1.0, None], ["model.04-1.0000.keras"], 4),
    ],
)
def test_which_models_stay(problem, checkpoint, losses, expected, best):
    record = train(problem, checkpoint, say=Say(losses))
    assert [path.name for path in record.models.values()] == expected
    assert (record.performances["best"] or {}).get("epoch") == best
    assert record.checkpoint == record.models.get(best, record.latest_checkpoint)
    assert record.performances["monitor"] == "val_loss"
    assert repr([row.get("val_loss") for row in record.rows]) == repr(losses)


def test_a_metric_that_never_comes(problem, caplog):
    record = train(problem, {"monitor": "val_auc"}, say=Say([1.0, 2.0]))
    assert record.performances["best"] is None
    assert [p.name for p in record.models.values()] == ["model.02.keras"]
    assert "val_auc" in caplog.text


def test_a_template_that_cannot_be_filled_in(problem):
    with pytest.raises(UsageError, match="filled in"):
        train(problem, {"filepath": "m-{auc}.keras"})


def test_the_old_one_goes_after_the_new_one_is_there(problem, monkeypatch):
    seen = []
    remove = files.remove

    def watch(path):
        if path.parent.name == "models" and not path.name.startswith("."):
            seen.append((path.name, sorted(n for n in os.listdir(path.parent) if n[0] != ".")))
        remove(path)

    monkeypatch.setattr(files, "remove", watch)
    train(problem)
    assert [name for name, _ in seen] == ["model.01-3.0000.keras", "model.02-1.0000.keras"]
    assert all(len(there) == 2 for _, there in seen)


def test_a_save_that_fails_leaves_nothing_and_ends_nothing(problem, caplog):
    run = problem.open("tree")
    callbacks = keras_callbacks(run)
    model = problem.model()

    whole = model.save

    def save(path):
        if run.log.last_epoch < 3:
            with open(path, "w") as file:
                file.write("half")
            raise OSError(28, "No space left on device")
        whole(path)

    model.save = save
    model.fit(problem.x, problem.y, epochs=3, verbose=0, callbacks=callbacks)
    assert len(run.log.rows) == 3
    assert [name[:8] for name in os.listdir(run.paths.models)] == ["model.03"]
    assert "free some space" in caplog.text
    run.interrupt()


def test_a_model_that_cannot_be_serialised_keeps_its_weights(problem, caplog):
    class Odd(keras.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, x):
            return self.function(x)

    def build():
        model = keras.Sequential([keras.Input((8,)), Odd(lambda x: x * 2), keras.layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    problem.fit(problem.open("tree"), build=build, epochs=2)
    record = problem.record("tree")
    assert record.checkpoint.name.endswith(".weights.h5")
    assert caplog.text.count("only its weights") == 1
    build().load_weights(record.checkpoint)


def test_keras_metrics_say_themselves_what_is_better(tmp_path):
    given = keras.Input((2,))
    heads = [keras.layers.Dense(2, name=name)(given) for name in ("left", "right")]
    model = keras.Model(given, heads)
    own = {
        "left": [keras.metrics.MeanSquaredError(name="fit"), keras.losses.huber],
        "right": [keras.metrics.CosineSimilarity(name="fit"), "mape"],
    }
    model.compile("sgd", ["mse", "mse"], metrics=own, weighted_metrics={"right": ["mape"]})
    zeros = np.zeros((4, 2))
    found = {}
    for metric in (
        "val_left_fit", "right_fit", "left_huber", "right_weighted_mape", "accuracy", "oddness",
    ):  # fmt: skip
        manager = ExperimentManager(tmp_path, checkpoint_params={"monitor": metric})
        callbacks = manager.prepare({"a": {"metric": metric}})
        model.fit(
            zeros, [zeros, zeros], validation_data=(zeros, [zeros, zeros]), callbacks=callbacks,
            verbose=0,
        )  # fmt: skip
        kept = RunRecord.at(manager.run_path).performances
        found[metric] = f"{kept['monitor']} {kept['mode']}"
    assert found == {
        "val_left_fit": "val_left_fit min",
        "right_fit": "right_fit max",
        "left_huber": "left_huber min",
        "right_weighted_mape": "right_weighted_mape min",
        "accuracy": "accuracy max",
        "oddness": "val_loss min",
    }


def test_a_vector_among_the_metrics_is_said_once_and_ends_nothing(problem, caplog):
    class Vector(Say):
        def on_epoch_end(self, epoch, logs=None):
            logs["per_class"] = np.array([0.5, 0.25])
            logs["val_loss"] = keras.ops.convert_to_tensor([[self.losses[epoch]]])

    record = train(problem, say=Vector())
    assert [row["val_loss"] for row in record.rows] == LOSSES
    assert list(record.models) == [4]
    assert caplog.text.count("metric 'per_class' is not recorded") == 1


def test_what_is_loaded_is_the_best_model(problem):
    record = train(problem, {"monitor": "val_loss"})
    best = sweeper.load(problem.base / "tree").best()
    assert (best.epoch, best.checkpoint) == (4, record.checkpoint)
    kept = keras.saving.load_model(record.checkpoint).get_weights()
    for found, weight in zip(best.load_model().get_weights(), kept, strict=True):
        np.testing.assert_array_equal(found, weight)
