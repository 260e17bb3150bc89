"""Launches on one machine that has GPUs, two of them, pretended: who gets which, and when."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from sweeper.tree import RunRecord
from tests.process.launch.launcher import Launcher, own_tmp


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A /tmp of its own, and what is held of the machine below it."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SWEEPER_PRETENDED_GPUS", "2")
    with own_tmp() as tmp:
        held = tmp / f"sweeper-{os.getuid()}"
        yield held
        assert not any(os.listdir(place) for place in held.iterdir())


@pytest.fixture
def launcher(tmp_path: Path, machine: Path) -> Launcher:
    return Launcher(tmp_path, machine.parent)


def gpus_of(records: list[RunRecord]) -> dict[str, list[tuple[datetime, datetime]]]:
    """GPU -> when a trial had it, in order."""
    found = defaultdict(list)
    for attempt in (attempt for record in records for attempt in record.attempts):
        moments = (datetime.fromisoformat(attempt[key]) for key in ("start", "end"))
        (gpu,) = attempt["gpus"]
        found[gpu].append((next(moments), next(moments)))
    return {gpu: sorted(spans) for gpu, spans in found.items()}


@pytest.mark.slow
def test_each_gpu_has_its_trials_until_none_is_left(launcher: Launcher) -> None:
    launcher.write({"epochs": 4, "delay": 0.5}, trials=12, resources={"cpu": 0.1, "gpu": 0.5})
    done = launcher.run()
    assert done.returncode == 0, done.stderr
    found = gpus_of(launcher.records())
    assert sorted(found) == ["0", "1"]
    for spans in found.values():
        at_once = [sum(a <= moment < b for a, b in spans) for moment, _ in spans]
        assert max(at_once) == 2, found


def test_two_launches_never_share_a_gpu_unasked(launcher: Launcher, machine: Path) -> None:
    keys = {"resources": {"cpu": 0.1, "gpu": 1}}
    launcher.write({"hangs": [1]}, trials=1, **keys)
    first = launcher.start("--name", "first", "-j", "1")
    launcher.base = launcher.base.with_name("first")
    launcher.wait_for(lambda records: any(record.rows for record in records))
    second = launcher.start("--name", "second", "-j", "1")
    launcher.base = launcher.base.with_name("second")
    launcher.wait_for(lambda records: any(record.rows for record in records))
    launcher.write({}, trials=1, **keys)
    third = launcher.run("--name", "third")
    assert third.returncode == 1, third.stderr
    pids = f"process {first.pid}, process {second.pid}"
    assert f"expected a free GPU of 0, 1, found them held by {pids}: --wait" in third.stderr
    waiting = launcher.start("--name", "third", "--wait")
    while not (machine / "queue").is_dir() or not os.listdir(machine / "queue"):
        assert waiting.poll() is None
        time.sleep(0.1)
    for process in (first, second):
        process.terminate()
        process.communicate(timeout=60)
    _, err = waiting.communicate(timeout=240)
    assert waiting.returncode == 0, err
    assert f"--wait: this machine is taken by {pids}" in err
    used = []
    for name in ("first", "second"):
        launcher.base = launcher.base.with_name(name)
        used += [*gpus_of([r for r in launcher.records() if r.attempts[-1]["end"]])]
    assert sorted(used) == ["0", "1"]
    launcher.base = launcher.base.with_name("third")
    assert [record.status for record in launcher.records()] == ["finished"]
