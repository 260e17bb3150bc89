"""What is asked of launches, and what they spend together, as files of the tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import (
    Control,
    Lease,
    Tree,
    as_set,
    ask,
    remove_left,
    take_back,
)


def sweep_of(tmp_path: Path, **keys: Any) -> Sweep:
    file = tmp_path / "s.yaml"
    lines = [f"{key}: {value}" for key, value in keys.items()]
    head = f"method: grid\nprogram: s.py\nstorage: {tmp_path}\n"
    file.write_text(head + "\n".join(lines) + "\nparameters: {x: {values: [1, 2, 3]}}\n")
    return load_sweep(file)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = Tree(tmp_path / "s").home("s")
    home.mkdir(parents=True)
    return home


def test_what_was_set_counts_until_the_file_says_something_else(tmp_path: Path, home: Path) -> None:
    assert as_set(sweep_of(tmp_path)).run_cap is None
    ask(home, "run_cap", was=None, to=2)
    ask(home, "budget.wall", was=60, to=90.5)
    assert as_set(sweep_of(tmp_path)).run_cap == 2
    assert as_set(sweep_of(tmp_path, budget="{wall: 60}")).budget.wall == 90.5
    edited = as_set(sweep_of(tmp_path, run_cap=1, budget="{wall: 70}"))
    assert (edited.run_cap, edited.budget.wall) == (1, 70)


def test_a_launch_that_runs_heeds_what_is_set_from_then_on(tmp_path: Path, home: Path) -> None:
    ask(home, "parallel", was=None, to=2)
    before, launched = Control.read(home), sweep_of(tmp_path, parallel=1)
    assert before.on(launched, before).parallel == 1
    ask(home, "parallel", was=None, to=3)
    assert Control.read(home).on(launched, before).parallel == 3


def test_stop_concerns_the_launches_that_were_asked(home: Path) -> None:
    ours = Lease.acquire(home, beside=True)
    ask(home, "stop", launches=[ours.number], after_current=True)
    assert Control.read(home).stop(ours.number) == "after-current"
    assert Control.read(home).stop(ours.number + 1) is None
    remove_left(home)
    assert Control.read(home).asked
    ours.release()
    remove_left(home)
    assert not os.listdir(home)


@pytest.mark.parametrize("text", ["", "{", '{"launches": 3}', '{"to": "x"}', "[1]"])
def test_what_cannot_be_read_asks_for_nothing(tmp_path: Path, home: Path, text: str) -> None:
    (home / "control").mkdir()
    for name in ("stop", "run_cap"):
        (home / "control" / f"{name}.json").write_text(text)
    control = Control.read(home)
    assert control.stop(3) is None
    assert control.on(sweep_of(tmp_path)).run_cap is None


def test_pause_is_taken_back(home: Path) -> None:
    ask(home, "pause", since="now")
    assert Control.read(home).paused
    take_back(home, "pause")
    assert Control.read(home) == Control()
    assert not os.listdir(home)
