"""Trees from elsewhere: a bad record spoils its run alone, nothing outside is touched."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper.cli.main import main
from sweeper.errors import SweeperError
from sweeper.experiment import ExperimentManager, prune_checkpoints
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import RunRecord, Tree, files
from tests.opened import open_run, open_run_of

ROWS = [{"loss": 1.0, "val_loss": 2.0}, {"loss": 0.5, "val_loss": 1.0}]
RunTrial = Callable[..., Path]
Shown = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        assert "this is a bug" not in printed.err, printed.err
        return code, printed.out, printed.err

    return run


@pytest.fixture
def runs(grid: Sweep, run_trial: RunTrial) -> list[Path]:
    """A finished run of each of the four trials, and the sweep as it is stored."""
    home = grid.base_dir / "sweeps" / "grid"
    home.mkdir(parents=True)
    (home / "sweep.yaml").write_text(grid.to_yaml())
    return [run_trial(grid, trial, rows=ROWS) for trial in grid.trials()]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Files that no command may read, change or remove."""
    place = tmp_path / "home"
    place.mkdir()
    for name in (".bashrc", ".x.tmp", "id_rsa", "model.01-0.1.keras", "run.json"):
        (place / name).write_text("SECRET")
    before = {p.name: (p.read_text(), p.stat().st_mtime_ns) for p in place.iterdir()}
    yield place
    assert {p.name: (p.read_text(), p.stat().st_mtime_ns) for p in place.iterdir()} == before


def change(path: Path, key: str, text: str) -> None:
    """Put JSON ``text``, which Python may be unable to say, in place of a record's field."""
    data = json.loads(path.read_text())
    data[key] = "@@"
    path.write_text(json.dumps(data).replace('"@@"', text))


DEEP = "[" * 900 + "]" * 900
BAD = [
    *[("run.json", "monitored", t) for t in ("[3]", "3", "[[3]]", "[[]]", "[{}]", DEEP)],
    *[("run.json", "trial", t) for t in ('"0"', "[0]", "1e999", "9" * 400, "true")],
    ("run.json", "replicate", "[1]"),
    ("run.json", "sweep", '["grid"]'),
    ("run.json", "attempts", '[{"number": "1"}]'),
    ("run.json", "attempts", '[{"source": "../../../home"}]'),
    ("run.json", "attempts", "[1]"),
    ("run.json", "program", '{"path": 3, "root": "/"}'),
    ("run.json", "program", '{"path": "x.py"}'),
    ("run.json", "continues", '{"experiment": "../..", "run": "home"}'),
    ("run.json", "parent", '{"experiment": "a"}'),
    ("performances.json", "monitor", '["loss"]'),
    ("performances.json", "best", '{"epoch": [1]}'),
    ("performances.json", "last", '{"epoch": 1, "val_loss": "x"}'),
    ("performances.json", "last", "[]"),
    ("performances.json", "elapsed", "1e999"),
    ("performances.json", "elapsed", "9" * 400),
    ("outcome.json", "outcome", '["finished"]'),
    ("outcome.json", "elapsed", "1e999"),
    ("outcome.json", "elapsed", '"long"'),
    ("hyperparameters.json", "training", "NaN"),
    ("hyperparameters.json", "training", "9" * 400),
    ("hyperparameters.json", "training", '"\\ud800"'),
    ("hyperparameters.json", "training", DEEP),
]


@pytest.mark.parametrize(("name", "key", "text"), BAD, ids=lambda value: str(value)[:30])
def test_a_record_of_another_shape_spoils_its_run_alone(
    grid: Sweep, runs: list[Path], shown: Shown, name: str, key: str, text: str
) -> None:
    change(runs[1] / name, key, text)
    for form in ("table", "json", "csv", "yaml"):
        code, out, err = shown("status", grid.base_dir, "--format", form)
        assert code == 0
        assert all(run.parent.name in out for run in runs), out
        assert str(runs[1] / name) in err
        assert shown("best", grid.base_dir, "--format", form, "--top", "9")[0] == 0
    shown("logs", grid.base_dir, "1")
    shown("diff", runs[1], runs[0], "--json")
    shown("diff", runs[1])
    assert shown("plan", grid.path)[0] == 0


