"""Reading commands load nothing heavy: proved in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.sweepfile import Sweep

HEAVY = ("ray", "tensorflow", "keras", "scipy", "sklearn", "numpy", "pandas", "rich")

PROBE = """
import json, sys
from sweeper.cli.main import main
code = main(json.loads(sys.argv[1]))
found = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([code, found]), file=sys.stderr)
"""


@pytest.fixture
def tree(grid: Sweep, run_trial: Callable[..., Path]) -> Path:
    for trial in grid.trials():
        run_trial(grid, trial, rows=[{"val_loss": 1.0}])
    return grid.base_dir


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["launch", "--help"],
        ["plan", "SPEC"],
        ["status", "TREE", "--json"],
        ["ls", "TREE"],
        ["best", "TREE", "--format", "yaml"],
        ["export", "SPEC", "--to", "csv"],
        ["logs", "SPEC", "0"],
        ["diff", "SPEC:0", "SPEC:1"],
        ["check", "SPEC", "--spec-only"],
        ["schema"],
        ["init", "TREE/new"],
        ["convert", "SPEC", "--to", "wandb"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(arguments: list[str], grid_file: Path, tree: Path) -> None:
    words = [w.replace("SPEC", str(grid_file)).replace("TREE", str(tree)) for w in arguments]
    command = [sys.executable, "-c", PROBE, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert [name for name in HEAVY if name in loaded] == []
