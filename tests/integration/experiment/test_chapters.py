"""Several fits in one run: each is a chapter, given back if it is over, and exactly."""

from __future__ import annotations

import copy
import functools
import json
import sys
import types

import keras
import numpy as np
import pytest

from sweeper import script_api
from sweeper.experiment import keras_callbacks
from sweeper.experiment.backend import reset_session
from sweeper.script_fit import ScriptFits
from sweeper.tree import RunRecord, Tree
from tests.opened import open_run
from tests.process.experiment import programs
from tests.process.experiment.programs import X, Y

from .conftest import TENSORFLOW, Breaks, BrokenOffError

PARAMS = {"model": {"x": 1}}


model = functools.partial(programs.dense, run_eagerly=TENSORFLOW)


def kfold(callbacks, run):
    return programs.kfold([*callbacks, Breaks()], run, lambda: None, model)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole"), kfold)


def kfold_that_asks_anew(_, run):
    """As scripts do: ``fit(…, callbacks=sweeper.callbacks())`` in a loop."""

    class Anew(list):
        def __iter__(self):
            return iter([*keras_callbacks(run), Breaks()])

    return programs.kfold(Anew(), run, lambda: None, model)


def one_fit(callbacks, run):
    return model().fit(X, Y, epochs=5, verbose=0, callbacks=callbacks).epoch


def train(base, program, breaks=()):
    """Run the program to its end, broken off at these epochs; what it gave, and the log."""
    for after in [*breaks, None]:
        reset_session(7)
        run = open_run(base, PARAMS, seed=7)
        Breaks.left = after
        try:
            found = program(keras_callbacks(run), run)
        except BrokenOffError:
            run.interrupt("broken off")
            continue
        run.close("finished")
        log = run.paths.training_logs.read_text()
        return json.loads(json.dumps(found, default=lambda a: a.tolist())), log
    raise AssertionError("it was always broken off")


def skipping(done, *, seeds=False):
    """A program that notes the folds, or seeds, that are done, and skips them from then on."""

    def program(callbacks, run):
        for each in range(3):
            if each in done:
                continue
            if seeds:
                keras.utils.set_random_seed(each)
            x, y = (X, Y) if seeds else (X[each::3], Y[each::3])
            fit = model().fit(x, y, epochs=3, verbose=0, callbacks=[*callbacks, Breaks()])
            done[each] = fit.epoch, fit.history
        return done

    return program


@pytest.mark.parametrize("seeds", [False, True])
def test_a_program_that_skips_what_it_has_done_goes_on_with_the_fit_that_it_is(tmp_path, seeds):
    whole = train(tmp_path / "whole", skipping({}, seeds=seeds))
    for breaks in ([4], [7, 0]):
        assert train(tmp_path / str(breaks), skipping({}, seeds=seeds), breaks) == whole, breaks


@pytest.mark.parametrize("seeds", [False, True])
def test_a_fit_is_not_given_what_another_one_had(tmp_path, caplog, seeds):
    """The first has returned and is noted as done, but how it ended is not kept yet."""

    class Done(dict):
        def __setitem__(self, each, found):
            super().__setitem__(each, found)
            if each == 0:
                raise BrokenOffError

    alone = train(tmp_path / "alone", skipping({0: None}, seeds=seeds))[0]
    found = train(tmp_path / "found", skipping(Done(), seeds=seeds), [99])[0]
    assert found == {**alone, "0": found["0"]}
    assert ("other weights" if seeds else "other data") in caplog.text


def test_a_fit_whose_seed_is_never_the_same_goes_on_and_other_data_begin_again(tmp_path, caplog):
    attempts = []

    def program(callbacks, run, new=False):
        attempts.append(None)
        order = np.random.default_rng().permutation(len(X))
        keras.utils.set_random_seed(len(attempts))
        x, y = X[order] + (len(attempts) if new else 0), Y[order]
        fit = model().fit(x, y, epochs=5, verbose=0, callbacks=[*callbacks, Breaks()])
        return fit.epoch, run.resumed_epoch

    assert train(tmp_path / "same", program, [3])[0] == [[0, 1, 2, 3, 4], 3]
    assert "is not used" not in caplog.text
    new = functools.partial(program, new=True)
    assert train(tmp_path / "new", new, [3])[0] == [[0, 1, 2, 3, 4], 0]
    assert "it is of a fit with other data" in caplog.text


