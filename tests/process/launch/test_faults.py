"""A piece of the table of faults: see ``python -m tests.faults``."""

from __future__ import annotations

import subprocess
import sys

import pytest


def table(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words], capture_output=True, text=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(1800)  # a minute where nothing else runs
def test_some_faults_of_the_machine() -> None:
    names = ["kill-actor", "kill-guardian", "storage-error", "SIGTERM", "rename"]
    table("--chain", "0", "--fault", *names)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_faults_for_an_hour() -> None:
    table("--minutes", "60")
