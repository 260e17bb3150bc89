"""Reading commands load nothing heavy: proved in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.sweepfile import Sweep

HEAVY = ("ray", "tensorflow", "keras", "scipy", "sklearn", "numpy", "pandas", "rich")

COMMANDS = """
--help
launch --help
plan SPEC
status TREE --json
ls TREE
best TREE --format yaml
export SPEC --to csv
logs SPEC 0
diff SPEC:0 SPEC:1
check SPEC --spec-only
schema
convert SPEC --to wandb
init NEW
"""

PROBE = """
import json, sys
from sweeper.cli.main import main
found = []
for words in json.loads(sys.argv[1]):
    code = main(words)
    found.append([code, sorted({name.partition(".")[0] for name in sys.modules})])
print(json.dumps(found), file=sys.stderr)
"""


@pytest.fixture
def tree(grid: Sweep, run_trial: Callable[..., Path]) -> Path:
    for trial in grid.trials():
        run_trial(grid, trial, rows=[{"val_loss": 1.0}])
    return grid.base_dir


def test_nothing_heavy_is_loaded(grid_file: Path, tree: Path, tmp_path: Path) -> None:
    text = COMMANDS.replace("SPEC", str(grid_file)).replace("TREE", str(tree))
    commands = text.replace("NEW", str(tmp_path / "new")).strip().splitlines()
    words = json.dumps([command.split() for command in commands])
    command = [sys.executable, "-c", PROBE, words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stderr.splitlines()[-1])
    for name, (code, loaded) in zip(commands, found, strict=True):
        assert (name, code, [one for one in HEAVY if one in loaded]) == (name, 0, [])