FORMATS = st.sampled_from(["table", "json", "csv", "yaml"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_whatever_a_record_holds_the_other_runs_are_shown(
    grid: Sweep, runs: list[Path], shown: Shown, data: st.DataObject
) -> None:
    path = runs[1] / data.draw(st.sampled_from(sorted({name for name, _, _ in BAD})))
    whole = path.read_text()
    record = json.loads(whole)
    key = data.draw(st.sampled_from(sorted(record)))
    value = data.draw(JSON)
    path.write_text(json.dumps(value if data.draw(st.booleans()) else {**record, key: value}))
    try:
        code, out, _ = shown("status", grid.base_dir, "--format", data.draw(FORMATS))
        assert (code, all(run.parent.name in out for run in runs)) == (0, True)
        for words in (["best", grid.base_dir], ["plan", grid.path]):
            assert shown(*words)[0] == 0
        for words in (["logs", grid.base_dir, "1"], ["diff", runs[1], runs[0]]):
            assert shown(*words)[0] in (0, 1, 2)
    finally:
        path.write_text(whole)


@pytest.mark.parametrize(
    "log",
    [
        f"epoch,{'x' * 140_000}\n1,2.0\n",
        f"epoch,loss\n1,{'1' * 140_000}\n",
        f"epoch,loss\n{'9' * 4000},1.0\n",
        f"epoch,loss\n{'9' * 5000},1.0\n",
        'epoch,loss\n1,"' + "x" * 140_000,
        "epoch,loss\n1,\x001.0\n",
    ],
    ids=["a long header", "a long cell", "an epoch", "a longer epoch", "a quote", "a zero byte"],
)
def test_a_log_that_no_run_writes_is_torn(
    grid: Sweep, runs: list[Path], shown: Shown, log: str
) -> None:
    (runs[1] / "training-logs.csv").write_text(log)
    (runs[1] / "performances.json").unlink()
    code, out, err = shown("status", grid.base_dir)
    assert (code, out.count("finished")) == (0, 5)
    assert str(runs[1] / "training-logs.csv") in err


def test_a_log_of_many_rows_takes_no_more_memory_than_its_text(runs: list[Path]) -> None:
    rows = "".join(f"{epoch},0.5\n" for epoch in range(1, 100_001))
    (runs[0] / "training-logs.csv").write_text(f"epoch,loss\n{rows}")
    tracemalloc.start()
    try:
        assert RunRecord.at(runs[0]).torn == []
        assert tracemalloc.get_traced_memory()[1] < 3 * len(rows)
    finally:
        tracemalloc.stop()


def _spoil(path: Path, how: str, outside: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if how == "fifo":
        os.mkfifo(path)
    elif how == "sparse":
        with open(path, "wb") as file:
            file.truncate(2 << 30)
    else:
        path.symlink_to({"link": outside, "file": outside / "id_rsa", "zero": "/dev/zero"}[how])


@pytest.mark.parametrize("how", ["fifo", "file", "zero"])
@pytest.mark.parametrize(
    "name",
    ["run.json", "outcome.json", "hyperparameters.json", "performances.json", "training-logs.csv"],
)
def test_links_and_special_files_are_neither_read_nor_waited_for(
    grid: Sweep, runs: list[Path], shown: Shown, outside: Path, name: str, how: str
) -> None:
    _spoil(runs[1] / name, how, outside)
    code, out, err = shown("status", grid.base_dir)
    assert (code, "3 finished, 1 unreadable" in out) == (0, True)
    assert str(runs[1] / name) in out
    assert "SECRET" not in out + err
    assert shown("best", grid.base_dir)[0] == 0
    assert shown("logs", grid.base_dir, "1")[0] == 1
    assert shown("diff", runs[1], runs[0])[0] == 1


@pytest.mark.parametrize("name", ["run.json", "performances.json", "training-logs.csv"])
def test_a_file_of_nothing_but_a_size_is_not_read(
    grid: Sweep, runs: list[Path], shown: Shown, outside: Path, name: str
) -> None:
    _spoil(runs[1] / name, "sparse", outside)
    code, out, err = shown("status", grid.base_dir)
    assert (code, out.count("finished")) == (0, 5)
    assert str(runs[1] / name) in err


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("output.log", "file"),
        ("models", "link"),
        ("backup", "link"),
        ("aside", "link"),
        ("", "link"),
    ],
)
def test_a_run_with_a_link_is_named_and_never_written(
    grid: Sweep, run_trial: RunTrial, shown: Shown, outside: Path, name: str, how: str
) -> None:
    trial = next(grid.trials())
    run = run_trial(grid, trial, rows=ROWS, outcome=None)
    _spoil(run / name, how, outside)
    before = sorted(os.listdir(run))
    _, out, _ = shown("status", grid.path)
    assert "1 unreadable" in out
    assert str(run / name) in out
    with pytest.raises(SweeperError, match="found a link"):
        open_run_of(grid, trial)
    with pytest.raises(SweeperError):
        ExperimentManager(grid.base_dir).resume_run(run.parent.name, run.name)
    (run / "outcome.json").exists() or name == "" or (run / "outcome.json").write_text(
        '{"outcome": "finished"}'
    )
    Tree(grid.base_dir).tidy()
    prune_checkpoints(Tree(grid.base_dir), 0)
    assert sorted(os.listdir(run)) == sorted({*before, *(["outcome.json"] if name else [])})


def test_summaries_that_nobody_may_read_stop_no_plan(
    grid: Sweep, runs: list[Path], shown: Shown, outside: Path
) -> None:
    for run in runs[:2]:
        _spoil(run / "performances.json", "file", outside)
    change(runs[1] / "outcome.json", "outcome", '"finished"')
    (runs[1] / "outcome.json").write_text('{"outcome": "finished"}')
    assert shown("plan", grid.path)[0] == 0


@pytest.mark.parametrize("name", ["sweeps", "sweeps/grid", "programs", "sweeps/grid/ray"])
def test_a_directory_of_the_tree_that_is_a_link_is_neither_read_nor_written(
    grid: Sweep, runs: list[Path], shown: Shown, outside: Path, name: str
) -> None:
    where = outside.parent / "linked"
    where.mkdir()
    (where / "grid").mkdir()
    for place in (where, where / "grid"):
        (place / "sweep.yaml").write_text("SECRET: 1")
        (place / "choices.json").write_text('{"reuse": ["SECRET"]}')
    before = sorted(where.rglob("*"))
    path = grid.base_dir / name
    shutil.rmtree(path, ignore_errors=True)
    path.symlink_to(where)
    for words in (["status", grid.base_dir], ["status", grid.path], ["diff", runs[0]]):
        _, out, err = shown(*words)
        assert "SECRET" not in out + err
    _, out, err = shown("status", grid.base_dir / "sweeps" / "grid" / "sweep.yaml")
    assert "SECRET" not in out + err
    tree = Tree(grid.base_dir)
    if name == "sweeps/grid/ray":
        files.remove(path)
        assert not path.is_symlink()
    else:
        with pytest.raises(SweeperError, match="found a link"):
            tree.home("grid")
    assert sorted(where.rglob("*")) == before


@pytest.mark.parametrize("name", [".aws/credentials", "id_rsa", "linked.py"])
def test_a_tree_does_not_show_files_that_it_names_as_its_program(
    grid: Sweep, runs: list[Path], shown: Shown, tmp_path: Path, name: str
) -> None:
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    for secret in (".aws/credentials", "id_rsa"):
        (home / secret).write_text("SECRET")
    (home / "linked.py").symlink_to(home / "id_rsa")
    (home / "train.py").write_text("new")
    kept = grid.base_dir / "programs" / ("0" * 12)
    for file in (name, "train.py"):
        (kept / file).parent.mkdir(parents=True, exist_ok=True)
        (kept / file).write_text("old")
    change(runs[0] / "run.json", "attempts", '[{"number": 1, "source": "000000000000"}]')
    for path in (home / name, home / "train.py"):
        change(runs[0] / "run.json", "program", json.dumps({"path": str(path), "root": str(home)}))
        for form in ("table", "json"):
            _, out, err = shown("diff", runs[0], "--format", form)
            assert "SECRET" not in out + err
            assert f"{name}: has changed" in out
            assert "+new" in out


def test_a_log_that_is_a_file_of_another_place_too_is_not_written(
    grid: Sweep, run_trial: RunTrial, outside: Path
) -> None:
    trial = next(grid.trials())
    run = run_trial(grid, trial, rows=ROWS, outcome=None)
    (run / "training-logs.csv").unlink()
    os.link(outside / "id_rsa", run / "training-logs.csv")
    with pytest.raises(SweeperError, match="a hard link"):
        files.append(run / "training-logs.csv", b"more")


def test_depth_and_amount_of_what_a_tree_holds_stop_no_reader(
    grid: Sweep, runs: list[Path], shown: Shown
) -> None:
    kept = grid.base_dir / "programs" / ("0" * 12)
    for run in (0, 1):
        change(runs[run] / "run.json", "attempts", '[{"number": 1, "source": "000000000000"}]')
        change(runs[run] / "run.json", "program", '{"path": "/x.py", "root": "/"}')
    subprocess.run(["mkdir", "-p", f"{kept}{'/a' * 1500}", f"{runs[2]}/models{'/a' * 1200}"])
    (runs[2] / "outcome.json").unlink()
    for words in (["status", grid.base_dir], ["diff", runs[0]], ["status", grid.path]):
        assert shown(*words)[0] == 0
    manager = ExperimentManager(grid.base_dir, grid.monitored)
    assert manager.resume_run(runs[2].parent.name, runs[2].name) is not None
    for number in range(40):
        with open(kept / f"module{number}.py", "wb") as file:
            file.truncate(999_999)
    assert shown("status", grid.base_dir)[0] == 0
    assert shown("diff", runs[0])[0] == 1
    subprocess.run(["rm", "-r", kept, runs[2] / "models"])  # pytest cannot


@pytest.mark.parametrize(
    "text",
    ['{"a": [' + "{}," * 1_000_001 + "1]}", "{" + '"a":1,' * 100_001 + '"b": 1}'],
    ids=["mappings", "names"],
)
def test_a_record_that_would_fill_the_memory_is_torn(
    grid: Sweep, runs: list[Path], shown: Shown, text: str
) -> None:
    (runs[1] / "hyperparameters.json").write_text(text)
    _, _, err = shown("status", grid.base_dir)
    assert f"torn: {runs[1] / 'hyperparameters.json'}" in err


def test_what_a_sweep_file_may_hold_can_be_read_again_or_is_refused(
    grid: Sweep, tmp_path: Path
) -> None:
    deep: Any = 1
    for _ in range(90):
        deep = [deep]
    run = open_run(tmp_path / "tree", {"a": {"deep": deep, "long": 17 * 10**307}})
    run.close("finished")
    assert RunRecord.at(run.path).torn == []
    for value in ([{}] * 1_000_001, 10**309, "x" * (33 << 20)):
        with pytest.raises(SweeperError, match="expected what a record can hold"):
            open_run(tmp_path / "tree", {"a": {"b": value}}, trial=1)


def test_a_backup_with_a_link_is_not_resumed_from(
    grid: Sweep, run_trial: RunTrial, outside: Path
) -> None:
    trial = next(grid.trials())
    run = run_trial(grid, trial, rows=ROWS, outcome=None)
    (run / "backup").mkdir()
    (run / "backup" / "state-000001").symlink_to(outside)
    change(run / "run.json", "attempts", '[{"number": 1}]')
    with pytest.raises(SweeperError, match=r"state-000001: .* found a link"):
        open_run_of(grid, trial)


def test_a_tree_of_debug_runs_that_is_a_link_is_not_written(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "debug").symlink_to(outside)
    with pytest.raises(SweeperError, match="found a link"):
        ExperimentManager(tmp_path / "tree").prepare({"x": {"a": 1}, "debug": True})


def test_copies_have_content_and_no_modes(
    grid: Sweep, runs: list[Path], shown: Shown, tmp_path: Path, outside: Path
) -> None:
    (model,) = (runs[0] / "models").iterdir()
    model.chmod(0o4777)
    assert shown("best", grid.base_dir, "--copy-to", tmp_path / "copy")[0] == 0
    copy = tmp_path / "copy" / model.name
    assert copy.read_bytes() == model.read_bytes()
    assert copy.stat().st_mode & 0o7111 == 0
    model.unlink()
    model.symlink_to(outside / "id_rsa")
    shown("best", grid.base_dir, "--copy-to", tmp_path / "again")
    assert not (tmp_path / "again" / model.name).exists()


@pytest.mark.parametrize("trial", ["²", "٣", "9" * 5000, "-1", "", "exp-\udcff"])
def test_a_trial_may_be_asked_for_in_any_words(
    grid: Sweep, runs: list[Path], shown: Shown, trial: str
) -> None:
    assert shown("logs", grid.base_dir, "--", trial)[0] in (0, 2)


def test_names_that_are_no_text_are_no_trouble(grid: Sweep, runs: list[Path], shown: Shown) -> None:
    os.mkdir(os.fsencode(grid.base_dir) + b"/exp-\xff\xfe")
    os.mkdir(os.fsencode(runs[0].parent) + b"/run--26-11-24--00-15-\xff")
    moved = Path(os.fsdecode(os.fsencode(grid.base_dir.parent) + b"/tree-\xff"))
    grid.base_dir.rename(moved)
    for form in ("table", "json", "csv", "yaml"):
        code, out, _ = shown("status", moved, "--format", form)
        assert (code, "finished" in out) == (0, True)
        assert shown("best", moved, "--format", form)[0] == 0


@pytest.mark.parametrize("text", ['{"rerun": 3}', '{"rerun": [["x"]]}', '{"reuse": "abc"}', None])
def test_what_was_said_before_and_cannot_be_read_stops_no_reader(
    grid: Sweep, runs: list[Path], shown: Shown, text: str | None
) -> None:
    path = grid.base_dir / "sweeps" / "grid" / "choices.json"
    if text is None:
        os.mkfifo(path)
    else:
        path.write_text(text)
    code, out, err = shown("status", grid.base_dir)
    assert (code, "4 finished" in out, str(path) in err) == (0, True, True)


def test_a_chain_of_runs_that_is_a_ring_ends(grid: Sweep, runs: list[Path], shown: Shown) -> None:
    itself = json.dumps({"experiment": runs[0].parent.name, "run": runs[0].name})
    change(runs[0] / "run.json", "continues", itself)
    change(runs[0] / "run.json", "attempts", '[{"number": 1, "resumed_from_epoch": 1}]')
    change(runs[0] / "run.json", "program", '{"path": "/x.py", "root": "/"}')
    assert shown("status", grid.base_dir)[0] == 0
    assert shown("diff", runs[0])[0] == 0


def test_a_torn_run_json_without_outcome_is_named(
    grid: Sweep, runs: list[Path], shown: Shown
) -> None:
    (runs[1] / "outcome.json").unlink()
    (runs[1] / "run.json").write_text("{")
    _, _, err = shown("status", grid.base_dir)
    assert f"torn: {runs[1] / 'run.json'}" in err


LARGE = {
    "a grid of 10^9 points": "method: grid\nparameters:\n"
    + "".join(f"  p{i}: {{min: 1, max: 1000}}\n" for i in range(3)),
    "repeats": "method: grid\nrepeats: 100000000\nparameters:\n  p0: {values: [1, 2]}\n",
    "an endless sweep": "method: random\nparameters:\n  p0: {min: 0.0, max: 1.0}\n",
    "a finite random space": "method: random\nparameters:\n"
    + "".join(f"  p{i}: {{min: 1, max: 60}}\n" for i in range(3)),
    "repeats of a bayes sweep": "method: bayes\nmetric: {name: loss}\nrepeats: 100000000\n"
    "parameters:\n  p0: {min: 0.0, max: 1.0}\n",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("number", [2, 10**12])
def test_what_a_file_could_ask_for_is_not_enumerated(
    tmp_path: Path, run_trial: RunTrial, shown: Shown, text: str, number: int
) -> None:
    spec = tmp_path / "large.yaml"
    spec.write_text(f"name: large\nprogram: train.py\nstorage: {tmp_path / 'experiments'}\n{text}")
    sweep = load_sweep(spec)
    names = [p for p in ("p0", "p1", "p2") if p in text]
    params: dict[str, Any] = dict.fromkeys(names, 0.5 if "0.0" in text else 1)
    if sweep.method == "random" and number == 2:
        params = list(itertools.islice(sweep.trials(), 3))[2].params
    home = sweep.base_dir / "sweeps" / "large"
    home.mkdir(parents=True)
    (home / "sweep.yaml").write_text(sweep.to_yaml())
    path = run_trial(sweep, sweep.trial_of(number, params), rows=ROWS)
    for target in (spec, sweep.base_dir):
        code, out, _ = shown("status", target)
        assert (code, "finished       2" in out, path.parent.name in out) == (0, True, True), out
        assert len(out.splitlines()) < 10
        assert shown("best", target, "--metric", "loss", "--goal", "minimize")[0] == 0
        assert shown("logs", target, str(number))[1] == "trained 2 epochs\n"
    _, out, _ = shown("status", spec, "--json")
    found = json.loads(out)
    if found["size"]:
        assert sum(found["counts"].values()) == found["size"]
        assert found["counts"]["finished"] == (number == 2)


def test_a_large_sweep_counts_what_another_sweep_has_finished(
    tmp_path: Path, run_trial: RunTrial, shown: Shown
) -> None:
    spec = tmp_path / "large.yaml"
    text = LARGE["a grid of 10^9 points"]
    spec.write_text(f"name: large\nprogram: train.py\nstorage: {tmp_path / 'experiments'}\n{text}")
    sweep = load_sweep(spec)
    run_trial(sweep, sweep.trial_of(7, dict.fromkeys(("p0", "p1", "p2"), 5)), sweep="other")
    run_trial(sweep, sweep.trial_of(8, dict.fromkeys(("p0", "p1", "p2"), -5)), sweep="other")
    _, out, _ = shown("status", spec)
    assert "1 finished, 999999999 pending" in out


@pytest.mark.parametrize("content", ['{"a": "SECRET"}', "SECRET", "- SECRET: [", "x\tSECRET: :"])
@pytest.mark.parametrize("name", ["secret.json", "secret.yaml", "id_rsa"])
def test_a_stored_sweep_takes_no_file_from_elsewhere(
    grid: Sweep, runs: list[Path], shown: Shown, tmp_path: Path, content: str, name: str
) -> None:
    (tmp_path / name).write_text(content)
    home = grid.base_dir / "sweeps" / "grid"
    text = grid.to_yaml() + f"base: {tmp_path / name}\n"
    (home / "sweep.yaml").write_text(text)
    saved = tmp_path / "saved.json"
    for words in (
        ["status", grid.base_dir, "--json"],
        ["status", home / "sweep.yaml"],
        ["plan", home / "sweep.yaml", "--json", "--save-trials", saved],
        ["convert", home / "sweep.yaml", "--to", "wandb"],
        ["best", grid.base_dir],
    ):
        _, out, err = shown(*words)
        assert "SECRET" not in out + err
        assert "a stored sweep is whole" in err
    assert not saved.exists()
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(text)
    _, out, err = shown("check", elsewhere, "--spec-only")
    assert "SECRET" not in out + err  # of a file that is not what it should be


def test_a_stored_sweep_that_is_a_link_is_not_read(
    grid: Sweep, runs: list[Path], shown: Shown, outside: Path
) -> None:
    stored = grid.base_dir / "sweeps" / "grid" / "sweep.yaml"
    stored.unlink()
    stored.symlink_to(outside / "id_rsa")
    for target in (grid.base_dir, stored):
        code, out, err = shown("status", target)
        assert "SECRET" not in out + err
        assert (code, "4 finished" in out) == (0, True)


def test_a_current_directory_that_is_gone_is_named(
    runs: list[Path], shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    code, _, err = shown("status", runs[0].parent.parent)
    assert (code, "current directory" in err) == (2, True)


def test_a_good_record_is_not_taken_for_another_shape(tmp_path: Path, grid: Sweep) -> None:
    run = open_run_of(grid, next(grid.trials()))
    run.report(loss=float("nan"), val_loss=float("inf"))
    run.close("failed", ValueError("é\ud800"))
    record = RunRecord.at(run.path)
    assert record.torn == []
    assert record.status == "failed"