def test_epochs_before_the_first_one_of_a_program_that_resumes_itself_keep_their_rows(tmp_path):
    def program(callbacks, run):
        begins = run.log.last_epoch
        for name in run.backups.names():
            run.backups.reject(run.backups.root / name, "torn")
        model().fit(
            X, Y, initial_epoch=begins, epochs=5, verbose=0, callbacks=[*callbacks, Breaks()]
        )
        return [row["epoch"] for row in run.log.rows]

    assert train(tmp_path, program, [3])[0] == [1, 2, 3, 4, 5]


def test_fits_that_are_over_are_given_back_exactly(tmp_path, whole):
    for breaks in ([2], [4], [7, 1, 0]):
        assert train(tmp_path / str(breaks), kfold, breaks) == whole, breaks


def test_fits_that_ask_for_callbacks_anew_count_on(tmp_path, whole):
    for breaks in ([], [4]):
        assert train(tmp_path / str(breaks), kfold_that_asks_anew, breaks) == whole, breaks


def test_a_fit_whose_end_is_torn_is_trained_again(tmp_path, whole):
    reset_session(7)
    run = open_run(tmp_path, PARAMS, seed=7)
    Breaks.left = 7
    with pytest.raises(BrokenOffError):
        kfold(keras_callbacks(run), run)
    run.interrupt("broken off")
    for path in (run.path / "backup").glob("fit-*/arrays.npz"):
        path.write_bytes(path.read_bytes()[:-9])
    assert train(tmp_path, kfold) == whole


def test_copies_of_the_callbacks_are_callbacks_of_the_run(tmp_path):
    run = open_run(tmp_path, PARAMS, seed=7)
    callbacks = keras_callbacks(run)
    model().fit(X, Y, epochs=2, verbose=0, callbacks=copy.deepcopy(callbacks))
    assert [row["epoch"] for row in run.log.rows] == [1, 2]
    run.close("finished")


def test_a_backup_that_cannot_be_made_ends_no_training(tmp_path, monkeypatch, caplog):
    run = open_run(tmp_path, PARAMS, seed=7)

    def save(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(run.backups, "save", save)
    model().fit(X, Y, epochs=3, verbose=0, callbacks=keras_callbacks(run))
    assert len(run.log.rows) == 3
    assert caplog.text.count("No space left on device") == 1
    run.close("finished")


def test_a_failed_run_keeps_what_another_goes_on_from(tmp_path):
    failed = open_run(tmp_path, PARAMS, seed=7)
    reset_session(7)
    made = model()
    Breaks.left = 3
    with pytest.raises(BrokenOffError):
        made.fit(X, Y, epochs=5, verbose=0, callbacks=[*keras_callbacks(failed), Breaks()])
    failed.close("failed", ValueError("no luck"))
    Tree(tmp_path).tidy()
    name = failed.path.name
    again = open_run(tmp_path, PARAMS, seed=7, passed_over=[name], continues=name)
    assert (again.path != failed.path, again.resumed_epoch) == (True, 3)
    reset_session(7)
    model().fit(X, Y, epochs=5, verbose=0, callbacks=keras_callbacks(again))
    again.close("finished")
    whole = train(tmp_path / "whole", one_fit)
    assert again.paths.training_logs.read_text() == whole[1]
    assert RunRecord.at(again.path).provenance["continues"]["run"] == failed.path.name
    Tree(tmp_path).tidy()
    assert not failed.paths.backup.exists()


def test_of_two_fits_of_a_script_at_the_same_time_one_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(script_api, "listener", None)  # and so it is again after the test
    said = []
    hook = types.SimpleNamespace(say=said.append)
    monkeypatch.setitem(sys.modules, "_sweeper_keras", hook)
    run = open_run(tmp_path, PARAMS, seed=7)
    fits = ScriptFits(run, None, [])
    assert fits.join(None) is not None
    assert fits.join([]) is None
    assert "within another one" in said[0]
