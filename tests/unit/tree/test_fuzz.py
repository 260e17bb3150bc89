"""Some seconds of ``python -m tests.fuzz tree``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_no_spoilt_tree_stops_a_reader_or_reaches_outside() -> None:
    words = [sys.executable, "-m", "tests.fuzz", "tree", "--minutes", "0.15", "--seed", "20261128"]
    root = Path(__file__).parents[3]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
