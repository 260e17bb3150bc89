"""What a sweep learns from other sweeps, tables and studies, and what it says of those."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweeper.errors import SpecError
from sweeper.results import (
    SweepResults,
    csv_lines,
    index_sweep,
    optuna_study,
    read_warm_start,
)
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Tree

FILE = """\
program: t.py
method: bayes
metric: {{name: loss, goal: minimize}}
run_cap: 5
warm_start: {sources}
storage: {storage}
parameters:
  u: {{min: {low}, max: 100}}
  v: {{values: [a, b]}}
  w: {{min: 0.0, max: 1.0, when: "v == 'a'"}}
  epochs: 3
"""


@pytest.fixture
def sweep_of(tmp_path: Path) -> Callable[..., Sweep]:
    def sweep_of(*sources: str, low: int = 1, **keys: Any) -> Sweep:
        file = tmp_path / "s.yaml"
        text = FILE.format(sources=json.dumps(sources), storage=tmp_path / "trees", low=low)
        file.write_text(text)
        return load_sweep(file, [f"{key}={json.dumps(value)}" for key, value in keys.items()])

    return sweep_of


def test_a_table_gives_what_fits_and_says_what_does_not(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(
        "Name,u,v,w,epochs,loss\nx,16.0,b,,3,1.5\nx,16,b,,3,2.5\n,300,b,,3,1\n,7,a,,3,1\n"
        ",8,b,,9,1\n,9,b,,3,nan\n,10,b,,3,\n,11,b,,3," + "9" * 400 + "\n"
    )
    warm, (note,) = read_warm_start(sweep_of("r.csv"))
    assert warm.points == [({"u": 16, "v": "b", "epochs": 3}, 2.0)]
    assert note.endswith(
        "r.csv: 2 runs to learn from, 3 left out: u (300 is above 100); w (is not given); "
        "epochs (9 is always 3 here); no parameters here: Name"
    )


KINDS: list[Any] = [None, True, "a", "10", "-x", [1, 2], 0.5]


def test_what_we_export_is_learned_whole(
    sweep_of: Callable[..., Sweep], run_trial: Callable[..., Path], tmp_path: Path
) -> None:
    other = sweep_of("x", name="other", **{"parameters.v": {"values": KINDS}})
    points: list[dict[str, Any]] = [
        {"u": at + 1, "v": value, **({"w": 0.5} if value == "a" else {}), "epochs": 3}
        for at, value in enumerate(KINDS)
    ]
    for index, params in enumerate(points):
        run_trial(other, other.trial_of(index, params), rows=[{"loss": index}])
    cut = other.trial_of(90, {"u": 90, "v": None, "epochs": 3})
    run_trial(other, cut, rows=[{"loss": 9}], outcome="stopped")
    index = index_sweep(other)
    columns, rows = SweepResults([index]).table()
    (tmp_path / "r.csv").write_text("".join(csv_lines(columns, rows)))
    optuna_study([index], other.metric, optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/r.db"))
    for source in ("r.csv", "optuna:///r.db", str(other.base_dir)):
        sweep = sweep_of(source, **{"parameters.v": {"values": KINDS}})
        known = sorted(read_warm_start(sweep)[0].points, key=lambda point: point[1])
        assert known == [(params, float(at)) for at, params in enumerate(points)]


def test_null_is_nothing_where_a_parameter_is_not_active(
    sweep_of: Callable[..., Sweep], tmp_path: Path
) -> None:
    rows = [{"u": 1, "v": "b", "w": None, "loss": 1}, {"u": 2, "v": "a", "w": None, "loss": 2}]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    warm, (note,) = read_warm_start(sweep_of("r.json"))
    assert [params["u"] for params, _ in warm.points] == [1]
    assert note.endswith("1 left out: w (None is not a number)")


def test_json_takes_both_forms(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    rows = [
        {"params": {"u": 1, "v": "b"}, "value": 4},
        {"params": {"u": 2, "v": "b"}, "metrics": {"loss": 5}, "value": 0, "status": "finished"},
        {"params": {"u": 3, "v": "b"}, "metrics": {"loss": 6}, "status": "failed"},
        {"u": 4, "v": "b", "loss": 7},
    ]
    rows.append({"u": 5, "v": "b", "loss": math.nan})
    (tmp_path / "r.json").write_text(json.dumps({"trials": rows}))
    warm, _ = read_warm_start(sweep_of("r.json"))
    assert [(params["u"], value) for params, value in warm.points] == [(1, 4), (2, 5), (4, 7)]


def test_runs_of_another_tree_but_not_its_own(
    sweep_of: Callable[..., Sweep], run_trial: Callable[..., Path], tmp_path: Path
) -> None:
    other = sweep_of("x", name="other", sweep_name="other")
    for index, loss in enumerate((0.5, 0.25)):
        params = {"u": index + 1, "v": "b", "epochs": 3}
        run_trial(other, other.trial_of(index, params), rows=[{"loss": loss}])
    for source in (str(other.base_dir), f"{other.base_dir}/sweeps/other"):
        Tree(other.base_dir).home("other").mkdir(parents=True, exist_ok=True)
        warm, _ = read_warm_start(sweep_of(source))
        assert sorted(value for _, value in warm.points) == [0.25, 0.5]
    with pytest.raises(SpecError, match="there is no finished run"):
        read_warm_start(sweep_of(str(other.base_dir), name="other", sweep_name="other"))


def test_a_sweep_file_means_its_tree_from_wherever_it_is_asked(
    sweep_of: Callable[..., Sweep],
    run_trial: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "last").mkdir()
    (tmp_path / "this").mkdir()
    text = FILE.format(sources=[], storage="experiments", low=1).replace("warm_start: []\n", "")
    (tmp_path / "last" / "old.yaml").write_text(text)
    monkeypatch.chdir(tmp_path / "last")
    old = load_sweep(Path("old.yaml"))
    run_trial(old, old.trial_of(0, {"u": 7, "v": "b", "epochs": 3}), rows=[{"loss": 0.5}])
    monkeypatch.chdir(tmp_path / "this")
    warm, _ = read_warm_start(sweep_of("last/old.yaml"))
    assert warm.points == [({"u": 7, "v": "b", "epochs": 3}, 0.5)]


def test_what_was_read_first_is_what_counts(sweep_of: Callable[..., Sweep], tmp_path: Path) -> None:
    table = tmp_path / "r.csv"
    table.write_text("u,v,loss\n3,b,1\n20,b,2\n")
    sweep = sweep_of("r.csv", low=10)
    warm, _ = read_warm_start(sweep)
    assert len(warm.points) == 1
    tree = Tree(sweep.base_dir)
    tree.home(sweep.sweep_name).mkdir(parents=True)
    warm.write(tree, sweep)
    table.unlink()
    assert read_warm_start(sweep)[0].points == warm.points
    assert len(read_warm_start(sweep_of("r.csv", low=1))[0].points) == 2
    (tmp_path / "more.csv").write_text("u,v,loss\n50,b,3\n")
    assert len(read_warm_start(sweep_of("r.csv", "more.csv"))[0].points) == 3
    with pytest.raises(SpecError, match="there is no"):  # of another metric they say nothing
        read_warm_start(sweep_of("r.csv", **{"metric.name": "acc"}))


@pytest.mark.parametrize("kind", ["database", "journal"])
def test_a_study_of_optuna(sweep_of: Callable[..., Sweep], tmp_path: Path, kind: str) -> None:
    storage: Any = f"sqlite:///{tmp_path}/s.db"
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(f"{tmp_path}/s.db")
        storage = optuna.storages.JournalStorage(backend)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, direction in (("less", "minimize"), ("more", "maximize")):
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        study.enqueue_trial({"u": 7, "v": "b"})
        study.optimize(
            lambda t: t.suggest_int("u", 1, 9) + len(t.suggest_categorical("v", ["a", "b"])) - 1,
            n_trials=1,
        )
    warm, _ = read_warm_start(sweep_of("optuna:///s.db?study=less"))
    assert warm.points == [({"u": 7, "v": "b", "epochs": 3}, 7.0)]
    with pytest.raises(SpecError, match="one of its studies: less and more"):
        read_warm_start(sweep_of("optuna:///s.db"))
    with pytest.raises(SpecError, match="one of its studies: less and more"):
        read_warm_start(sweep_of("optuna:///s.db?study=mine"))
    with pytest.raises(SpecError, match="the study is to maximize, `metric` to minimize"):
        read_warm_start(sweep_of("optuna:///s.db?study=more"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "u,v,acc\n1,b,2\n", "a.csv:1: no number for `loss`: found u, v and acc"),
        ("a.csv", "x,y,loss\n1,b,2\n", "expected u, v and w, found x and y"),
        ("a.csv", "u,v,loss\n1,b\n", "a.csv:2: expected 3 cells, found 2"),
        ("a.json", '{"a": [1,}', "a.json:1:10: not valid JSON"),
        ("a.json", "[1, 2]", "expected a list of points: number 0 is of the kind int"),
        ("a.json", "[]", "a.json: no number for `loss`: there are no rows"),
        ("a.csv", "u,v,loss\n1,b,nan\n2,b,\n", "of 1 row that have it none is finished with a"),
        ("a.db", "garbage", "expected a mapping of keys"),
        ("optuna:///a.db", "garbage", "a.db: holds no study of Optuna's"),
    ],
)
def test_what_cannot_be_used_is_refused(
    sweep_of: Callable[..., Sweep], tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name.removeprefix("optuna:///")).write_text(text)
    with pytest.raises(SpecError) as caught:
        read_warm_start(sweep_of(name))
    assert said in str(caught.value)
    assert "s.yaml:5:" in str(caught.value)
    assert caught.value.exit_code == 2
