"""check --spec-only, schema, init, convert: what needs no program to run."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sweeper.cli.main import main
from sweeper.results.estimate import slots
from sweeper.sweepfile import Sweep, load_sweep, schema_json
from sweeper.sweepfile.schema import schema
from sweeper.sweepfile.yaml12.read import parse

Capture = pytest.CaptureFixture[str]
SWEEPS = Path(__file__).parents[3] / "sweeps"
EXAMPLES = sorted(SWEEPS.glob("*.yaml"))
MODELINE = "# yaml-language-server: $schema=sweeper.schema.json"

SWEEP = """
program: absent.py
method: random
run_cap: 20
metric: {name: val_loss, goal: maximize}
parameters:
  a: {distribution: log_uniform, min: 0.1, max: 0.9}
  b: {min: 1, max: 8}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    return path


def test_check_spec_only_says_what_it_found(file: Path, capsys: Capture) -> None:
    assert main(["check", str(file), "--spec-only"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        f"sweep    {file.parent.name}-sweep",
        "trials   20, method random",
        "metric   maximize val_loss",
    ]
    assert [line.split()[0] for line in lines[3:]] == ["warning"]
    assert "log_uniform_values" in lines[3]


def test_check_says_what_a_model_does_with_more_than_it_takes(file: Path, capsys: Capture) -> None:
    many = {f"p{number}": {"min": 0.0, "max": 1.0} for number in range(40)}
    words = {"values": [f"w{number}" for number in range(1001)]}
    goals = [{"name": "a", "goal": "minimize"}, {"name": "b", "goal": "maximize", "min": 3}]
    text = {"method": "bayes", "run_cap": 5, "metrics": goals, "parameters": {**many, "w": words}}
    file.write_text(json.dumps(text))
    assert main(["check", str(file), "--spec-only"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "metric   minimize a, maximize b, 3 <= b",
        "warning  method: bayes is tpe from the first trial on: its Gaussian process takes 40 "
        "parameters, and 41 vary",
        "warning  w: method: bayes takes 1,000 values apart, and of these 1,001 sees the place in "
        "the list alone, as a number",
    ]
    assert main(["plan", str(file), "parameters.w=1"]) == 0
    assert "tpe" not in capsys.readouterr().err


def test_check_json_and_changes(file: Path, capsys: Capture) -> None:
    words = ["check", str(file), "method=grid", "parameters.a={value: 1}", "-n", "5"]
    assert main([*words, "--spec-only", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "sweep": f"{file.parent.name}-sweep",
        "method": "grid",
        "size": 5,
        "points": 8,
        "metric": {"name": "val_loss", "goal": "maximize"},
        "warnings": [],
        "program": None,
    }


def test_check_names_all_problems_at_once(file: Path, capsys: Capture) -> None:
    text = SWEEP.replace("maximize", "maximise").replace("max: 8", "max: 0")
    file.write_text(text.replace("run_cap", "run_cup"))
    assert main(["check", str(file), "--spec-only"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for word in ("maximise", "run_cup", "parameters.b"):
        assert word in err


def test_check_names_what_a_launch_would_refuse_and_a_missing_program_together(
    file: Path, capsys: Capture
) -> None:
    words = ["check", str(file), "method=grid", "parameters.a={min: 1, max: 10000000}"]
    assert main([*words, "run_cap=null"]) == 2
    err = capsys.readouterr().err
    assert "80,000,000 trials are too many" in err
    assert "there is no file" in err
    assert "absent.py" in err


def test_check_json_has_the_problems_on_standard_output(file: Path, capsys: Capture) -> None:
    file.write_text(SWEEP.replace("maximize", "maximise").replace("run_cap", "run_cup"))
    assert main(["check", str(file), "--json"]) == 2
    out, err = capsys.readouterr()
    cap, goal = json.loads(out)["problems"]
    assert cap["path"] == str(file)
    assert (cap["line"], cap["column"], cap["key"]) == (4, 1, "run_cup")
    assert goal["key"] == "metric.goal"
    for problem in (cap, goal):
        assert set(problem) == {"path", "line", "column", "key", "message", "mend"}
        assert problem["message"] in err
        assert problem["mend"] in err

    file.write_text(SWEEP)
    changes = ["method=grid", "parameters.a={min: 1, max: 10000000}", "run_cap=null"]
    assert main(["check", str(file), "--json", *changes]) == 2
    out, err = capsys.readouterr()
    size, program = json.loads(out)["problems"]
    assert "80,000,000 trials are too many" in size["message"]
    assert size["key"] == "parameters"
    assert "absent.py" in " ".join(filter(None, [program["key"], program["message"]]))
    assert "there is no file" in err
    assert main(["check", str(file) + ".no", "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["line"] is None


@pytest.fixture
def program(file: Path) -> None:
    """A script, which ``check`` only looks at: a train function is imported, with TensorFlow."""
    file.with_name("absent.py").write_text("import sys; print(sys.argv)")


@pytest.mark.usefixtures("program")
def test_check_finds_a_package_that_a_launch_would_miss(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    words = [str(file), "method=cmaes"]
    assert main(["check", *words, "--spec-only"]) == 0
    capsys.readouterr()
    assert main(["check", *words]) == 2
    found = capsys.readouterr().err
    assert "sweeper[cmaes]" in found
    assert main(["launch", *words, "--storage", str(file.parent / "tree")]) == 2
    assert capsys.readouterr().err.endswith(found)


@pytest.mark.usefixtures("program")
def test_check_finds_a_method_that_no_launch_can_have(file: Path, capsys: Capture) -> None:
    words = [str(file), "method=bohb"]
    assert main(["check", *words]) == 2
    found = capsys.readouterr().err
    assert "method: bohb: its library, HpBandSter, has had no release since 2018" in found
    assert "early_terminate: {type: bohb" in found
    assert main(["launch", *words, "--storage", str(file.parent / "tree")]) == 2
    assert capsys.readouterr().err.endswith(found)
    assert not (file.parent / "tree").exists()


@pytest.mark.parametrize("words", [[], ["--spec-only"]])
def test_check_finds_an_early_end_that_a_launch_refuses(
    words: list[str], file: Path, capsys: Capture
) -> None:
    change = ["early_terminate={type: pbt}", "repeats=2"]
    assert main(["check", str(file), *change, *words]) == 2
    assert "pbt goes on from trials as they are, found `repeats: 2`" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--corners", "--isolation"])
def test_check_trains_nothing_with_a_program_that_may_be_absent(
    option: str, file: Path, capsys: Capture
) -> None:
    assert main(["check", str(file), "--spec-only", option]) == 2
    assert f"{option} needs the program, --spec-only does without" in capsys.readouterr().err


def test_schema_prints_what_is_committed(capsys: Capture) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == schema_json()
    # If this fails: sweeper schema > sweeps/sweeper.schema.json
    assert (SWEEPS / "sweeper.schema.json").read_text() == schema_json()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_first_line_of_an_example_leads_editors_to_the_schema(path: Path) -> None:
    assert path.read_text().splitlines()[0] == MODELINE
    jsonschema.Draft7Validator(schema()).validate(parse(path.read_text(), path.name).data)


def test_init_writes_what_it_says_and_never_overwrites(tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "new" / "place"
    assert main(["init", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    names = ["sweep.yaml", "sweeper.schema.json", "train.py"]
    assert sorted(path.name for path in target.iterdir()) == names
    for word in (*names, f"sweeper launch {target / 'sweep.yaml'}"):
        assert word in err
    before = {path: path.read_text() for path in target.iterdir()}
    (target / "train.py").write_text("mine")
    assert main(["init", str(target)]) == 2
    assert "sweep.yaml and train.py are there already" in capsys.readouterr().err
    assert (target / "train.py").read_text() == "mine"
    (target / "train.py").unlink()
    (target / "sweep.yaml").unlink()
    assert main(["init", str(target)]) == 0
    assert before == {path: path.read_text() for path in target.iterdir()}


def test_init_in_a_place_that_cannot_be(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file" / "below")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_what_init_writes_is_a_valid_sweep_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    sweep = load_sweep(tmp_path / "sweep.yaml")
    assert sweep.warnings == ()
    assert sweep.size() == 8
    assert sweep.program is not None
    assert sweep.program.path == tmp_path / "train.py"
    text = (tmp_path / "sweep.yaml").read_text()
    assert text.splitlines()[0] == MODELINE
    jsonschema.Draft7Validator(schema()).validate(parse(text, "sweep.yaml").data)
    ast.parse((tmp_path / "train.py").read_text())


def test_every_suggestion_in_the_template_is_valid_too(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path)]) == 0
    file = tmp_path / "sweep.yaml"
    keys = ("constraints:", "early_terminate:", "resources:", "budget:")
    text = file.read_text()
    for key in keys:
        assert f"\n# {key}" in text
        text = text.replace(f"\n# {key}", f"\n{key}")
    file.write_text(text)
    assert load_sweep(file).warnings == ()


def test_convert(file: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["convert", str(file), "--to", "wandb", "repeats=2"]) == 0
    out, err = capsys.readouterr()
    written = yaml.safe_load(out)
    assert written["method"] == "random"
    assert written["parameters"]["a"]["distribution"] == "log_uniform_values"
    assert "repeats: W&B has no such key" in err
    other = tmp_path / "deep" / "wandb.yaml"
    assert main(["convert", str(file), "--to", "wandb", "-o", str(other)]) == 0
    assert [p.name for p in load_sweep(other).space.parameters] == ["a", "b"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["FILE"], "--to"),
        (["FILE", "--to", "optuna"], "wandb"),
        (["FILE", "--to", "wandb", "-o", "FILE"], "would replace the sweep file itself"),
        (["FILE", "--to", "wandb", "-o", "FILE/x"], "cannot be written"),
        (["FILE", "--to", "wandb", "method=lits"], "did you mean"),
    ],
)
def test_convert_refuses(file: Path, words: list[str], message: str, capsys: Capture) -> None:
    assert main(["convert", *(word.replace("FILE", str(file)) for word in words)]) == 2
    assert message in capsys.readouterr().err
    assert file.read_text() == SWEEP


# -- plan: the size, and what is left to spend ---------------------------------------------------


def planned(capsys: Capture, *words: object) -> tuple[Any, str]:
    assert main(["plan", *map(str, words), "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_plan_estimates_once_a_run_has_finished(
    grid: Sweep, grid_file: Path, run_trial: Callable[..., Path], capsys: Capture
) -> None:
    found, err = planned(capsys, grid_file)
    assert (found["points"], found["estimate"]) == (4, None)
    assert "a space of 4 points (model.width 2 x training.rate 2), method grid" in err
    assert "left to spend" not in err
    trials = list(grid.trials())
    for trial, epochs in ((trials[0], 20), (trials[1], 40)):
        path = run_trial(grid, trial, rows=[{"val_loss": 1.0}] * epochs)
        (path / "models" / "big").write_bytes(bytes(1_000_000))
    run_trial(grid, trials[2], rows=[{"val_loss": 1.0}] * 900, outcome=None)
    found, err = planned(capsys, grid_file, "parallel=1")
    assert found["estimate"]["seconds"] == 2 * 1.5 * 30
    assert 2_000_000 < found["estimate"]["bytes"] < 2_020_000
    assert "by the mean of 2 finished runs: 1:30 with 1 at a time, 2" in err
    found, _ = planned(capsys, grid_file, "parallel=8")
    assert found["estimate"]["seconds"] == 1.5 * 30
    assert main(["plan", str(grid_file), "--format", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["estimate"]["bytes"] > 2_000_000


def test_plan_has_nothing_left_to_spend_when_all_is_done(
    grid: Sweep, grid_file: Path, run_trial: Callable[..., Path], capsys: Capture
) -> None:
    for trial in grid.trials():
        run_trial(grid, trial, rows=[{"val_loss": 1.0}])
    found, _ = planned(capsys, grid_file)
    assert found["estimate"] == {"seconds": 0.0, "bytes": 0}


def test_plan_sizes_a_grid_that_nobody_launches_at_once(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "large.yaml"
    axes = "".join(f"  p{n}: {{min: 1, max: 1000}}\n" for n in range(5))
    path.write_text(f"method: grid\nstorage: {tmp_path}\nparameters:\n{axes}")
    found, err = planned(capsys, path)
    assert (found["size"], found["estimate"], len(found["trials"])) == (10**15, None, 100)
    assert "1,000,000,000,000,000 points (p0 1,000 x p1 1,000 x p2 1,000 x p3 1,000 x …)" in err
    assert "too many to launch" in err


@pytest.mark.parametrize(
    ("keys", "gpus", "part", "expected"),
    [
        ("parallel: 6", "", 0, 6),
        ("resources: {cpu: 8}", "", 0, 1),
        ("resources: {cpu: 2}", "", 0, 2),
        ("resources: {cpu: 1, gpu: 0.25}", "", 0, 4),  # on a machine with a GPU
        ("resources: {gpu: 1}\nparallel: 6", "", 0, 6),
        ("resources: {gpu: 1}\nparallel: 6", "0,1", 0, 2),
        ("resources: {gpu: auto}", "", 0, 4),  # without
        ("resources: {cpu: 0.1, gpu: auto}", "0,1", 0, 2),
        ("resources: {cpu: 0.1, gpu: auto}", "0,1", 0.25, 6),
        ("resources: {cpu: 0.1, gpu: auto}", "0,1", 0.01, 16),
        ("resources: {cpu: 0.1, gpu: auto}\nparallel: 5", "0,1", 0.25, 5),
        ("resources: {cpu: 1, gpu: auto}\nparallel: 5", "0,1", 0.25, 4),
    ],
)
def test_how_many_run_at_a_time(
    keys: str, gpus: str, part: float, expected: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    file.write_text(SWEEP + keys)
    assert slots(load_sweep(file), part) == expected
