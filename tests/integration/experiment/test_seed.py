"""Every sentence of the seed's README, in a plain script with no Ray."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from sweeper import ExperimentManager
from sweeper.errors import UsageError
from sweeper.experiment import keras_callbacks
from sweeper.tree import Tree

params = {
    "debug": False,
    "training": {"batch_size": 128, "epochs": 3, "learning-rate": 0.008},
    "processing": {"width": 12, "height": 12},
    "model": {
        "conv_0": 4,
        "conv_1": 4,
        "kernel_0": (3, 3),
        "kernel_1": (3, 3),
        "pool_size": (2, 2),
        "dropout_0": 0.25,
        "dense": 8,
        "dropout_1": 0.5,
        "num_classes": 10,
    },
    "comment": "VGG net",
    "author": "john doe",
}


def get_model(params, keras=keras, eagerly=True):
    p = params["model"]
    shape = (params["processing"]["width"], params["processing"]["height"], 1)
    model = keras.Sequential(
        [
            keras.layers.Input(shape),
            keras.layers.Conv2D(p["conv_0"], p["kernel_0"], activation="relu"),
            keras.layers.Conv2D(p["conv_1"], p["kernel_1"], activation="relu"),
            keras.layers.MaxPooling2D(p["pool_size"]),
            keras.layers.Dropout(p["dropout_0"]),
            keras.layers.Flatten(),
            keras.layers.Dense(p["dense"], activation="relu"),
            keras.layers.Dropout(p["dropout_1"]),
            keras.layers.Dense(p["num_classes"], activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(params["training"]["learning-rate"]),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=eagerly,
    )
    return model


def data():
    rng = np.random.default_rng(0)
    return rng.random((30, 12, 12, 1)).astype("float32"), rng.integers(0, 10, 30)


@pytest.mark.parametrize("library", [keras, tf.keras])
def test_the_readme(tmp_path, monkeypatch, library):
    monkeypatch.chdir(tmp_path)
    x, y = data()
    model = get_model(params, library, eagerly=library is keras)
    expm = ExperimentManager(
        exp_base_dir="notedetection", monitored_param_keys=["training", "processing", "model"]
    )
    callbacks_p = expm.prepare(params)
    model.fit(x, y, epochs=3, batch_size=16, verbose=0, callbacks=callbacks_p)

    assert expm.run_path.parent == tmp_path / "notedetection" / expm.experiment_id
    assert re.fullmatch(r"exp(-\d{8}){3}", expm.experiment_id)
    assert re.fullmatch(r"run(--\d\d-\d\d-\d\d)(--\d\d-\d\d)(-\d+)?", expm.run_path.name)
    assert all(isinstance(callback, library.callbacks.Callback) for callback in callbacks_p)
    (record,) = Tree("notedetection").all_runs()
    assert record.status == "finished"
    assert record.params == json.loads(json.dumps(params))
    assert record.performances["monitor"] == "loss"
    best = record.performances["best"]
    assert record.checkpoint.name == f"model.{best['epoch']:02d}-{best['loss']:.4f}.keras"
    assert library.models.load_model(record.checkpoint).count_params() == model.count_params()

    # The same experiment twice: another run. In the same minute it is called -2.
    first = expm.run_path
    expm.prepare(params)
    assert expm.run_path.parent == first.parent
    assert expm.run_path != first
    # Another training parameter: the same model and processing, another experiment.
    changed = {**params, "training": {**params["training"], "epochs": 4}}
    before = expm.experiment_id.split("-")
    expm.prepare(changed)
    after = expm.experiment_id.split("-")
    assert before[1] != after[1]
    assert before[2:] == after[2:]
    assert "training.epochs: 3 → 4" in expm.explain("-".join(before))


def test_the_default_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expm = ExperimentManager()
    expm.prepare({"model": {"a": 1}})
    assert expm.run_path.parent.parent == tmp_path / "experiments"


def test_h5_and_the_arguments_of_model_checkpoint(tmp_path):
    x, y = data()
    expm = ExperimentManager(
        tmp_path,
        checkpoint_params={
            "mode": "max", "monitor": "val_accuracy", "format": "h5", "save_weights_only": False,
        },
    )  # fmt: skip
    model = get_model(params)
    model.fit(x, y, epochs=2, verbose=0, validation_split=0.2, callbacks=expm.prepare(params))
    (record,) = Tree(tmp_path).all_runs()
    assert record.performances["monitor"] == "val_accuracy"
    assert record.performances["mode"] == "max"
    assert re.fullmatch(r"model\.0\d-\d\.\d{4}\.h5", record.checkpoint.name)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"save_weights_only": True}, r"model\.0\d-\d\.\d{4}\.weights\.h5"),
        ({"filepath": "m-{epoch}-{accuracy:.2f}.keras"}, r"m-\d-0\.\d\d\.keras"),
        ({"save_freq": 3}, r"model\.0\d-batch-00000\d\.keras"),
    ],
)
def test_more_arguments(tmp_path, arguments, pattern):
    x, y = data()
    expm = ExperimentManager(tmp_path, checkpoint_params=arguments)
    model = get_model(params)
    model.fit(x, y, epochs=2, verbose=0, batch_size=16, callbacks=expm.prepare(params))
    names = [path.name for path in (expm.run_path / "models").iterdir()]
    assert names
    assert all(re.fullmatch(pattern, name) for name in names), names


def test_the_checkpoint_is_what_was_recorded(tmp_path):
    x, y = data()
    expm = ExperimentManager(tmp_path, checkpoint_params={"monitor": "val_loss"})
    model = get_model(params)
    model.fit(
        x[:20], y[:20], epochs=3, verbose=0, validation_data=(x[20:], y[20:]),
        callbacks=expm.prepare(params),
    )  # fmt: skip
    (record,) = Tree(tmp_path).all_runs()
    found = keras.models.load_model(record.checkpoint).evaluate(
        x[20:], y[20:], verbose=0, return_dict=True
    )
    assert found["loss"] == record.performances["best"]["val_loss"]


def test_early_stopping_finishes_the_run_and_an_exception_does_not(tmp_path):
    x, y = data()
    expm = ExperimentManager(tmp_path)
    model = get_model(params)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100)
    model.fit(x, y, epochs=9, verbose=0, callbacks=[stop, *expm.prepare(params)])
    (record,) = Tree(tmp_path).all_runs()
    assert record.status == "finished"
    assert record.outcome["epochs"] == 2
    with pytest.raises(UsageError, match="call prepare"):
        model.fit(x, y, verbose=0, callbacks=keras_callbacks(expm.run))

    def boom(epoch, logs):
        raise KeyError

    callbacks = [*expm.prepare(params), keras.callbacks.LambdaCallback(on_epoch_end=boom)]
    with pytest.raises(KeyError):
        model.fit(x, y, epochs=1, verbose=0, callbacks=callbacks)
    assert expm.run.paths.outcome.exists() is False
    expm.prepare(params)
    left = list(Tree(tmp_path).all_runs())[1]
    assert left.status == "interrupted"


def test_resume_run(tmp_path):
    x, y = data()
    expm = ExperimentManager(tmp_path, seed=5)

    def stop(epoch):
        if epoch["epoch"] == 2:
            raise KeyError

    expm._report = stop
    keras.utils.set_random_seed(5)
    model = get_model(params)
    with pytest.raises(KeyError):
        model.fit(x, y, epochs=4, verbose=0, callbacks=expm.prepare(params))
    name = expm.experiment_id, expm.run_path.name

    expm = ExperimentManager(tmp_path)
    assert expm.resume_run(*name).name.startswith("model.0")
    assert (expm.experiment_id, expm.run_path.name) == name
    history = get_model(params).fit(x, y, epochs=4, verbose=0, callbacks=expm.callbacks)
    assert history.epoch == [0, 1, 2, 3]
    (record,) = Tree(tmp_path).all_runs()
    assert record.status == "finished"
    assert [row["epoch"] for row in record.rows] == [1, 2, 3, 4]
    assert [a["resumed_from_epoch"] for a in record.provenance["attempts"]] == [None, 2]

    # It is over: fit does nothing, and the model has the weights that were saved.
    before = {p: p.read_bytes() for p in record.path.rglob("*") if p.is_file()}
    assert expm.resume_run(*name) == record.latest_checkpoint
    model = get_model(params)
    assert model.fit(x, y, epochs=4, verbose=0, callbacks=expm.callbacks).epoch == []
    saved = keras.models.load_model(record.latest_checkpoint)
    for a, b in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {p: p.read_bytes() for p in record.path.rglob("*") if p.is_file()} == before


def test_prepare_after_resume_run_goes_on_with_that_run(tmp_path):
    x, y = data()
    expm = ExperimentManager(tmp_path, ["training", "model"], seed=5)
    expm.prepare(params)
    expm.run.interrupt()
    name = expm.experiment_id, expm.run_path.name

    expm = ExperimentManager(tmp_path)  # with no keys of its own
    expm.resume_run(*name)
    other = {**params, "training": {**params["training"], "epochs": 9}, "comment": "another"}
    with pytest.raises(UsageError, match=r"found others: training\.epochs: 3 → 9; to go on with"):
        expm.prepare(other)
    with pytest.raises(UsageError, match=r"found others: debug: False → True; to"):
        expm.prepare({**params, "debug": True})
    with pytest.raises(UsageError, match=r"found others: model: \{.*\} → —; to"):
        expm.prepare({"training": params["training"]})
    callbacks = expm.prepare({**params, "comment": "another"})
    get_model(params).fit(x, y, epochs=1, verbose=0, callbacks=callbacks)
    (record,) = Tree(tmp_path).all_runs()
    assert (record.run, record.status) == (name[1], "finished")
    expm.prepare(params)  # that run has ended: another one
    assert len(list(Tree(tmp_path).all_runs())) == 2

    expm.resume_run(*name)  # of a run that is over nothing is trained
    assert get_model(params).fit(x, y, verbose=0, callbacks=expm.prepare(params)).epoch == []
    with pytest.raises(UsageError, match="found others"):
        expm.prepare(other)


def test_a_group_that_the_resumed_run_does_not_have_is_another_experiment(tmp_path):
    ExperimentManager(tmp_path, seed=5).prepare({"a": {"x": 1}, "b": 2, "notes": "n"})
    (record,) = Tree(tmp_path).all_runs()
    expm = ExperimentManager(tmp_path)
    expm.resume_run(record.experiment, record.run)
    with pytest.raises(UsageError, match=r"others: a\.x: 1 → 1\.0; b: 2 → —; c: — → \{'y': 1\};"):
        expm.prepare({"a": {"x": 1.0}, "c": {"y": 1}})
    expm.prepare({"a": {"x": 1}, "b": 2})
    assert expm.run_path == record.path


def test_the_seed_given_to_keras_is_the_run_s(tmp_path):
    x, y = data()
    runs = []
    for name in ("a", "b"):
        keras.backend.clear_session()
        keras.utils.set_random_seed(11)
        expm = ExperimentManager(tmp_path / name)
        model = get_model(params)
        model.fit(x, y, epochs=2, verbose=0, callbacks=expm.prepare(params))
        runs.append(next(Tree(tmp_path / name).all_runs()))
    assert [r.provenance["seed"] for r in runs] == [11, 11]
    assert runs[0].rows == runs[1].rows


@pytest.mark.parametrize("when", ["before the model", "after the model", "with its callbacks"])
def test_a_seed_given_to_keras_after_prepare_is_the_run_s_too(tmp_path, when):
    x, y = data()
    rows = []
    for name in ("a", "b"):
        keras.backend.clear_session()
        keras.utils.set_random_seed(3)
        model = get_model(params)
        expm = ExperimentManager(tmp_path / name)
        callbacks = expm.prepare(params)
        if when == "after the model":
            model = get_model(params)
        keras.utils.set_random_seed(7)
        if when == "before the model":
            model = get_model(params)
        elif when == "with its callbacks":
            callbacks = expm.callbacks
        with expm.run:
            model.fit(x, y, epochs=1, verbose=0, callbacks=callbacks)
            keras.utils.set_random_seed(8)  # its epochs depend on one seed
            model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks)
        (record,) = Tree(tmp_path / name).all_runs()
        assert record.provenance["seed"] == expm.run.seed == 7
        rows.append(record.rows)
        expm.prepare(params)
        assert expm.run.seed not in (3, 7)
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


def test_the_same_seed_after_prepare_and_then_before_it_is_the_users_both_times(tmp_path):
    expm = ExperimentManager(tmp_path)
    for when in ("after", "before", "after", "before"):
        if when == "before":
            keras.utils.set_random_seed(5)
        callbacks = expm.prepare(params)
        if when == "after":
            keras.utils.set_random_seed(5)
        get_model(params).fit(*data(), epochs=1, verbose=0, callbacks=callbacks)
        assert expm.run.seed == 5, when


def test_a_seed_given_to_the_manager_or_in_run_json_stays(tmp_path):
    x, y = data()
    expm = ExperimentManager(tmp_path, seed=5)
    callbacks = expm.prepare(params)
    keras.utils.set_random_seed(7)
    with expm.run:
        get_model(params).fit(x, y, verbose=0, callbacks=callbacks)
        expm.run.interrupt()
    expm = ExperimentManager(tmp_path)
    (record,) = Tree(tmp_path).all_runs()
    expm.resume_run(record.experiment, record.run)
    callbacks = expm.prepare(params)
    keras.utils.set_random_seed(7)
    get_model(params).fit(x, y, epochs=2, verbose=0, callbacks=callbacks)
    (record,) = Tree(tmp_path).all_runs()
    assert record.provenance["seed"] == expm.run.seed == 5
