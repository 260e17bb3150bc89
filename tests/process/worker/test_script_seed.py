"""What a script draws: seeded before it begins, each of its processes for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.worker import script

DRAW = """
import json, random, sys
import numpy as np
def draw(_=None):
    return [random.random(), float(np.random.rand())]
"""


def run(directory: Path, text: str, seed: int | str = 5, *words: str, **env: str) -> Any:
    """What the last line of a script's output says, in JSON."""
    file = directory / "job.py"
    file.write_text(text)
    env = {"SWEEPER_REPORT_FILE": str(directory / "reports.jsonl"), **env}
    done = subprocess.run(
        [sys.executable, *(words or [str(file)])],
        env={
            **os.environ,
            "PYTHONPATH": str(script.INJECTED),
            "SWEEPER_PROCESS_SEED": str(seed),
            **env,
        },
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def expected(seed: int) -> list[float]:
    import random

    import numpy as np

    return [random.Random(seed).random(), float(np.random.RandomState(seed).rand())]


def test_a_script_draws_from_the_runs_seed(tmp_path: Path) -> None:
    text = DRAW + "print(json.dumps(draw()))"
    assert run(tmp_path, text, 5) == expected(5)
    assert run(tmp_path, text, 6) == expected(6)
    assert run(tmp_path, text, 5, "-m", "job") == expected(5)


def test_what_a_script_seeds_itself_stays(tmp_path: Path) -> None:
    text = """
import random
random.seed(1)
import numpy.random
numpy.random.seed(2)
import numpy as np, multiprocessing.spawn
"""
    text += DRAW + "print(json.dumps(draw()))"
    assert run(tmp_path, text) == [expected(1)[0], expected(2)[1]]


def test_nothing_is_loaded_that_the_script_does_not_load(tmp_path: Path) -> None:
    text = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    seeded, unseeded = set(run(tmp_path, text)), set(run(tmp_path, text, ""))
    assert seeded == unseeded
    assert not seeded & {"numpy", "keras", "tensorflow", "torch", "hashlib", "multiprocessing"}


PROCESSES = (
    DRAW
    + """
def put(queue):
    queue.put(draw())
if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.SimpleQueue()
    processes = [context.Process(target=put, args=[queue]) for _ in range(4)]
    for process in processes:
        process.start()
    drawn = [queue.get() for process in processes]
    for process in processes:
        process.join()
    print(json.dumps(sorted(drawn)))
"""
)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_a_script_draw_alike_each_time_and_not_like_each_other(
    tmp_path: Path, method: str
) -> None:
    words = (str(tmp_path / "job.py"), method)
    first, again = (run(tmp_path, PROCESSES, 5, *words) for _ in range(2))
    # NumPy's state is copied by a fork, as in every Python.
    columns = 1 if method == "fork" else 2
    assert [row[:columns] for row in first] == [row[:columns] for row in again]
    for column in range(columns):
        assert len({row[column] for row in first} | {expected(5)[column]}) == 5


def test_workers_of_joblib_do_not_draw_like_each_other(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    text = """
def slowly(_):
    import time
    time.sleep(0.2)
    return draw()
if __name__ == "__main__":
    import joblib
    print(json.dumps(joblib.Parallel(2)(joblib.delayed(slowly)(n) for n in range(4))))
"""
    drawn = run(tmp_path, DRAW + text)
    for column in range(2):
        assert len({row[column] for row in drawn} | {expected(5)[column]}) == 5


def test_a_program_that_the_script_starts_draws_from_the_seed_too(tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text(DRAW + "print(json.dumps(draw()))")
    text = """
import subprocess, sys
sys.exit(subprocess.run([sys.executable, *sys.argv[1:], "inner.py"]).returncode)
"""
    assert run(tmp_path, text) == expected(5)


def test_a_helper_that_a_library_starts_is_not_seeded(tmp_path: Path) -> None:
    code = DRAW + "print(json.dumps(draw()))"
    text = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])"
    assert run(tmp_path, text)[0] != run(tmp_path, text)[0]


def test_ranks_of_a_distributed_training_draw_apart(tmp_path: Path) -> None:
    text = DRAW + "print(json.dumps(draw()))"
    ranks = [run(tmp_path, text, RANK=rank) for rank in "01"]
    assert ranks[0] == expected(5)
    assert ranks[1] != ranks[0]
    assert run(tmp_path, text, RANK="1") == ranks[1]
