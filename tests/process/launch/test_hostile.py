"""What lies in the working directory, and what the environment holds, harm no launch."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

NAMES = ("random", "yaml", "logging", "json", "socket", "psutil", "ray", "keras", "sweeper")
TRAIN = """
import helper
def train(params, callbacks, run):
    run.report(epoch=1, loss=params["a"] * helper.TWO)
"""


def sweeper(directory: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[3])
    return subprocess.run(
        [sys.executable, "-c", "import sys; del sys.path[0]; from sweeper.cli.main import main; "
         "sys.exit(main())", *words],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": root, **env},
        capture_output=True,
        text=True,
        umask=0,
    )  # fmt: skip


def write(directory: Path, **keys: object) -> None:
    sweep = {
        "method": "grid",
        "metric": {"name": "loss"},
        "parameters": {"a": {"values": [1, 2]}},
        **keys,
    }
    (directory / "case.yaml").write_text(yaml.safe_dump(sweep))


def test_files_named_like_modules_do_not_stand_in_for_them(tmp_path: Path) -> None:
    work, home = tmp_path / "work", tmp_path / "home"
    home.mkdir()
    work.mkdir()
    for name in NAMES:
        (work / f"{name}.py").write_text("raise SystemError('the user\\'s')\n")
    (work / "helper.py").write_text("TWO = 2\n")
    (work / "train.py").write_text(TRAIN)
    write(work, program="train.py")
    done = sweeper(work, "check", "case.yaml")
    assert done.returncode == 0, done.stderr
    env = {"HOME": str(home), "RAY_AUTH_TOKEN_PATH": ""}
    done = sweeper(work, "launch", "case.yaml", "-y", **env)
    assert done.returncode == 0, done.stderr
    assert "loss=2" in done.stdout + done.stderr
    token = home / ".ray" / "auth_token"  # made before Ray could, whatever the umask
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700


def test_a_module_that_python_has_already_is_named(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("def mine(): return 4\n")
    (tmp_path / "train.py").write_text(
        "import random\nrandom.mine()\ndef train(params, callbacks): ...\n"
    )
    write(tmp_path, program="train.py")
    done = sweeper(tmp_path, "check", "case.yaml")
    assert done.returncode == 2
    assert f"{tmp_path}/random.py has the name of a module of Python's own" in done.stderr


def test_a_helper_that_dies_at_its_start_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text("def train(params, callbacks): ...\n")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys\nif 'forkserver' in sys.orig_argv: raise SystemExit('broken start')\n"
    )
    write(tmp_path, program="train.py")
    path = os.pathsep.join([str(broken), str(Path(__file__).parents[3])])
    done = sweeper(tmp_path, "check", "case.yaml", PYTHONPATH=path)
    assert done.returncode == 1
    assert "the fork server did not start: it ended with code 1" in done.stderr


@pytest.mark.parametrize("word", ["/nowhere/${envvar:KEY}", "-x${envvar:KEY}"])
def test_a_secret_in_a_command_that_does_not_start_is_kept_nowhere(
    word: str, tmp_path: Path
) -> None:
    write(tmp_path, command=[word, "--key", "${envvar:KEY}"])
    done = sweeper(tmp_path, "launch", "case.yaml", "-y", KEY="hunter2")
    assert done.returncode != 0
    assert "hunter2" not in done.stdout + done.stderr
    assert word.replace("${envvar:KEY}", "$KEY") in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
