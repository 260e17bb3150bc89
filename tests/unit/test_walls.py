"""The walls between the rooms, as pyproject.toml draws them, hold."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import sweeper

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.parent.name for path in Path(sweeper.__file__).parent.glob("*/__init__.py"))


@pytest.mark.skipif(find_spec("importlinter") is None, reason="import-linter is not installed")
def test_the_walls_hold() -> None:
    code = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_names_what_it_opens_to(room: str) -> None:
    door = importlib.import_module(f"sweeper.{room}")
    assert all(hasattr(door, name) for name in getattr(door, "__all__", ()))


@pytest.mark.parametrize(
    "room", ["space", "sweepfile", "tree", "results", "search", "experiment", "web", "raytune"]
)
def test_a_door_loads_nothing_heavy(room: str) -> None:
    heavy = ("ray", "tensorflow", "keras", "numpy", "scipy", "optuna", "pandas", "rich", "wandb")
    code = f"import sys, sweeper.{room}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
