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

PRETENDED = Path(__file__).parents[2] / "pretended_gpus"
Span = tuple[datetime, datetime]


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


def gpus_of(records: list[RunRecord]) -> dict[str, list[Span]]:
    """GPU -> when a trial had it, in order."""
    found = defaultdict(list)
    for attempt in (attempt for record in records for attempt in record.attempts):
        moments = (datetime.fromisoformat(attempt[key]) for key in ("start", "end"))
        (gpu,) = attempt["gpus"]
        found[gpu].append((next(moments), next(moments)))
    return {gpu: sorted(spans) for gpu, spans in found.items()}


def most_at_once(spans: list[Span]) -> int:
    return max(sum(a <= moment < b for a, b in spans) for moment, _ in spans)


def busy_times(spans: list[Span]) -> list[Span]:
    """When there was a trial, without a break."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


@pytest.fixture
def measured(launcher: Launcher) -> Launcher:
    """GPUs that say how much of their memory is taken; see ``pretended_gpus``."""
    places = [str(PRETENDED), *filter(None, [os.environ.get("PYTHONPATH")])]
    launcher.env["PYTHONPATH"] = os.pathsep.join(places)
    launcher.env["TAKEN"] = str(launcher.directory / "taken")
    return launcher


def write_measured(launcher: Launcher, seconds: float, gb: dict[str, int], trials: int) -> None:
    keys = {"resources": {"cpu": 0.1, "gpu": "auto"}, "program": str(PRETENDED / "gpu_trainee.py")}
    launcher.write({"seconds": seconds, "gb": gb}, trials=trials, **keys)


@pytest.mark.slow
def test_as_many_share_a_gpu_as_what_the_first_took_allows_and_none_idles(
    measured: Launcher,
) -> None:
    write_measured(measured, 6, {}, trials=16)
    done = measured.run()
    assert done.returncode == 0, done.stderr
    records = measured.records()
    for record in records:
        (attempt,) = record.attempts
        assert (attempt["peak_gpu_memory"], attempt["gpu_memory"]) == (2 << 30, 8 << 30)
    found = gpus_of(records)
    assert sorted(found) == ["0", "1"]
    known = min(end for spans in found.values() for _, end in spans)
    for spans in found.values():
        assert most_at_once([span for span in spans if span[0] < known]) == 1, found
        assert most_at_once(spans) == 3, found  # 3 times 2 GB of 0.9 times 8
        assert len(busy_times(spans)) <= 2, found  # between them are only the new workers' starts
    done_before = {record.path for record in records}
    write_measured(measured, 6, {}, trials=22)
    done = measured.run()
    assert done.returncode == 0, done.stderr
    later = gpus_of([record for record in measured.records() if record.path not in done_before])
    for spans in later.values():
        assert most_at_once(spans) == 3 == len(spans), later
        assert len(busy_times(spans)) == 1, later


@pytest.mark.slow
def test_who_runs_out_of_a_shared_gpu_goes_again_with_one_for_itself(measured: Launcher) -> None:
    write_measured(measured, 6, {"6": 6}, trials=14)
    done = measured.run()
    assert done.returncode == 0, done.stderr
    assert "ran out of the memory of a GPU that it shared" in done.stderr
    records = measured.records()
    assert {record.status for record in records} == {"finished"}
    crowded = [record for record in records if len(record.attempts) > 1]
    assert crowded
    for record in crowded:
        shared, own = record.attempts
        assert shared["ended"].startswith("interrupted: out-of-memory: ResourceExhaustedError")
        start, end = (datetime.fromisoformat(own[key]) for key in ("start", "end"))
        others = gpus_of([other for other in records if other is not record])[own["gpus"][0]]
        assert not any(a < end and b > start for a, b in others), (own, others)
    (large,) = (record.attempts[-1] for record in records if record.params["x"] == 6)
    assert large["peak_gpu_memory"] == 6 << 30
    for spans in gpus_of(records).values():
        later = [span for span in spans if span[0] > datetime.fromisoformat(large["end"])]
        assert not later or most_at_once(later) == 1, spans


@pytest.mark.parametrize(
    ("gpus", "said"),
    [("0", "there is no GPU: trials run without"), ("1", "could not tell")],
)
def test_auto_says_what_it_does_not_know(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch, gpus: str, said: str
) -> None:
    monkeypatch.setenv("SWEEPER_PRETENDED_GPUS", gpus)
    launcher.write({}, trials=2, resources={"cpu": 0.1})
    done = launcher.run("--gpus-per-trial", "auto")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(said) == 1, done.stderr
    (one, other) = (record.attempts[0] for record in launcher.records())
    assert one["gpus"] == other["gpus"] == ([] if gpus == "0" else ["0"])


@pytest.mark.slow
def test_each_gpu_has_its_trials_until_none_is_left(launcher: Launcher) -> None:
    launcher.write({"epochs": 4, "delay": 0.5}, trials=12, resources={"cpu": 0.1, "gpu": 0.5})
    done = launcher.run()
    assert done.returncode == 0, done.stderr
    found = gpus_of(launcher.records())
    assert sorted(found) == ["0", "1"]
    for spans in found.values():
        assert most_at_once(spans) == 2, found


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
    launcher.base = launcher.base.with_name("third")
    (told,) = (launcher.run("--name", "third", command="status")).stdout.splitlines()[1:2]
    assert told.startswith(f"launched by process {waiting.pid} on ")
    assert ", waiting for room, since " in told
    stopped = launcher.run("--name", "third", command="stop")
    assert stopped.stdout.startswith(f"stopped: process {waiting.pid} on "), stopped.stderr
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 4, err
    waiting = launcher.start("--name", "third", "--wait")
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
