"""Whose program a run is of: the same text, an older one, another program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.results import changes_since, older_text_note
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Choices, Program, RunRecord, Tree, plan_trials, texts_of
from tests.opened import open_run_of

Run = Callable[..., RunRecord]

SWEEP = """
name: tree
method: list
metric: {name: loss}
trials: [{x: 1}]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.py").write_text(f"# {name}\n")


def sweep_of(program: str | None = "a/train.py", file: str = "s.yaml", **keys: Any) -> Sweep:
    lines = [f"{key}: {value}" for key, value in keys.items()]
    lines += [] if program is None else [f"program: {program}"]
    Path(file).write_text(SWEEP + "\n".join(lines))
    return load_sweep(Path(file))


def run_of(sweep: Sweep, outcome: str | None = "finished") -> RunRecord:
    run = open_run_of(sweep, next(sweep.trials()))
    run.report(loss=1.0)
    run.close(outcome) if outcome else run.interrupt()
    return RunRecord.at(run.path)


def found(sweep: Sweep, choices: Choices | None = None) -> tuple[str, bool]:
    (item,) = plan_trials(sweep, Tree(sweep.base_dir), choices)
    return item.state, item.changed


@pytest.mark.parametrize("outcome", ["finished", "stopped", "failed", None])
def test_a_run_of_another_program_is_not_the_sweeps(outcome: str | None) -> None:
    run = run_of(sweep_of("a/train.py"), outcome)
    assert found(sweep_of("b/train.py")) == ("other", True)
    beside = Choices().also(Tree(run.base), beside=[str(Path("b/train.py").absolute())])
    (item,) = plan_trials(sweep_of("b/train.py"), Tree(run.base), beside)
    assert (item.state, item.run) == ("new", None)
    assert [r.path for r in item.passed_over] == [run.path]  # which no worker goes on with
    reuse = Choices().also(Tree(run.base), reuse=[str(Path("a/train.py").absolute())])
    assert found(sweep_of("b/train.py"), reuse)[0] in ("reused", "failed", "resumed")


def test_each_program_finds_its_own_runs_where_two_share_a_tree() -> None:
    first, second = sweep_of("a/train.py"), sweep_of("b/train.py")
    one = run_of(first)
    open_run_of(second, next(second.trials()), passed_over=[one.run]).close("finished")
    runs = [next(plan_trials(sweep, Tree(sweep.base_dir))).run for sweep in (first, second)]
    assert [run.run for run in runs if run] == [one.run, f"{one.run}-2"]


def test_the_same_text_elsewhere_is_the_same_program() -> None:
    run_of(sweep_of("a/train.py"))
    Path("b/train.py").write_text(Path("a/train.py").read_text())
    assert found(sweep_of("b/train.py")) == ("reused", False)


def test_the_same_file_with_another_text_is_an_older_text() -> None:
    run = run_of(sweep_of())
    Path("a/train.py").write_text("# edited\n")
    assert found(sweep_of()) == ("reused", True)
    assert texts_of(run) == [{"train.py": b"# a\n"}]


def test_another_function_of_the_same_file_is_another_program() -> None:
    run_of(sweep_of("a/train.py:one"))
    assert found(sweep_of("a/train.py:one")) == ("reused", False)
    assert found(sweep_of("a/train.py:two")) == ("other", True)


def test_another_function_that_a_command_calls_is_another_program() -> None:
    calls = '["${interpreter}", -m, sweeper.call, "%s", "${program}", "%s"]'
    run_of(sweep_of("a/train.py", command=calls % ("one(config)", "")))
    assert found(sweep_of("a/train.py", command=calls % ("one()", "-v"))) == ("reused", True)
    assert found(sweep_of("a/train.py", command=calls % ("two(config)", ""))) == ("other", True)


