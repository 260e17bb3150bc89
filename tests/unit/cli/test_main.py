from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import sweeper
from sweeper.cli import main as module
from sweeper.cli.main import COMMANDS, cli, main
from sweeper.errors import RunBusy, SweeperError


@pytest.fixture(autouse=True)
def _quiet_logger() -> Iterator[None]:
    logger = logging.getLogger("sweeper")
    before = list(logger.handlers), logger.level
    yield
    logger.handlers[:], logger.level = before


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sweeper {sweeper.__version__}\n"
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert "Examples:" in text


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
def test_the_standard_streams_may_be_closed(closed: str) -> None:
    command = f"{sys.executable} -m sweeper schema {closed}"
    assert subprocess.run(command, shell=True, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_keeps_its_line_short(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: sweeper {command}")
    assert len(COMMANDS[command][1]) < 65


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lunch"], "did you mean 'launch'?"),
        (["plan"], "Missing argument 'SPEC'"),
        (["plan", "nowhere.yaml"], "nowhere.yaml"),
        (["status", "nowhere"], "expected a sweep file, a base directory"),
        (["plan", "x.yaml", "seed"], "expected KEY=VALUE"),
        (["plan", "x.yaml", "--format", "xml"], "xml"),
    ],
)
def test_a_wrong_request_is_exit_code_2_and_no_traceback(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


class Failing(click.Command):
    def __init__(self, error: BaseException) -> None:
        super().__init__("plan")
        self.error = error

    def invoke(self, ctx: click.Context) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SweeperError("the tree is upside down"), 1, "sweeper: the tree is upside down"),
        (RunBusy("owned by process 7"), 1, "owned by process 7"),
        (KeyError("oops"), 1, "unexpected KeyError: 'oops'"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "get_command", lambda ctx, name: Failing(error))
    assert main(["plan"]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    if code == 1:
        assert main(["-v", "plan"]) == code
        assert "Traceback" in capsys.readouterr().err
        monkeypatch.setenv("SWEEPER_DEBUG", "1")
        assert main(["plan"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_the_exit_code_of_a_command_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    command = click.Command("plan", callback=lambda: 3)
    monkeypatch.setattr(cli, "get_command", lambda ctx, name: command)
    assert main(["plan"]) == 3


def test_every_command_stands_where_the_group_looks_for_it() -> None:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_SWEEPER_COMPLETE" in capsys.readouterr().out


def test_completion_knows_the_commands() -> None:
    environment = {**os.environ, "_SWEEPER_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    environment["COMP_WORDS"] = "sweeper sta"
    done = _sweeper([], environment)
    assert done.stdout.split() == ["plain,status"]


def test_python_m_sweeper_is_the_same_command(tmp_path: Path) -> None:
    done = _sweeper(["status", str(tmp_path / "nothing")])
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("sweeper: ")


def test_the_usual_way_to_cut_output_short_is_no_error(grid_file: Path) -> None:
    command = f"{sys.executable} -m sweeper plan {grid_file} -n 4 | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    code = f"{sys.executable} -m sweeper plan {grid_file} -n 4 | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", code], capture_output=True, check=False).returncode == 0


def _sweeper(
    arguments: list[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweeper", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_main_is_the_installed_command() -> None:
    assert module.main is main
