"""What a script calls does nothing outside a sweep, and costs nothing until it is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sweeper

OUTSIDE = """
import sys
import sweeper
sweeper.report(loss=1, epoch=0)
assert sweeper.callbacks() == []
assert sweeper.params() == {}
assert sweeper.params({"lr": 1}) == {"lr": 1}
heavy = {"numpy", "keras", "tensorflow", "ray", "scipy", "yaml", "psutil"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_outside_a_sweep(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_what_is_public_is_there() -> None:
    assert all(hasattr(sweeper, name) for name in sweeper.__all__)


def test_inside_a_sweep_every_line_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, params = tmp_path / "reports", tmp_path / "params"
    params.write_text('{"lr": 0.5}')
    monkeypatch.setenv("SWEEPER_REPORT_FILE", str(file))
    monkeypatch.setenv("SWEEPER_PARAMS_FILE", str(params))
    sweeper.report(loss=1, name="text")
    sweeper.report(3, loss=2)
    assert file.read_text() == '{"loss": 1.0}\n{"epoch": 3, "loss": 2.0}\n'
    assert sweeper.params({"lr": 1, "b": 2}) == {"lr": 0.5, "b": 2}
