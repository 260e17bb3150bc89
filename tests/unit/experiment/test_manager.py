"""The manager and the run, without Keras."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sweeper.errors import LeaseLost, RunBusy, TreeError, UsageError
from sweeper.experiment import ExperimentManager, Settings, staging
from sweeper.tree import Tree
from tests.opened import open_run

PARAMS = {"training": {"rate": 0.1}, "model": {"units": 8}, "comment": "x"}


def opened(base, params=PARAMS, **options):
    return open_run(base, params, **options)


def record(run):
    return next(r for r in Tree(run.path.parent.parent).all_runs() if r.path == run.path)


def test_reporting_without_keras(tmp_path):
    heard = []
    run = opened(tmp_path)
    run.on_report(heard.append)
    run.report(val_loss=np.float32(2.0))
    run.report(epoch=2, val_loss=1.0, extra=math.nan)
    run.report(val_loss=math.inf)
    assert heard[0] == {"epoch": 1, "metrics": {"val_loss": 2.0}}
    assert [e["epoch"] for e in heard] == [1, 2, 3]
    found = record(run)
    assert found.status == "running"
    assert found.performances["best"]["epoch"] == 2
    assert math.isnan(found.performances["best"]["extra"])
    assert found.performances["last"]["val_loss"] == math.inf
    run.close("finished")
    assert record(run).status == "finished"
    assert sorted(record(run).outcome) == ["by", "elapsed", "epochs", "outcome", "time"]


def test_a_run_that_starts_over_forgets_its_rows(tmp_path):
    run = opened(tmp_path)
    for loss in (3.0, 2.0, 1.0):
        run.report(loss=loss)
    run.interrupt()
    run = opened(tmp_path)
    run.report(loss=5.0)
    assert [r["loss"] for r in record(run).rows] == [5.0]
    assert record(run).performances["best"]["loss"] == 5.0
    run.close("finished")


def test_saving_and_restoring_a_custom_loop(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    run = opened(tmp_path / "tree")
    assert run.restore() is None
    for epoch in (1, 2, 3):
        run.report(epoch=epoch, loss=1.0 / epoch)
        (state / "weights.txt").write_text(str(epoch))
        run.save(state)
    run.report(epoch=4, loss=0.0)  # killed before it was saved
    run.interrupt()
    run = opened(tmp_path / "tree")
    found = run.restore()
    assert (found / "weights.txt").read_text() == "3"
    assert run.resumed_epoch == 3
    assert len(record(run).rows) == 3
    assert record(run).provenance["attempts"][-1]["resumed_from_epoch"] == 3
    run.report(loss=0.25)
    assert [r["epoch"] for r in record(run).rows] == [1, 2, 3, 4]
    run.interrupt()
    # The newest is torn: it is named and set aside, the one before it is used.
    newest = max((run.paths.backup).glob("state-*"))
    (newest / "data" / "weights.txt").write_text("garbage")
    run = opened(tmp_path / "tree")
    assert (run.restore() / "weights.txt").read_text() == "2"
    assert list(run.paths.aside.iterdir())
    assert len(record(run).rows) == 2
    run.close("finished")
    assert not run.paths.backup.exists()
    with pytest.raises(UsageError, match="expected a directory"):
        opened(tmp_path / "other").save(tmp_path / "none")


def test_a_living_owner_and_a_take_over(tmp_path):
    code = (
        "import sys, time\nfrom tests.opened import open_run\n"
        f"run = open_run(sys.argv[1], {PARAMS!r})\nrun.report(loss=1.0)\n"
        "print(run.path, flush=True)\nsys.stdin.readline()\n"
        "try:\n    run.report(loss=0.5)\nexcept Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as owner:  # fmt: skip
        path = Path(owner.stdout.readline().strip())
        with pytest.raises(RunBusy, match=rf"process {owner.pid} on .*alive"):
            opened(tmp_path)
        with pytest.raises(RunBusy):
            ExperimentManager(tmp_path).resume_run(path.parent.name, path.name)
        run = opened(tmp_path, take_over=True)
        assert run.path == path
        assert run.attempt == 2
        before = run.paths.training_logs.read_bytes()
        said, _ = owner.communicate("go\n", timeout=30)
    assert said.strip() == "LeaseLost"
    assert run.paths.training_logs.read_bytes() == before
    run.report(loss=0.7)
    run.close("finished")


def test_everything_that_writes_is_fenced(tmp_path):
    old = opened(tmp_path)
    old.report(loss=1.0)
    new = opened(tmp_path, take_over=True)
    state = tmp_path / "state"
    state.mkdir()
    before = {p: p.read_bytes() for p in old.path.rglob("*") if p.is_file()}
    for write in (
        lambda: old.report(loss=0.5),
        lambda: old.rewind(0),
        lambda: old.save(state),
        lambda: old.backups.save(1, {}, {"fit": 1}),
        lambda: old.close("finished"),
    ):
        with pytest.raises(LeaseLost):
            write()
    old.interrupt("lost")  # says so in the log only
    assert {p: p.read_bytes() for p in old.path.rglob("*") if p.is_file()} == before
    new.close("finished")


def test_an_outcome_is_written_once(tmp_path):
    run = opened(tmp_path)
    other = opened(tmp_path / "other")
    with pytest.raises(UsageError, match="outcome: expected one of"):
        run.close("great")
    with pytest.raises(ValueError, match="no such") as caught:
        raise ValueError("no such thing\nsecond line")
    assert run.close("failed", caught.value)
    found = record(run)
    assert found.outcome["error"]["type"] == "ValueError"
    assert found.outcome["error"]["traceback"][-1] == "second line"
    assert found.provenance["attempts"][0]["ended"] == "failed: ValueError: no such thing"
    (other.path / "outcome.json").write_text('{"outcome": "stopped"}')
    assert not other.close("finished")
    assert record(other).status == "stopped"


def test_several_fits_in_one_run(tmp_path):
    run = opened(tmp_path)
    with run:
        run.report(loss=1.0)
    assert record(run).status == "finished"
    failing = opened(tmp_path, replicate=1)
    with pytest.raises(KeyError), failing:
        raise KeyError("x")
    assert record(failing).status == "interrupted"


def test_what_follows_the_last_report_counts_as_time_too(tmp_path):
    run = opened(tmp_path)
    run.report(loss=1.0)
    run._started -= 100
    run.interrupt()
    assert record(run).elapsed > 100


def test_an_exception_leaves_the_run_interrupted(tmp_path):
    code = (
        "import sys\nfrom tests.opened import open_run\n"
        f"open_run(sys.argv[1], {PARAMS!r})"
        "\nraise ValueError('my bug')\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False, timeout=60
    )
    (found,) = Tree(tmp_path).all_runs()
    assert found.status == "interrupted"
    assert found.provenance["attempts"][0]["ended"] == "interrupted: ValueError: my bug"
    assert not list(found.path.glob("lease*"))


def test_the_output_of_a_run(tmp_path):
    code = (
        "import os, sys, contextlib\nfrom pathlib import Path\n"
        "from sweeper.experiment import output\nprint('before')\n"
        "with contextlib.suppress(KeyError), output.redirected(Path(sys.argv[1])):\n"
        "    print('from python')\n    os.system('echo from a child')\n"
        "    print('to stderr', file=sys.stderr)\n    raise KeyError\nprint('after')\n"
    )
    path = tmp_path / "output.log"
    path.write_text("an earlier attempt\n")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "before\nafter\n"
    assert done.stderr == ""
    assert sorted(path.read_text().splitlines()) == [
        "an earlier attempt",
        "from a child",
        "from python",
        "to stderr",
    ]


@pytest.mark.parametrize(
    "name", ["with space", "quo'te\"s", "new\nline", "ünïcode", "semi;colon $HOME", "-dash", "%s{}"]
)
def test_odd_names_of_the_base(tmp_path, name):
    run = opened(tmp_path / name)
    run.report(loss=1.0)
    run.close("finished")
    assert record(run).torn == []


def test_a_relative_base_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = opened("experiments")
    monkeypatch.chdir("/")
    run.report(loss=1.0)
    run.close("finished")
    assert run.path.is_relative_to(tmp_path / "experiments")


def test_a_vanished_directory(tmp_path):
    run = opened(tmp_path / "tree")
    (tmp_path / "tree").rename(tmp_path / "elsewhere")
    with pytest.raises(TreeError):
        run.report(loss=1.0)
    run.interrupt()
    assert not (tmp_path / "tree").exists()


def test_torn_provenance_is_set_aside_by_a_new_run(tmp_path):
    run = opened(tmp_path)
    run.interrupt()
    run.paths.provenance.write_text("{")
    with pytest.raises(TreeError, match="torn"):
        ExperimentManager(tmp_path).resume_run(run.path.parent.name, run.path.name)
    again = opened(tmp_path)
    assert again.path != run.path
    again.close("finished")


def test_torn_files_of_a_resumed_run_are_mended(tmp_path, caplog):
    run = opened(tmp_path)
    run.report(loss=1.0)
    run.interrupt()
    for path in (run.paths.hyperparameters, run.paths.performances, run.paths.outcome):
        path.write_text("{")
    again = opened(tmp_path)
    assert again.path == run.path
    assert str(run.paths.performances) in caplog.text
    assert json.loads(run.paths.hyperparameters.read_text()) == PARAMS
    again.report(loss=1.0)
    assert again.close("finished")
    assert record(again).torn == []


def test_bad_requests(tmp_path):
    with pytest.raises(UsageError, match="found the string 'model'"):
        ExperimentManager(tmp_path, "model")
    with pytest.raises(UsageError, match="seed"):
        ExperimentManager(tmp_path, seed=-1)
    with pytest.raises(UsageError, match=r"'monitr' is unknown; expected .*monitor"):
        ExperimentManager(tmp_path, checkpoint_params={"monitr": "loss"})
    with pytest.raises(UsageError, match="keras or h5"):
        ExperimentManager(tmp_path, checkpoint_params={"format": "onnx"})
    with pytest.raises(UsageError, match="min, max or auto"):
        ExperimentManager(tmp_path, checkpoint_params={"mode": "up"})
    with pytest.raises(UsageError, match="file name"):
        ExperimentManager(tmp_path, checkpoint_params={"filepath": "../x.keras"})
    with pytest.raises(UsageError, match="backup_every"):
        ExperimentManager(tmp_path, backup_every=0)
    manager = ExperimentManager(tmp_path)
    with pytest.raises(UsageError, match="no run yet"):
        _ = manager.run
    with pytest.raises(UsageError, match="there is nothing"):
        manager.resume_run("exp-1", "run--26-11-24--00-15")
    with pytest.raises(UsageError, match="directory's name"):
        manager.resume_run("../x", "run--26-11-24--00-15")
    with pytest.raises(UsageError, match=r"params\.model"):
        opened(tmp_path, {"model": {"x": {1, 2}}})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", ["first", 0, True, [], 1.5])
def test_bad_keep(value):
    with pytest.raises(UsageError, match="keep: expected"):
        Settings.parse({"keep": value})


def test_nothing_heavy_is_loaded():
    code = (
        "import sys\nimport sweeper\nfrom sweeper import ExperimentManager\n"
        "from sweeper.tree import Tree\nlist(Tree('/none').all_runs())\n"
        "print([m for m in ('ray', 'tensorflow', 'keras', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_tree_that_is_renamed_does_not_come_into_being_again(tmp_path, monkeypatch):
    base = tmp_path / "tree"
    opened(base).close("finished")
    made = staging.new_record

    def rename(*arguments):
        base.rename(tmp_path / "moved")
        return made(*arguments)

    monkeypatch.setattr(staging, "new_record", rename)
    with pytest.raises(TreeError):
        opened(base, params={"x": 1})
    assert not base.exists()
    assert len(list(Tree(tmp_path / "moved").all_runs())) == 1


@pytest.mark.parametrize("more", [{}, {"debug": True}])
def test_a_trial_does_not_make_the_tree_of_its_launch_again(tmp_path, more):
    base, moved = tmp_path / "tree", tmp_path / "moved"
    base.mkdir()
    opened(base, params={"x": 1, **more}, anew=False).close("finished")
    with pytest.raises(TreeError):
        opened(base, params={"x": 2, **more}, anew=False, guard=lambda: base.rename(moved))
    assert not base.exists()
    assert len(list(Tree(moved).of(more).all_runs())) == 1


def test_a_state_whose_rows_are_lost_is_not_gone_on_from(tmp_path):
    run = opened(tmp_path)
    (tmp_path / "state").mkdir()
    for epoch in (1, 2, 3):
        run.report(epoch, loss=1 / epoch)
    run.save(tmp_path / "state")
    run.interrupt()
    log = run.paths.training_logs
    head, _, *rest = log.read_text().splitlines(keepends=True)
    log.write_text("".join([head, *rest]))
    again = opened(tmp_path)
    assert (again.restore(), again.log.rows, again.resumed_epoch) == (None, [], 0)


def test_the_names_of_the_original(tmp_path):
    manager = ExperimentManager(tmp_path)
    with pytest.raises(UsageError):
        manager.get_csv_path()
    left = opened(tmp_path)
    left.interrupt()
    manager.resume_run(left.path.parent.name, left.path.name)
    run = manager.run
    run.report(loss=1.0)
    assert manager.get_run_path() == manager.run_path == run.path
    assert (manager.get_experiment_id(), manager.run_id) == (run.path.parent.name, run.path.name)
    assert manager.get_run_id() == manager.run_id
    assert manager.params == PARAMS
    assert json.loads(manager.get_param_path().read_text()) == PARAMS
    assert manager.get_csv_path().read_text() == "epoch,loss\n1,1.0\n"
    assert json.loads(manager.get_best_perf_path().read_text())["best"] == {"epoch": 1, "loss": 1}
    assert (manager.get_best_model_path(), manager.get_log_error_path().name) == (
        run.path / "models", "output.log"
    )  # fmt: skip
    assert manager.get_last_checkpoint_path() is None
    (run.path / "models").mkdir(exist_ok=True)
    (run.path / "models" / "model.01-1.0000.keras").touch()
    assert manager.get_last_checkpoint_path() == run.path / "models" / "model.01-1.0000.keras"
    assert manager.get_debug_path() == tmp_path / "debug"
