from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.cli.main import main
from sweeper.sweepfile import Sweep, load_sweep

RunTrial = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
ROWS = [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0, "val_loss": 2.5}]


@pytest.fixture
def half_done(grid: Sweep, run_trial: RunTrial) -> Sweep:
    """Trial 0 finished, 1 interrupted, 2 failed, 3 not yet begun."""
    trials = list(grid.trials())
    run_trial(grid, trials[0], rows=ROWS)
    run_trial(grid, trials[1], rows=ROWS[:1], outcome=None)
    error = {"type": "ValueError", "message": "no such layer"}
    run_trial(grid, trials[2], outcome="failed", error=error)
    return grid


def read(capsys: Capture, *arguments: object) -> Any:
    assert main([str(argument) for argument in [*arguments, "--json"]]) == 0
    return json.loads(capsys.readouterr().out)


def test_plan_json(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    found = read(capsys, "plan", grid_file)
    assert (found["sweep"], found["size"]) == ("grid", 4)
    assert [t["state"] for t in found["trials"]] == ["reused", "resumed", "failed", "new"]
    assert [t["trial"] for t in found["trials"]] == [0, 1, 2, 3]
    assert found["trials"][0]["run"].startswith("run--")
    assert found["trials"][3]["run"] is None
    assert all(t["experiment"].startswith("exp-") for t in found["trials"])
    assert found["trials"][0]["params"] == {
        "training": {"rate": 0.1, "epochs": 3}, "model": {"width": 8},
    }  # fmt: skip
    retried = read(capsys, "plan", grid_file, "--retry-failed")
    assert [t["state"] for t in retried["trials"]] == ["reused", "resumed", "new", "new"]


def test_saved_trials_are_points(grid_file: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "points.json"
    assert main(["plan", str(grid_file), "repeats=2", "--save-trials", str(target)]) == 0
    assert len(json.loads(target.read_text())) == 4
    assert f"wrote 4 points to {target}" in capsys.readouterr().err


def test_plan_takes_overrides_and_options(grid_file: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["parameters.training.parameters.epochs.value=7", "-n", "2", "--name", "other"]
    found = read(capsys, "plan", grid_file, *words, "--storage", tmp_path / "there")
    assert [t["params"]["training"]["epochs"] for t in found["trials"]] == [7, 7]
    assert found["size"] == 2
    assert not (tmp_path / "there").exists()


def test_plan_writes_nothing_and_puts_talk_on_stderr(
    half_done: Sweep, grid_file: Path, capsys: Capture
) -> None:
    before = sorted(half_done.storage.rglob("*"))
    assert main(["plan", str(grid_file)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["trial", "state", "rate", "width", "directory"]
    assert len(lines) == 5
    assert "4 trials: 1 reused, 1 resumed, 1 failed, 1 new" in err
    assert sorted(half_done.storage.rglob("*")) == before


def test_plan_saves_its_trials_for_another_sweep_to_list(
    grid: Sweep, grid_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "trials.csv"
    assert main(["plan", str(grid_file), "--save-trials", str(target)]) == 0
    other = tmp_path / "list.yaml"
    other.write_text("program: train.py\nmethod: list\ntrials: trials.csv\n")
    listed = load_sweep(other)
    assert [t.params for t in listed.trials()] == [t.params for t in grid.trials()]
    assert main(["plan", str(grid_file), "--save-trials", str(tmp_path / "no" / "way.csv")]) == 2


def test_the_plan_of_an_endless_sweep_ends(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "endless.yaml"
    path.write_text(
        f"program: t.py\nmethod: random\nstorage: {tmp_path}\n"
        "parameters: {x: {min: 0.0, max: 1.0}}\n"
    )
    found = read(capsys, "plan", path)
    assert found["size"] is None
    assert len(found["trials"]) == 100
    assert len(read(capsys, "plan", path, "-n", "7")["trials"]) == 7


def test_status_json(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    for target in (grid_file, half_done.base_dir):
        found = read(capsys, "status", target)
        if target == grid_file:
            assert found["counts"] == {
                "finished": 1, "running": 0, "interrupted": 1, "pending": 1, "failed": 1,
                "stopped": 0,
            }  # fmt: skip
            first, _, failed, pending = found["trials"]
            assert (first["status"], first["value"], first["epoch"]) == ("finished", 2.5, 2)
            assert failed["error"] == "ValueError: no such layer"
            assert Path(failed["log"]).is_file()
            assert (pending["status"], pending["run"]) == ("pending", None)


def test_status_shows_why_a_trial_failed_and_where(
    half_done: Sweep, grid_file: Path, capsys: Capture
) -> None:
    assert main(["status", str(grid_file)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "tree (sweep grid): 4 trials: 1 finished, 1 interrupted, 1 pending, 1 failed\n"
    )
    assert "trial 2 failed: ValueError: no such layer\n" in out
    assert "output.log" in out


def test_failures_that_differ_in_numbers_alone_are_told_together(
    grid: Sweep, grid_file: Path, run_trial: RunTrial, capsys: Capture
) -> None:
    for trial, text in zip(grid.trials(), ["size 3", "size 7", "no layer", "size 9"], strict=True):
        error = {"type": "ValueError", "message": text}
        run_trial(grid, trial, rows=ROWS, outcome="failed", error=error)
    assert main(["status", str(grid_file)]) == 0
    out = capsys.readouterr().out
    assert "trials 0, 1, 3 failed: ValueError: size 3\n" in out
    assert "trial 2 failed: ValueError: no layer\n" in out
    assert out.count("output.log") == 2


def test_a_torn_file_is_named_on_stderr(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    path = next(half_done.base_dir.glob("exp-*/run--*/performances.json"))
    path.write_text("{")
    assert main(["status", str(grid_file)]) == 0
    assert f"torn: {path}" in capsys.readouterr().err


def test_best_json(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    found = read(capsys, "best", grid_file)
    assert (found["sweep"], found["metric"], found["goal"]) == ("grid", "val_loss", "minimize")
    assert [(t["rank"], t["trial"], t["value"], t["epoch"]) for t in found["trials"]] == [
        (1, 0, 2.5, 2), (2, 1, 3.0, 1),
    ]  # fmt: skip
    assert Path(found["trials"][0]["checkpoint"]).is_file()
    assert len(read(capsys, "best", grid_file, "--top", "1")["trials"]) == 1
    other = read(capsys, "best", grid_file, "--metric", "loss")
    assert [t["value"] for t in other["trials"]] == [1.0, 2.0]


def test_best_prints_parameters_metrics_and_checkpoint(
    half_done: Sweep, grid_file: Path, capsys: Capture
) -> None:
    assert main(["best", str(grid_file)]) == 0
    out = capsys.readouterr().out
    for piece in ("best: trial 0, epoch 2", "training.rate", "val_loss", "model.02-2.5000.keras"):
        assert piece in out


def test_best_of_repeated_trials_is_the_best_mean(
    grid_file: Path, run_trial: RunTrial, capsys: Capture
) -> None:
    grid_file.write_text(grid_file.read_text() + "repeats: 2\n")
    sweep = load_sweep(grid_file)
    for trial, value in zip(sweep.trials(), (3.0, 2.0, 1.0, 9.0), strict=False):
        run = f"run--26-11-24--00-15-{trial.replicate + 2}"
        run_trial(sweep, trial, rows=[{"val_loss": value}], run=run)
    first, second = read(capsys, "best", grid_file)["trials"]
    assert (first["value"], first["runs"], first["values"]) == (2.5, 2, [3.0, 2.0])
    assert first["std"] == pytest.approx(0.5**0.5)
    assert (first["trial"], first["epoch"], Path(first["checkpoint"]).name) == (
        1, 1, "model.01-2.0000.keras",
    )  # fmt: skip
    assert (second["value"], second["trial"]) == (5.0, 2)
    assert main(["best", str(grid_file)]) == 0
    out = capsys.readouterr().out
    assert "val_loss (mean ± std)" in out
    assert "2.5 ± 0.71" in out
    assert len(read(capsys, "status", grid_file)["trials"]) == 8


def test_best_copies(half_done: Sweep, grid_file: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "copy"
    assert main(["best", str(grid_file), "--copy-to", str(target)]) == 0
    assert sorted(path.name for path in target.iterdir()) == [
        "hyperparameters.json", "model.02-2.5000.keras", "performances.json",
    ]  # fmt: skip
    assert main(["best", str(grid_file), "--copy-to", str(target)]) == 2


def test_best_of_nothing_is_nothing(grid: Sweep, grid_file: Path, capsys: Capture) -> None:
    assert read(capsys, "best", grid_file)["trials"] == []


def test_a_front_without_trials_says_why(
    half_done: Sweep, grid_file: Path, capsys: Capture
) -> None:
    document = yaml.safe_load(grid_file.read_text())
    document["metrics"] = [document.pop("metric"), {"name": "latency", "goal": "minimize"}]
    grid_file.write_text(yaml.safe_dump(document))
    assert main(["best", str(grid_file), "--pareto"]) == 0
    assert "no trial has a number for each of val_loss and latency" in capsys.readouterr().out


def test_best_by_a_metric_that_is_not_there_lists_those_that_are(
    half_done: Sweep, grid_file: Path, capsys: Capture
) -> None:
    assert main(["best", str(grid_file), "metric.name=val_los"]) == 2
    err = capsys.readouterr().err
    assert "(loss, val_loss)" in err
    assert "did you mean 'val_loss'" in err


def test_best_of_a_notebooks_directory_ranks_by_what_it_watched(
    tmp_path: Path, make_run: Any, capsys: Capture
) -> None:
    for number, value in enumerate((0.5, 0.7)):
        params = {"model": {"x": number}}
        rows = [{"val_accuracy": value}]
        make_run(tmp_path, params, ["model"], rows=rows, monitor="val_accuracy", mode="max")
    found = read(capsys, "best", tmp_path)
    assert (found["metric"], found["goal"]) == ("val_accuracy", "maximize")
    assert [t["value"] for t in found["trials"]] == [0.7, 0.5]


@pytest.mark.parametrize("command", ["plan", "status", "best"])
def test_every_table_has_every_format(
    command: str, half_done: Sweep, grid_file: Path, capsys: Capture
) -> None:
    found = read(capsys, command, grid_file)
    assert main([command, str(grid_file), "--format", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == found
    assert main([command, str(grid_file), "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["trial"] for row in rows] == [str(trial["trial"]) for trial in found["trials"]]
    assert "params.model.width" in rows[0]


def test_logs(half_done: Sweep, grid_file: Path, capfdbinary: Any) -> None:
    assert main(["logs", str(grid_file), "0"]) == 0
    assert capfdbinary.readouterr().out == b"trained 2 epochs\n"
    assert main(["logs", str(half_done.base_dir), "3"]) == 2
    assert main(["logs", str(grid_file), "9"]) == 2


def test_logs_of_several_trials(half_done: Sweep, grid_file: Path, capfdbinary: Any) -> None:
    path = next(p.parent for p in half_done.base_dir.rglob("run.json") if _trial(p) == 2)
    lines = [f"step {n}" for n in range(1, 41)]
    (path / "output.log").write_text("\n".join(["ERROR first", *lines]))

    def out(*words: str) -> list[str]:
        assert main(["logs", str(grid_file), *words]) == 0
        return capfdbinary.readouterr().out.decode().splitlines()

    head, *last = out("--failed")
    assert head.startswith("==> trial 2 failed: ")
    assert last == lines[-20:]
    assert out("2", "--tail", "2") == ["step 39", "step 40"]
    assert out("2", "--tail", "0") == []
    assert out("--grep", "ERR|trained 1")[1::2] == ["trained 1 epochs", "ERROR first"]
    assert out("2", "--grep", "step 4", "--tail", "1") == ["step 40"]
    for words in ([], ["--grep", "("], ["--failed", "-f", "0", "1"]):
        assert main(["logs", str(grid_file), *words]) == 2


def test_logs_follow_a_run_until_it_ends(
    half_done: Sweep, grid_file: Path, capfdbinary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweeper.tree import Lease

    path = next(p.parent for p in half_done.base_dir.rglob("run.json") if _trial(p) == 1)
    lease = Lease.acquire(path)

    def write() -> None:
        time.sleep(0.2)
        with (path / "output.log").open("a") as file:
            file.write("one more\n")
        lease.release()

    monkeypatch.setattr("sweeper.cli.runs.FOLLOW_SECONDS", 0.02)
    thread = threading.Thread(target=write)
    thread.start()
    assert main(["logs", str(grid_file), "1", "-f"]) == 0
    thread.join()
    assert capfdbinary.readouterr().out == b"trained 1 epochs\none more\n"


def _trial(path: Path) -> int:
    return int(json.loads(path.read_text())["trial"])


def test_diff(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    found = read(capsys, "diff", f"{grid_file}:0", f"{grid_file}:1")
    differences = {row["name"]: (row["left"], row["right"]) for row in found["differences"]}
    assert differences["params.training.rate"] == (0.1, 0.2)
    assert differences["status"] == ("finished", "interrupted")
    assert "params.model.width" not in differences
    assert main(["diff", f"{grid_file}:0", f"{grid_file}:0"]) == 0
    assert "no difference" in capsys.readouterr().err


def test_where_wandbs_last_value_chooses_otherwise_it_is_said(
    grid: Sweep, grid_file: Path, run_trial: RunTrial, capsys: Capture
) -> None:
    for trial, values in zip(grid.trials(), [(1.0, 4.0), (2.0, 3.0)], strict=False):
        run = run_trial(grid, trial, rows=[{"val_loss": value} for value in values])
        (run / "wandb").mkdir()
    assert main(["best", str(grid_file)]) == 0
    found = capsys.readouterr()
    assert "best: trial 0" in found.out
    assert "with its last, as W&B compares, trial 1 is the best (val_loss=3)" in found.err
    for mode in ("best", "last"):
        assert main(["best", str(grid_file), f"metric.mode={mode}"]) == 0
        assert "W&B" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "trials"),
    [
        (["--where", "val_loss < 2.6"], [0]),
        (["--where", "val_loss < 9 and training.rate == 0.1 or status == 'failed'"], [0, 2]),
        (["--where", "metrics.loss >= 1 and trial in [1, 3]"], [1]),
        (["--where", "params.training.rate == 0.1"], [0, 2]),
        (["--sort", "-val_loss"], [1, 0, 2, 3]),
        (["--sort", "value"], [0, 1, 2, 3]),
        (["--sort", "-trial", "--limit", "2"], [3, 2]),
        (["--sort", "status", "--where", "trial > 0", "--limit", "9"], [2, 1, 3]),
        (["--limit", "0"], []),
    ],
)
def test_which_rows(
    half_done: Sweep, grid_file: Path, capsys: Capture, words: list[str], trials: list[int]
) -> None:
    assert [row["trial"] for row in read(capsys, "status", grid_file, *words)["trials"]] == trials


def test_which_of_the_best(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    found = read(capsys, "best", grid_file, "--where", "val_loss > 2.6")["trials"]
    assert [(row["rank"], row["trial"]) for row in found] == [(2, 1)]
    found = read(capsys, "best", grid_file, "--sort", "-value", "--top", "1")["trials"]
    assert [row["trial"] for row in found] == [1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--where", "val_los < 1"], "--where, column 1: `val_los` is no parameter"),
        (["--where", "val_loss <"], "--where, column 11:"),
        (["--where", "status < 3"], "cannot be compared with the number 3"),
        (["--sort", "val_los"], "--sort: there is no 'val_los'; did you mean"),
        (["--columns", "trial,witdh"], "--columns: there is no 'witdh'"),
    ],
)
def test_rows_that_cannot_be_chosen(
    half_done: Sweep, grid_file: Path, capsys: Capture, words: list[str], says: str
) -> None:
    assert main(["status", str(grid_file), *words]) == 2
    assert says in capsys.readouterr().err


def test_which_columns(half_done: Sweep, grid_file: Path, capsys: Capture) -> None:
    def table(*words: str) -> list[list[str]]:
        assert main(["status", str(grid_file), "--where", "trial == 0", *words]) == 0
        return [line.split() for line in capsys.readouterr().out.splitlines()[1:]]

    named = ["trial", "model.width", "loss", "status"]
    assert table("--columns", ",".join(named)) == [named, ["0", "8", "1", "finished"]]
    every = table("--all-columns")[0]
    assert every[-5:] == ["rate", "width", "loss", "val_loss", "directory"]
    assert main(["status", str(grid_file), "--format", "csv"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.endswith("metrics.loss,metrics.val_loss")


def test_what_a_table_leaves_out(tmp_path: Path, capsys: Capture) -> None:
    keys = "".join(f"  p{n}: {{values: [1, 2]}}\n" for n in range(8))
    file = tmp_path / "wide.yaml"
    file.write_text(f"program: t.py\nmethod: random\nrun_cap: 9\nparameters:\n{keys}")
    assert main(["status", str(file), "--storage", str(tmp_path)]) == 0
    assert "+2 parameters: --all-columns" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["ls", "status"])
def test_every_sweep_below_a_storage(
    command: str, half_done: Sweep, make_run: RunTrial, tmp_path: Path, capsys: Capture
) -> None:
    storage = half_done.storage
    make_run(storage / "team" / "other", {"g": {"a": 1}}, ["g"], rows=ROWS)
    (storage / "link").symlink_to(storage / "team")
    found = read(capsys, command, storage)
    rows = {row["sweep"]: row for row in found["sweeps"]}
    assert list(rows) == [half_done.base_dir.name, "other"]
    counts = {"finished": 1, "interrupted": 1, "failed": 1}
    assert rows[half_done.base_dir.name]["counts"] == counts
    assert (rows["other"]["metric"], rows["other"]["best"]) == ("val_loss", 2.5)
    assert rows["other"]["bytes"] > 100
    assert rows["other"]["modified"].endswith("+00:00")
    for format_ in ("table", "csv", "yaml", "md", "latex"):
        assert main([command, str(storage), "--format", format_]) == 0
        assert "other" in capsys.readouterr().out


def test_a_sweeps_path_is_told_from_here(
    half_done: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(half_done.storage)
    assert main(["ls", "."]) == 0
    assert f"  {half_done.base_dir.name}" in capsys.readouterr().out.splitlines()[1]


def test_what_is_no_storage(half_done: Sweep, tmp_path: Path, capsys: Capture) -> None:
    assert main(["ls", str(tmp_path / "no")]) == 2
    assert "found nothing there" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["ls", str(tmp_path / "empty")]) == 0
    assert "no sweep lies here" in capsys.readouterr().err
    assert main(["status", str(half_done.storage), "--where", "value < 1"]) == 2
    assert "is a storage of many sweeps: name one of them" in capsys.readouterr().err
