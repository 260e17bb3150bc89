"""A repository may be a stranger's: asking what it holds runs nothing of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sweeper.experiment.provenance import git_state


def git(directory: Path, *words: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *names, *words], cwd=directory, check=True, capture_output=True)


def test_a_repositorys_own_programs_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / ".gitattributes").write_text("*.txt filter=evil diff=evil\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "a.txt").write_text("two\n")
    ran = tmp_path.parent / "ran"
    evil = tmp_path / ".git" / "evil"
    evil.write_text(f"#!/bin/sh\necho $0 $* >> {ran}\ncat\n")
    hooks = tmp_path / ".git" / "hooks"
    for hook in ("post-index-change", "fsmonitor-watchman"):
        (hooks / hook).write_text(evil.read_text())
        (hooks / hook).chmod(0o755)
    evil.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process"):
        git(tmp_path, "config", key, str(evil))
    for key in ("diff.evil.textconv", "diff.evil.command", "diff.external", "core.pager"):
        git(tmp_path, "config", key, str(evil))
    git(tmp_path, "config", "filter.evil.required", "true")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(evil))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    git_state.cache_clear()
    state, diff = git_state(tmp_path)
    assert state is not None
    assert state["dirty"]
    assert b"-one\n+two" in diff
    assert not ran.exists(), ran.read_text()
    assert "GIT_DIR" in os.environ
