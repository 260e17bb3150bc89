"""Code that raises in a process that lives on, a notebook: the run is told, and can go on."""

from __future__ import annotations

import subprocess
import sys
import threading

import keras
import pytest

from sweeper.experiment import ExperimentManager
from sweeper.tree import Tree

PARAMS = {"model": {"units": 1}}

BEFORE = """
import sys
from sweeper import ExperimentManager
from sweeper.tree import Tree
manager = ExperimentManager(sys.argv[1])
_ = manager.prepare({"model": {"units": 1}})
manager.run.report(loss=1.0)
"""
AFTER = """
print(next(Tree(manager.tree.base).all_runs()).status)
manager.run.report(loss=0.5)
manager.run.close("finished")
"""


class Failing(keras.callbacks.Callback):
    """Raises ``error`` at the end of the third epoch."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2 and self.error is not None:
            raise self.error


def runs(base):
    return list(Tree(base).all_runs())


def ends(record):
    return [a["ended"] for a in record.provenance["attempts"]]


def fit(problem, callbacks, error=None, **options):
    model = problem.model()
    options = {"x": problem.x, "y": problem.y, "epochs": 5, "verbose": 0, **options}
    model.fit(**options, callbacks=[*callbacks, Failing(error)])


@pytest.mark.parametrize(
    "error", [ValueError("boom\nmore"), KeyboardInterrupt(), MemoryError("no memory")]
)
def test_a_fit_that_raises_interrupts_its_run(problem, tmp_path, error):
    with pytest.raises(type(error)):
        fit(problem, ExperimentManager(tmp_path).prepare(PARAMS), error)
    (record,) = runs(tmp_path)
    words = f"{type(error).__name__}: {error}".rstrip(": ").partition("\n")[0]
    assert (record.status, ends(record)) == ("interrupted", [f"interrupted: {words}"])
    assert not list(record.path.glob("lease.*"))


def test_a_fit_that_raises_before_it_begins_interrupts_its_run(problem, tmp_path):
    with pytest.raises(ValueError, match="cardinality"):
        fit(problem, ExperimentManager(tmp_path).prepare(PARAMS), y=problem.y[:3])
    (record,) = runs(tmp_path)
    assert record.status == "interrupted"
    assert ends(record)[0].startswith("interrupted: ValueError: Data cardinality is ambiguous")


@pytest.mark.parametrize("how", ["the same callbacks", "manager.callbacks", "resume_run"])
def test_the_same_process_goes_on_after_a_failed_fit(problem, tmp_path, how):
    whole = ExperimentManager(tmp_path / "whole", seed=3)
    fit(problem, whole.prepare(PARAMS))
    manager = ExperimentManager(tmp_path / "parts", seed=3)
    callbacks = manager.prepare(PARAMS)
    with pytest.raises(ValueError, match="boom"):
        fit(problem, callbacks, ValueError("boom"))
    if how == "resume_run":
        experiment, run = manager.experiment_id, manager.run_path
        manager = ExperimentManager(tmp_path / "parts", seed=3)
        manager.resume_run(experiment, run)
    fit(problem, callbacks if how == "the same callbacks" else manager.callbacks)
    (one,), (other,) = runs(tmp_path / "whole"), runs(tmp_path / "parts")
    assert ends(other) == ["interrupted: ValueError: boom", "finished"]
    assert other.provenance["attempts"][1]["resumed_from_epoch"] == 2
    assert one.paths.training_logs.read_bytes() == other.paths.training_logs.read_bytes()


def test_a_run_taken_up_by_its_own_process_says_so(tmp_path):
    first = ExperimentManager(tmp_path)
    first.prepare(PARAMS)
    second = ExperimentManager(tmp_path)
    second.resume_run(first.experiment_id, first.run_path)
    second.run.close("finished")
    (record,) = runs(tmp_path)
    assert ends(record) == ["interrupted: continued by the same process", "finished"]
    assert second.run.close("failed") is False
    assert runs(tmp_path)[0].status == "finished"


def test_a_run_that_the_same_process_began_again_is_left(tmp_path):
    ExperimentManager(tmp_path).prepare(PARAMS)
    other = ExperimentManager(tmp_path)
    other.prepare({"model": {"units": 2}})
    again = ExperimentManager(tmp_path)
    again.prepare(PARAMS)
    states = {record.path: (record.status, *ends(record)) for record in runs(tmp_path)}
    assert states.pop(again.run_path) == states.pop(other.run_path) == ("running", None)
    assert list(states.values()) == [("interrupted", "interrupted: left for another run")]


def test_several_fits_of_which_one_raises_go_on_with_it(problem, tmp_path):
    manager = ExperimentManager(tmp_path)
    callbacks = manager.prepare(PARAMS)
    for error in (ValueError("boom"), None):
        try:
            with manager.run:
                fit(problem, callbacks, epochs=2)
                fit(problem, callbacks, error, epochs=4)
        except ValueError:
            assert runs(tmp_path)[0].status == "interrupted"
    (record,) = runs(tmp_path)
    assert record.status == "finished"
    assert [row["epoch"] for row in record.rows] == [1, 2, 3, 4, 5, 6]


def test_a_loop_that_starts_again_trains_its_epochs_again(tmp_path):
    manager = ExperimentManager(tmp_path)
    manager.prepare(PARAMS)
    for until in (3, 2):
        for epoch in range(1, until + 1):
            manager.run.report(epoch=epoch, loss=epoch + until)
        manager.run.leave("failed")
    (record,) = runs(tmp_path)
    assert [row["loss"] for row in record.rows] == [3, 4]
    assert [a["resumed_from_epoch"] for a in record.provenance["attempts"]] == [None, 0]


def test_a_fit_in_another_thread_is_not_disturbed(problem, tmp_path):
    first = ExperimentManager(tmp_path)
    callbacks = first.prepare(PARAMS)
    reached, go = threading.Event(), threading.Event()

    class Waiting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            reached.set()
            go.wait(60)

    thread = threading.Thread(target=fit, args=(problem, [*callbacks, Waiting()]))
    thread.start()
    assert reached.wait(60)
    ExperimentManager(tmp_path).prepare(PARAMS)
    go.set()
    thread.join()
    record = next(record for record in runs(tmp_path) if record.path == first.run_path)
    assert (record.status, ends(record)) == ("finished", ["finished"])


def check_told(base, stdout):
    assert "interrupted" in stdout.split()
    (record,) = runs(base)
    assert ends(record) == ["interrupted: ZeroDivisionError: division by zero", "finished"]
    assert [row["loss"] for row in record.rows] == [1.0, 0.5]
    assert record.provenance["attempts"][1]["resumed_from_epoch"] == 1


def test_a_line_that_raises_in_interactive_python_interrupts_the_run(tmp_path):
    command = [sys.executable, "-q", "-i", "-", str(tmp_path)]
    lines = f"{BEFORE}1 / 0{AFTER}"
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120)
    check_told(tmp_path, done.stdout)


def test_a_cell_that_raises_interrupts_the_run(tmp_path):
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        f"for cell in ({BEFORE!r}, '1 / 0', {AFTER!r}):\n"
        "    InteractiveShell.instance().run_cell(cell)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    check_told(tmp_path, done.stdout)
