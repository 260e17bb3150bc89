"""What is exported is read back with the library that is to read it."""

from __future__ import annotations

import csv
import json
import math
import struct
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.main import main
from sweeper.sweepfile import load_sweep

SWEEP = """
name: odd
program: train.py
method: list
metric: {name: val_loss, goal: minimize}
storage: STORAGE
trials:
  - {lr: 0.1, model: {act: relu, units: [8, 16]}}
  - {lr: 1, model: {act: "=1+1", units: 8}}
  - {lr: 0.3, model: {act: null, units: ünits}}
"""


@pytest.fixture
def spec(tmp_path: Path, run_trial: Callable[..., Path], monkeypatch: Any) -> Path:
    """Three trials: one is finished, one has failed, one was interrupted."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd.yaml"
    path.write_text(SWEEP.replace("STORAGE", str(tmp_path / "experiments")))
    sweep = load_sweep(path)
    for trial in sweep.trials():
        run_trial(
            sweep,
            trial,
            rows=[{"val_loss": 2.0, "acc: 1": 0.5}, {"val_loss": trial.index, "acc: 1": math.nan}],
            outcome=("finished", "failed", None)[trial.index],
            error={"type": "ValueError", "message": "no"} if trial.index == 1 else None,
        )
    return path


def to(spec: Path, form: str, output: str, *more: str) -> int:
    return main(["export", str(spec), "--to", form, "-o", output, *more])


def test_csv_and_json(spec: Path, capsys: Any) -> None:
    assert to(spec, "csv", "runs.csv") == 0
    rows = list(csv.DictReader(Path("runs.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["finished", "failed", "interrupted"]
    assert [row["params.model.act"] for row in rows] == ["relu", "'=1+1", ""]  # no formula
    assert [row["value"] for row in rows] == ["0.0", "1.0", "2.0"]
    assert rows[0]["params.model.units"] == "[8, 16]"
    assert main(["export", str(spec), "--to", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed[0]["params"] == {"lr": 0.1, "model.act": "relu", "model.units": [8, 16]}
    assert printed[0]["metrics"] == {"acc: 1": None, "val_loss": 0.0}
    assert main(["export", str(spec), "--to", "json", "--epochs"]) == 0
    assert [row["val_loss"] for row in json.loads(capsys.readouterr().out)] == [2, 0, 2, 1, 2, 2]


def test_parquet(spec: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert to(spec, "parquet", "runs.parquet") == 0
    rows = parquet.read_table("runs.parquet").to_pylist()
    assert [row["params.lr"] for row in rows] == [0.1, 1.0, 0.3]
    assert [row["params.model.units"] for row in rows] == ["[8, 16]", "8", '"\\u00fcnits"']
    assert [row["value"] for row in rows] == [0, 1, 2]
    assert to(spec, "parquet", "epochs.parquet", "--epochs") == 0
    assert parquet.read_table("epochs.parquet").num_rows == 6


def test_optuna(spec: Path, capsys: Any) -> None:
    import optuna

    for _ in range(2):  # the second takes the place of the first
        assert to(spec, "optuna", "sweeps.db") == 0
        study = optuna.load_study(study_name="odd", storage="sqlite:///sweeps.db")
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "WAITING"]
        assert study.best_trial.params == {
            "lr": 0.1,
            "model.act": "relu",
            "model.units": "[8, 16]",
        }
        assert study.best_trial.intermediate_values == {1: 2.0, 2: 0.0}
        assert study.metric_names == ["val_loss"]
    optuna.create_study(study_name="theirs", storage="sqlite:///other.db")
    assert to(spec, "optuna", "other.db") == 0  # beside what is there
    assert len(optuna.get_all_study_names("sqlite:///other.db")) == 2
    optuna.delete_study(study_name="odd", storage="sqlite:///other.db")
    optuna.create_study(study_name="odd", storage="sqlite:///other.db")
    capsys.readouterr()
    assert to(spec, "optuna", "other.db") == 2
    assert "name another file" in capsys.readouterr().err


@pytest.mark.filterwarnings("default::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own
def test_mlflow(spec: Path, capsys: Any) -> None:
    mlflow = pytest.importorskip("mlflow")
    assert to(spec, "mlflow", "mlflow.db") == 0
    client = mlflow.MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("odd").experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.run_name"])
    assert [run.info.run_name for run in runs] == ["trial 0", "trial 1", "trial 2"]
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED", "KILLED"]
    assert runs[0].data.params == {"lr": "0.1", "model.act": "relu", "model.units": "[8, 16]"}
    assert runs[0].data.metrics["best val_loss"] == 0.0
    history = client.get_metric_history(runs[1].info.run_id, "val_loss")
    assert [(one.step, one.value) for one in history] == [(1, 2.0), (2, 1.0)]
    assert client.get_metric_history(runs[1].info.run_id, "acc_ 1")
    # Again, when one has changed: the others stay, and none is there twice.
    for path in spec.parent.glob("experiments/odd/exp-*/run--*"):
        if not (path / "outcome.json").exists():
            (path / "outcome.json").write_text('{"outcome": "finished", "elapsed": 3}')
    capsys.readouterr()
    assert to(spec, "mlflow", "mlflow.db") == 0
    assert "1 run; 2 that had not changed" in capsys.readouterr().err
    again = client.search_runs([experiment], order_by=["attributes.run_name"])
    assert [run.info.status for run in again] == ["FINISHED", "FAILED", "FINISHED"]
    assert [run.info.run_id for run in again][:2] == [run.info.run_id for run in runs][:2]


def records(data: bytes) -> Iterator[bytes]:
    """The records of a W&B file: LevelDB's log in blocks of 32 KiB, after a head of seven bytes."""
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield whole
            whole = b""


