"""Two trials of one plan whose eight digits are the same are two experiments."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.sweepfile import load_sweep
from sweeper.tree import Tree, plan_trials

SWEEP = """
program: train.py
method: list
metric: {name: loss}
trials:
  - {a: 88, b: 100}
  - {a: 89, b: 40}
  - {a: 88, b: 100, note: again}
monitored: [[a, b]]
"""


def test_a_collision_within_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(SWEEP)
    sweep = load_sweep(tmp_path / "c.yaml")
    plan = list(plan_trials(sweep, Tree(sweep.base_dir)))
    assert [(item.state, item.experiment) for item in plan] == [
        ("new", "exp-11146417"),
        ("new", "exp-111464179"),
        ("reused", "exp-11146417"),
    ]


def test_a_grid_whose_varying_key_is_not_monitored_repeats_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "program: train.py\nmethod: grid\nparameters: {a: {values: [1, 2]}, b: {values: [3, 4]}}\n"
    )
    states = {}
    for monitored in ("[a, b]", "[a]"):
        (tmp_path / "g.yaml").write_text(f"{text}monitored: {monitored}\n")
        sweep = load_sweep(tmp_path / "g.yaml")
        plan = list(plan_trials(sweep, Tree(sweep.base_dir).as_it_is()))
        states[monitored] = [item.state for item in plan]
    assert states == {
        "[a, b]": ["new", "new", "new", "new"],
        "[a]": ["new", "reused", "new", "reused"],
    }
