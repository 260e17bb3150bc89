"""Reading a sweep file loads nothing heavy, and is quick."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = ("numpy", "scipy", "ray", "tensorflow", "keras", "pandas", "wandb")
CODE = f"""
import sys, time
import yaml
begin = time.process_time()
import sweeper.sweepfile
took = time.process_time() - begin
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print(took, *loaded)
"""


def test_importing_the_room_is_light() -> None:
    answers = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            capture_output=True,
            text=True,
            check=True,
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        )
        took, *loaded = done.stdout.split()
        assert loaded == []
        answers.append(float(took))
    # 0.05 s of CPU on a quiet machine; test machines are shared.
    assert min(answers) < 0.3
