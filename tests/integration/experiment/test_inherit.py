"""A child goes on from its parent's weights, with hyperparameters of its own."""

from __future__ import annotations

import json
import os
from functools import partial

import keras
import numpy as np
import pytest

from sweeper.errors import TreeError, UsageError
from sweeper.experiment import Origin, backend
from sweeper.experiment.child_runs import make_child
from sweeper.experiment.variables import Variables
from sweeper.tree import RunRecord, Tree
from tests.opened import open_run

from .conftest import TENSORFLOW, BrokenOffError


class Family:
    """A parent broken off after some epoch, and children of it."""

    def __init__(self, problem):
        self.problem = problem
        self.base = problem.base / "tree"

    def open(self, rate, trial, **others):
        backend.reset_session(trial)
        params = {"training": {"rate": rate, **others}}
        return open_run(self.base, params, trial=trial, seed=trial)

    def parent(self, until=2, trial=0, **options):
        run = self.open(0.1 + trial, trial)
        options = {"build": lambda: self.model(0.1), **options}
        model = self.problem.fit(run, until=until, **options)
        return model, RunRecord.at(run.path)

    def child(self, parent, rate=0.05, trial=1, **others):
        params = {"training": {"rate": rate, **others}}
        record = make_child(
            Tree(self.base), params, ["training"], Origin(trial, "s", trial), parent
        )
        if record is None:
            return None
        run = self.open(rate, trial, **others)
        assert run.path == record.path
        return run

    def model(self, rate, kind=keras.optimizers.SGD, **options):
        options.setdefault("momentum", 0.9)
        if kind is not keras.optimizers.SGD:
            del options["momentum"]
        return self.problem.model(optimizer=kind(rate, **options))


class Look(keras.callbacks.Callback):
    """Keeps the state in which training begins."""

    def on_epoch_begin(self, epoch, logs=None):
        if not hasattr(self, "state"):
            self.epoch = epoch
            self.state = Variables(self.model, []).read()
            self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


def weights_of(state, kind="model"):
    # seed_generator states are set anew in every epoch
    return {
        name.split("/")[1].partition("|")[0]: array  # its own name depends on who built it
        for name, array in state.items()
        if name.startswith(f"{kind}/") and "seed" not in name and "learning_rate" not in name
    }


def same_arrays(one, other):
    assert one.keys() == other.keys()
    assert one
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    return True


@pytest.fixture
def family(problem):
    problem.epochs = 4
    return Family(problem)


def test_weights_and_slots_are_the_parents_and_the_rate_its_own(family):
    model, parent = family.parent(until=2)
    there = Variables(model, []).read()
    run = family.child(parent)
    assert (run.resumed_epoch, run.parent) == (2, f"{parent.experiment}/{parent.run}")
    look = Look()
    family.problem.fit(run, build=lambda: family.model(0.05), others=lambda: [look])
    assert look.epoch == 2
    assert same_arrays(weights_of(look.state), weights_of(there))
    assert same_arrays(weights_of(look.state, "optimizer"), weights_of(there, "optimizer"))
    assert any(np.any(a != 0) for a in weights_of(there, "optimizer").values())  # momentum
    assert look.rate == pytest.approx(0.05)
    record = RunRecord.at(run.path)
    assert [row["epoch"] for row in record.rows] == [3, 4]
    assert record.parent == {"experiment": parent.experiment, "run": parent.run, "epoch": 2}
    assert record.status == "finished"
    # The parent has lost nothing, and is continued as any run.
    _, whole = family.parent(until=None)
    assert [row["epoch"] for row in whole.rows] == [1, 2, 3, 4]
    assert whole.provenance["attempts"][-1]["resumed_from_epoch"] == 2


