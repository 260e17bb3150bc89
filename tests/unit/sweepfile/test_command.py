"""Script mode: the words and files that a trial's process gets, as W&B's agent writes them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.errors import SpecError, UsageError
from sweeper.sweepfile import (
    Sweep,
    check_program,
    command_words,
    wandb_param_file,
)

Load = Callable[..., Sweep]
PARAMS: dict[str, Any] = {"a": True, "b": False, "c": 1, "d": None}


def words(load: Load, command: list[Any], params: dict[str, Any] | None = None) -> list[str]:
    sweep = load(
        f"method: grid\nprogram: train.py\nparameters: {{x: 1}}\ncommand: {json.dumps(command)}\n"
    )
    environ = {"FOO_DIR": "foo", "FOO_DIR_TWO": "two"}
    return command_words(sweep, params or PARAMS, environ=environ, json_path="p.json")


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("args", ["--a=True", "--b=False", "--c=1", "--d=None"]),
        ("args_no_hyphens", ["a=True", "b=False", "c=1", "d=None"]),
        ("args_append_hydra", ["+a=True", "+b=False", "+c=1", "+d=None"]),
        ("args_override_hydra", ["++a=True", "++b=False", "++c=1", "++d=None"]),
        ("args_no_boolean_flags", ["--a", "--c=1", "--d=None"]),
        ("args_no_equals", ["--a", "True", "--b", "False", "--c", "1", "--d", "None"]),
        ("args_json", ['{"a": true, "b": false, "c": 1, "d": null}']),
        ("args_json_file", ["p.json"]),
        ("env", ["/usr/bin/env"]),
        ("interpreter", [sys.executable]),
    ],
)
def test_each_macro(load: Load, macro: str, expected: list[str]) -> None:
    assert words(load, ["run", f"${{{macro}}}", "end"]) == ["run", *expected, "end"]


def test_the_default_command(load: Load, tmp_path: Path) -> None:
    sweep = load("method: grid\nprogram: train.py\nparameters: {x: 1}\n")
    found = command_words(sweep, {"lr": 1e-05})
    program = str(tmp_path / "train.py")
    assert found == ["/usr/bin/env", sys.executable, program, "--lr=1e-05"]


def test_a_module_is_run_as_one(load: Load) -> None:
    sweep = load("method: grid\nprogram: pkg.train\nparameters: {x: 1}\n")
    assert command_words(sweep, {})[-2:] == ["-m", "pkg.train"]


@pytest.mark.parametrize("program", ["pkg.mod", "train.py"])
def test_a_command_that_says_m_itself_is_not_given_another(load: Load, program: str) -> None:
    command = '["python", "-m", "${program}", "${args}"]'
    text = f"method: grid\nprogram: {program}\nparameters: {{x: 1}}\ncommand: {command}\n"
    found = command_words(load(text), {"x": 1})
    assert found[:2] == ["python", "-m"]
    assert found[2].endswith(program)
    assert found[3:] == ["--x=1"]


def test_values_are_written_as_python_writes_them(load: Load) -> None:
    params = {"net_arch": [32, 32], "optimizer": {"lr": 0.1}, "s": "one two", "q": '"five six"'}
    assert words(load, ["${args}"], params) == [
        "--net_arch=[32, 32]",
        "--optimizer={'lr': 0.1}",
        "--s=one two",
        '--q="five six"',
    ]


def test_only_a_whole_word_is_a_macro_and_an_unknown_one_vanishes(load: Load) -> None:
    command = ["x", "${python3}", "--p=${program}", 1, 2.5, True, "${interpereter}"]
    assert words(load, command) == ["x", "--p=${program}", "1", "2.5", "True"]
    sweep = load(f"method: grid\ncommand: {json.dumps(command)}\nparameters: {{x: 1}}\n")
    assert "${interpereter} is no macro" in " ".join(sweep.warnings)
    assert "did you mean `${interpreter}`?" in " ".join(sweep.warnings)


def test_the_environment_is_replaced_anywhere(load: Load) -> None:
    command = ["a/${envvar:FOO_DIR}/${envvar:FOO_DIR}/${envvar:FOO_DIR_TWO}", "${envvar:UNSET}"]
    assert words(load, command) == ["a/foo/foo/two", "UNSET"]


def test_a_command_that_leaves_nothing(load: Load) -> None:
    with pytest.raises(UsageError, match="no words are left"):
        words(load, ["${nothing}"])
    sweep = load("method: grid\ncommand: ['${program}']\nparameters: {x: 1}\n")
    with pytest.raises(UsageError, match="no `program`"):
        command_words(sweep, {})


def test_json_file(load: Load) -> None:
    sweep = load("method: grid\ncommand: [x, '${args_json_file}']\nparameters: {x: 1}\n")
    assert command_words(sweep, PARAMS, json_path="/d/p.json") == ["x", "/d/p.json"]


def test_what_wandb_reads_is_what_was_meant() -> None:
    params = {"lr": 1e-05, "s": "1e-5", "n": {"no": "on", "x": [1, None]}, "b": True, "z": "008"}
    read = yaml.safe_load(wandb_param_file(params))  # W&B reads it with PyYAML
    assert read == {"wandb_version": 1, **{key: {"value": value} for key, value in params.items()}}


def test_the_runs_directory_stands_anywhere_in_a_word(load: Load) -> None:
    command = ["run", "${run_dir}", "--log=${run_dir}/a", "${args}"]
    sweep = load(f"method: grid\ncommand: {json.dumps(command)}\nparameters: {{x: 1}}\n")
    found = command_words(sweep, {"x": "${run_dir}"}, run_dir="/r")
    assert found == ["run", "/r", "--log=/r/a", "--x=${run_dir}"]
    assert sweep.warnings == ()


SCRIPT = "method: grid\nprogram: job.py\nparameters: {x: 1}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command: [ls, '${envvar:SWEEPER_RUN_DIR}/a']", "write `${run_dir}`"),
        ("command: [ls, '${envvar:SWEEPER_PARAMS_FILE}']", "write `${args_json_file}`"),
        ("command: [ls, '${envvar:WANDB_NAME}']", "WANDB_NAME is set in a trial alone"),
        ("cwd: run\nlink: [no-such]", "sweep.yaml:5:7: link: there is no"),
        ("cwd: run\ncommand: [python, job.py]", "write `${program}`, its absolute path, or"),
        ("program: f.py:train\nmetric: {name: a, pattern: (.)}", "found a train function"),
    ],
)  # fmt: skip
def test_what_trials_would_lack_is_refused(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.delenv("WANDB_NAME", raising=False)
    (tmp_path / "job.py").touch()
    (tmp_path / "f.py").touch()
    head = SCRIPT.replace("program: job.py\n", "") if "program" in text else SCRIPT
    with pytest.raises(SpecError, match=re.escape(said)):
        check_program(load(head + text + "\n"))


def test_a_variable_that_is_not_set_is_warned_of(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "job.py").touch()
    monkeypatch.setenv("DATA_DIR", "/data")
    sweep = load(SCRIPT + "command: [ls, '${envvar:DATA_DIR}', '${envvar:DIRS}']\n")
    check_program(sweep)
    (said,) = sweep.warnings
    assert said.endswith(
        ":4:38: command[2]: DIRS is not set: `DIRS` stands in its place, as in W&B"
    )