def test_another_command_for_the_same_file_is_an_older_text() -> None:
    run_of(sweep_of(None, command='["${interpreter}", a/train.py, "${args}"]'))
    assert found(sweep_of(None, command='["${interpreter}", a/train.py, "${args}"]'))[1] is False
    longer = '["${interpreter}", a/train.py, --amp, "${args}"]'
    assert found(sweep_of(None, command=longer)) == ("reused", True)
    other = '["${interpreter}", b/train.py, "${args}"]'
    assert found(sweep_of(None, command=other)) == ("other", True)


def test_where_the_program_is_not_there_its_runs_are_read_all_the_same() -> None:
    run_of(sweep_of())
    Path("a/train.py").unlink()
    assert found(sweep_of()) == ("reused", False)
    assert found(sweep_of("b/train.py")) == ("other", True)


@pytest.mark.parametrize("words", ["python, a/train.py", "python, -m, a.train"])
def test_a_command_is_the_same_program_read_from_elsewhere(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_of(None, command=f"[{words}]", storage=str(tmp_path / "out"))
    run_of(sweep)
    (tmp_path / "away").mkdir()
    stored = tmp_path / "away" / "sweep.yaml"
    stored.write_text(sweep.to_yaml())
    monkeypatch.chdir(tmp_path / "away")
    assert found(load_sweep(stored, sweep_name=sweep.sweep_name)) == ("reused", False)


def test_a_dotted_program_is_the_same_where_its_module_is_not(tmp_path: Path) -> None:
    sweep = sweep_of("a.train")
    run_of(sweep)
    (tmp_path / "a/train.py").unlink()
    assert found(sweep_of("a.train")) == ("reused", False)
    assert found(sweep_of("b.other")) == ("other", True)


def test_what_has_changed_is_named_and_shown() -> None:
    command = '["${interpreter}", a/train.py, "${args}"]'
    sweep = sweep_of(None, command=command)
    run = run_of(sweep)
    note = older_text_note(sweep_of(None, command=command.replace("a/", "-O, a/")), [(0, run)])
    assert "changed since: the command" in str(note)
    Path("a/train.py").write_text("# edited\n")
    assert "changed since: train.py" in str(older_text_note(sweep, [(0, run)]))
    assert {"-# a", "+# edited"} <= set(changes_since(run))


def test_a_run_of_two_texts_shows_the_older_one() -> None:
    sweep = sweep_of()
    run = run_of(sweep, None)
    (run.path / "backup/epoch-000001").mkdir(parents=True)
    Path("a/train.py").write_text("# edited\n")
    again = open_run_of(sweep, next(sweep.trials()))
    again.close("finished")
    found = RunRecord.at(again.path)
    assert found.provenance["attempts"][1]["resumed_from_epoch"] == 1
    assert {"-# a", "+# edited"} <= set(changes_since(found))
    assert "changed since: train.py" in str(older_text_note(sweep, [(0, found)]))


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ('["/usr/bin/env", python, a/train.py]', "a/train.py"),
        ('["${env}", "${interpreter}", a/train.py, "${args}"]', "a/train.py"),
        ("[python3.11, -m, a.train]", "a/train.py"),
        ("[bash, a/train.py]", "a/train.py"),
        ('[mytool, "${args}"]', "mytool"),
    ],
)
def test_the_program_of_a_command(command: str, program: str) -> None:
    path = Program.of(sweep_of(None, command=command)).path
    assert path == (program if program == "mytool" else str(Path(program).absolute()))


def test_a_git_repository_is_the_root_of_its_programs() -> None:
    assert Program.of(sweep_of()).root == str(Path("a").absolute())
    Path(".git").mkdir()
    assert Program.of(sweep_of()).root == str(Path.cwd())


def test_torn_choices_are_named_and_stop_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sweep = sweep_of()
    tree = Tree(sweep.base_dir)
    Choices().also(tree, rerun=[run_of(sweep)]).write(tree, sweep.sweep_name)
    assert found(sweep) == ("new", False)
    (tree.home(sweep.sweep_name) / "choices.json").write_text('{"rerun": ["ex')
    assert found(sweep) == ("reused", False)
    assert "choices.json" in caplog.text