def test_a_killed_child_resumes_as_any_run(family):
    _, parent = family.parent(until=1)
    child = family.child(parent)
    build = {"build": lambda: family.model(0.05)}
    family.problem.fit(child, until=3, **build)
    looks = [Look(), Look()]
    again = family.open(0.05, 1)
    assert (again.path, again.resumed_epoch, again.attempt) == (child.path, 3, 2)
    parts = family.problem.fit(again, others=lambda: [looks[0]], **build)
    assert looks[0].epoch == 3
    assert looks[0].rate == pytest.approx(0.05)
    whole = family.child(parent, trial=1, rate=0.06)  # the same in one go, but for its name
    whole.seed = again.seed
    other = family.problem.fit(whole, others=lambda: [looks[1]], **build)
    for a, b in zip(parts.final.values(), other.final.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    logs = [RunRecord.at(run.path).paths.training_logs.read_bytes() for run in (again, whole)]
    assert logs[0] == logs[1]


def test_other_callbacks_and_checkpoints_begin_anew(family):
    class Counter(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    _, parent = family.parent(until=2, others=lambda: [Counter()])
    assert parent.models
    run = family.child(parent)
    assert RunRecord.at(run.path).models == {}
    counter = Counter()
    build = {"build": lambda: family.model(0.05)}
    family.problem.fit(run, others=lambda: [counter], **build)
    assert counter.epochs == 2
    record = RunRecord.at(run.path)
    assert set(record.models) <= {3, 4}
    assert record.models
    # The rate that a callback of the child sets is the child's.
    _, parent = family.parent(until=2, trial=2)
    run = family.child(parent, trial=3)
    look = Look()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * (epoch + 1))
    family.problem.fit(run, others=lambda: [schedule, look], **build)
    assert look.rate == pytest.approx(0.03)


def test_a_schedule_stays_the_childs_own(family):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.9)
    _, parent = family.parent(until=2, build=lambda: family.model(schedule))
    run = family.child(parent)
    look = Look()
    own = keras.optimizers.schedules.ExponentialDecay(0.25, 1, 0.9)
    family.problem.fit(run, build=lambda: family.model(own), others=lambda: [look])
    steps = 2 * 3  # of the parent: 40 samples in batches of 16
    assert look.rate == pytest.approx(0.25 * 0.9**steps, rel=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_an_optimizer_of_another_kind_begins_anew(family, policy):
    def build(*arguments):
        keras.config.set_dtype_policy(policy)  # float16: a LossScaleOptimizer around the chosen one
        return family.model(*arguments)

    model, parent = family.parent(until=2, build=lambda: build(0.1))
    there = Variables(model, []).read()
    for trial, kind in ((1, keras.optimizers.Adam), (2, keras.optimizers.SGD)):
        run = family.child(parent, trial=trial, rate=0.01 * trial)
        look = Look()
        family.problem.fit(run, build=partial(build, 0.01, kind), others=[look].copy)
        assert same_arrays(weights_of(look.state), weights_of(there))
        assert look.rate == pytest.approx(0.01)
        slots = weights_of(look.state, "optimizer")
        if kind is keras.optimizers.SGD:
            assert same_arrays(slots, weights_of(there, "optimizer"))
        else:
            scale = {2.0**15} if policy == "mixed_float16" else set()
            assert {float(v) for a in slots.values() for v in a.flat} <= {0.0, *scale}
        assert RunRecord.at(run.path).status == "finished"


def test_a_model_of_another_shape_is_refused(family):
    _, parent = family.parent(until=2)
    run = family.child(parent)

    def wider():
        model = keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(7), keras.layers.Dense(1, "sigmoid")]
        )
        model.compile("sgd", "binary_crossentropy", run_eagerly=TENSORFLOW)
        return model

    with pytest.raises(UsageError, match="keep the parameters that shape the model constant"):
        family.problem.fit(run, build=wider)
    assert RunRecord.at(run.path).rows == []


def test_what_cannot_be_a_parent(family):
    _, over = family.parent(until=None)
    assert family.child(over) is None
    run = family.open(0.2, 5)
    assert family.child(RunRecord.at(run.path)) is None  # nothing backed up yet
    # An epoch after which EarlyStopping has ended the training is no place to go on from.
    calls = []

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            calls.append(epoch)
            self.model.stop_training = epoch == 1

    seconds = "sweeper.experiment.resuming.CHEAP_EPOCH_SECONDS"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seconds, -1.0)
        build = {"build": lambda: family.model(0.2)}
        family.problem.fit(run, others=lambda: [Stop()], ends=False, **build)
    run.interrupt()
    assert len(run.backups.names()) == 2
    child = family.child(RunRecord.at(run.path), trial=6)
    assert child.resumed_epoch == 1


def test_a_grandchild_has_the_parent_whose_state_it_is(family):
    _, parent = family.parent(until=2)
    made = make_child(
        Tree(family.base), {"training": {"rate": 0.3}}, ["training"], Origin(1, "s", 1), parent
    )
    assert made is not None
    grandchild = family.child(made, rate=0.4, trial=2)
    assert grandchild.parent == f"{parent.experiment}/{parent.run}"
    family.problem.fit(grandchild, build=lambda: family.model(0.4))
    assert [row["epoch"] for row in RunRecord.at(grandchild.path).rows] == [3, 4]


def test_a_child_that_is_never_whole_is_never_seen(family, monkeypatch):
    _, parent = family.parent(until=2)
    before = sorted(p.name for p in family.base.glob("exp-*/run-*"))

    def killed(*arguments, **options):
        raise BrokenOffError

    monkeypatch.setattr("sweeper.experiment.child_runs.publish", killed)
    with pytest.raises(BrokenOffError):
        family.child(parent)
    assert sorted(p.name for p in family.base.glob("exp-*/run-*")) == before


@pytest.mark.parametrize("kind", ["epoch", "state"])
def test_without_its_inheritance_it_does_not_start_afresh(family, kind):
    if kind == "epoch":
        _, parent = family.parent(until=2)
    else:
        run = family.open(0.1, 0)
        run.report(loss=1.0)
        state = family.problem.base / "state"
        state.mkdir()
        (state / "x").write_text("kept")
        run.save(state)
        parent = RunRecord.at(run.path)
    child = family.child(parent)
    (backup,) = child.paths.backup.iterdir()
    assert backup.name.startswith(kind)
    manifest = json.loads((backup / "state.json").read_text())
    os.unlink(backup / "state.json")
    (backup / "state.json").write_text(json.dumps({**manifest, "owner": "exp-1/run--1"}))
    if kind == "epoch":
        train = partial(family.problem.fit, child, build=lambda: family.model(0.05))
    else:
        train = child.restore
    with pytest.raises(TreeError, match="found no backup that can be used"):
        train()
    assert json.loads((parent.paths.backup / backup.name / "state.json").read_text()) == manifest


def test_the_parents_saved_files_are_copied(family):
    run = family.open(0.1, 0)
    run.report(loss=1.0)
    state = family.problem.base / "state"
    (state / "deep").mkdir(parents=True)
    (state / "deep" / "x").write_text("kept")
    run.save(state)
    child = family.child(RunRecord.at(run.path))
    run.close("finished")  # its own backups go
    restored = child.restore()
    assert (restored / "deep" / "x").read_text() == "kept"
    assert child.resumed_epoch == 1
    child.report(loss=0.5)
    assert [row["epoch"] for row in RunRecord.at(child.path).rows] == [2]