def test_wandb_as_offline_runs(spec: Path, capsys: Any) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    assert to(spec, "wandb", "offline") == 0
    files = sorted(Path("offline/wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 3
    found = {}
    for file in files:
        name, config, history, code = "", {}, [], None
        for data in records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                name = record.run.display_name
                assert (record.run.project, record.run.run_group) == ("odd", "odd")
                config = {one.key: json.loads(one.value_json) for one in record.run.config.update}
            elif record.HasField("history"):
                items = {(i.key or i.nested_key[0]): i.value_json for i in record.history.item}
                history.append(json.loads(items["val_loss"]))
            elif record.HasField("exit"):
                code = record.exit.exit_code
        found[name] = (config["model"]["act"], history, code)
    assert found == {
        "trial 0": ("relu", [2, 0], 0),
        "trial 1": ("=1+1", [2, 1], 1),
        "trial 2": (None, [2, 2], 0),
    }
    capsys.readouterr()
    assert to(spec, "wandb", "offline") == 0
    assert "0 runs; 3 that had not changed" in capsys.readouterr().err
    assert sorted(Path("offline/wandb").glob("offline-run-*/run-*.wandb")) == files


@pytest.mark.parametrize(
    ("form", "output", "more", "code", "says"),
    [
        ("csv", "not/there.csv", (), 1, "not/there.csv"),
        ("parquet", "-", (), 2, "expected -o with a file"),
        ("optuna", "not/there.db", (), 2, "not/there.db: expected a file for a database"),
        ("optuna", "text.db", (), 1, "text.db: cannot be written by Optuna: "),
        ("optuna", "o.db", ("--metric", "acurracy"), 2, "expected a metric that the runs have"),
        ("optuna", "o.db", ("--epochs",), 2, "--epochs is for csv"),
        ("mlflow", ".", (), 2, "found a directory"),
        ("mlflow", "nonsense://me:secret@x", (), 1, "nonsense://x: cannot be written by MLflow"),
        ("wandb", "text.db", (), 1, "text.db"),
    ],
)
def test_what_cannot_be_written(
    spec: Path, capsys: Any, form: str, output: str, more: Any, code: int, says: str
) -> None:
    if find_spec(form) is None and form in ("mlflow", "wandb"):
        pytest.skip(f"{form} is not installed")
    Path("text.db").write_text("no database" * 100)
    given = ["--goal", "minimize"] if "--metric" in more else []
    assert to(spec, form, output, *more, *given) == code
    err = capsys.readouterr().err
    assert says in err
    assert "secret" not in err


def test_an_empty_tree_and_a_library_that_is_missing(
    spec: Path, grid_file: Path, capsys: Any, monkeypatch: Any
) -> None:
    assert to(grid_file, "csv", "x.csv") == 2
    assert "expected runs to export, found none" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert to(spec, "mlflow", "m.db") == 2
    assert "pip install 'sweeper[mlflow]'" in capsys.readouterr().err
