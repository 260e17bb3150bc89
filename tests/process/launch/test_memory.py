"""Full memory: what trains goes first, and its trial is tried once more, alone on the node."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.tree import RunRecord
from tests.process.launch.launcher import Launcher

ROOM = 2200 << 20  # for Ray's own processes, and for one of these trials, not for two
HUNGRY = """
import time, sweeper
def train(params, callbacks, run=sweeper):
    run.report(loss=1.0)
    held = []
    for _ in range(40 if params["x"] != params["much"] else 400):
        held.append(bytearray(b"x" * (25 << 20)))
        time.sleep(0.02)
    time.sleep(1)
    run.report(loss=0.5)
"""
SCRIPT = HUNGRY + "train(sweeper.params(), [])\n"


@pytest.fixture
def limited(launcher: Launcher) -> Iterator[Launcher]:
    """A launcher whose launches run in a control group with little memory."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    root, limit = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    group = root / f"sweeper-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(ROOM))
    except OSError as error:
        group.is_dir() and group.rmdir()
        pytest.skip(f"no control group with a limit can be made here: {error}")
    launcher.cgroup = group
    yield launcher
    for _ in range(50):  # until all that was in it is gone
        try:
            group.rmdir()
            break
        except OSError:
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("text", [HUNGRY, SCRIPT], ids=["function", "script"])
def test_who_runs_out_of_memory_beside_others_has_enough_alone(
    limited: Launcher, text: str
) -> None:
    program = limited.directory / "hungry.py"
    program.write_text(text)
    keys = {"trials": 3, "parallel": 2, "retry": {"max": 0}, "program": str(program)}
    parameters = {"x": {"values": [1, 2, 3]}, "much": {"value": 3}}
    if text == SCRIPT:
        keys["command"] = ["${interpreter}", "${program}"]
    limited.write({}, parameters=parameters, **keys)
    done = limited.run(timeout=240)
    assert done.returncode == 3, done.stderr
    assert "worker died" not in done.stderr
    by_x = {record.params["x"]: record for record in limited.records()}
    assert {x: record.status for x, record in by_x.items()} == {
        1: "finished", 2: "finished", 3: "out-of-memory",
    }  # fmt: skip
    assert [len(attempts(record)) for record in by_x.values()].count(1) <= 1
    assert len(attempts(by_x[3])) == 2
    for record in by_x.values():
        for attempt in attempts(record):
            assert attempt["peak_memory"] > 200 << 20
            known = ("interrupted: out-of-memory: ", "out-of-memory: ", "finished")
            assert attempt["ended"].startswith(known)
    assert "out-of-memory killer" in done.stderr


def attempts(record: RunRecord) -> list[dict[str, float | str]]:
    found: list[dict[str, float | str]] = record.provenance["attempts"]
    return found
