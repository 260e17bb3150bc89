"""Population-based training as a user launches it, on a running Ray cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sweeper.tree import RunRecord
from tests.process.launch.drifting import EPOCHS
from tests.process.launch.launcher import Launcher

DRIFTING = Path(__file__).with_name("drifting.py")
RATE = {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}


def write(launcher: Launcher, delay: float = 0.05, **keys: Any) -> None:
    values: dict[str, Any] = {
        "program": str(DRIFTING),
        "method": "random",
        "parameters": {"rate": RATE, "delay": {"value": delay}},
        "resources": {"cpu": 0.5},
        "parallel": 4,
        **keys,
    }
    launcher.write({}, **values)


def epochs_of(records: list[RunRecord]) -> int:
    return sum(len(record.rows) for record in records)


def check(launcher: Launcher) -> list[RunRecord]:
    """All is over, and every child begins where the backup of its parent was."""
    records = launcher.records()
    by_name = {f"{record.experiment}/{record.run}": record for record in records}
    children = [record for record in records if record.parent]
    for record in records:
        assert record.status in ("finished", "stopped")
        epochs = [int(row["epoch"]) for row in record.rows]
        first = 1
        if record.parent:
            first = record.parent["epoch"] + 1
            parent = by_name[f"{record.parent['experiment']}/{record.parent['run']}"]
            # It goes on with the parent's loss, by one step of its own.
            if record.rows:
                before = {row["epoch"]: row["loss"] for row in parent.rows}.get(first - 1)
                if before is not None:
                    assert before / 2 <= record.rows[0]["loss"] <= before
            assert record.params != parent.params
        assert epochs == list(range(first, first + len(epochs)))
        if record.status == "finished" and record.rows:
            assert epochs[-1] == EPOCHS
    trials = [record.trial for record in records]
    assert len(set(trials)) == len(trials)
    return children


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pbt", "pb2"])
def test_it_follows_what_no_constant_rate_can(
    launcher: Launcher, address: str, tmp_path: Path, kind: str
) -> None:
    early = {"type": kind, "interval": 2, **({"resample": 0.5} if kind == "pbt" else {})}
    write(launcher, early_terminate=early, run_cap=30)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"case: 0 trials: 30 to be chosen by random and {kind} -> ")
    children = check(launcher)
    assert len(launcher.records()) == 30
    assert len(children) >= 5
    evolved = launcher.read("best")["trials"][0]["value"]

    (tmp_path / "random").mkdir()
    constant = Launcher(tmp_path / "random")
    cap = -(-epochs_of(launcher.records()) // EPOCHS)
    write(constant, run_cap=cap)
    assert constant.run("--address", address).returncode == 0
    assert epochs_of(constant.records()) >= epochs_of(launcher.records())
    assert evolved < constant.read("best")["trials"][0]["value"]
    # The best line of runs has changed its rate, and its best run is a child.
    best = launcher.read("best")["trials"][0]
    assert json.loads((Path(best["path"]) / "run.json").read_text())["parent"] is not None

    again = launcher.run("--address", address)
    assert again.returncode == 0
    assert again.stderr.startswith("case: 30 trials: 30 reused -> ")
    assert launcher.left() == []


def test_sigkill_of_the_driver(launcher: Launcher, address: str) -> None:
    early = {"type": "pbt", "quantile": 0.3}
    rates = {"values": [0.1, 0.01, 0.001, 1e-4, 1e-5, 0.5]}
    parameters = {"rate": rates, "delay": {"value": 0.1}}
    write(launcher, method="grid", parameters=parameters, early_terminate=early, run_cap=12)
    process = launcher.start("--address", address)
    launcher.wait_for(lambda records: any(r.parent and len(r.rows) > 1 for r in records))
    process.kill()
    process.communicate()
    launcher.wait_for(lambda records: not any(r.status == "running" for r in records))
    before = {r.path: (r.status, len(r.provenance["attempts"])) for r in launcher.records()}
    statuses = {status for status, _ in before.values()}
    assert "interrupted" in statuses
    assert statuses <= {"interrupted", "stopped", "finished"}
    plan = launcher.read("plan")
    assert {t["state"] for t in plan["trials"]} == {"reused", "resumed"}
    assert len(plan["trials"]) == len(before)

    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    children = check(launcher)
    assert children
    records = {record.path: record for record in launcher.records()}
    assert set(before) <= set(records)
    assert len(records) <= 12
    members = sorted((r.trial, r.params["rate"]) for r in records.values() if not r.parent)
    assert [rate for _, rate in members] == rates["values"][: len(members)]
    for path, (status, attempts) in before.items():
        now = len(records[path].provenance["attempts"])
        assert now == attempts + (status == "interrupted")
    again = launcher.run("--address", address)
    assert again.returncode == 0, again.stderr
    assert {record.path for record in launcher.records()} == set(records)


@pytest.mark.slow
def test_a_budget_of_trials_leaves_children_to_the_next_launch(
    launcher: Launcher, address: str
) -> None:
    early = {"type": "pbt", "quantile": 0.3}
    write(launcher, early_terminate=early, run_cap=12, budget={"trials": 6})
    first = launcher.run("--address", address)
    assert first.returncode == 4, first.stderr
    assert "stopped: the budget of 6 trials is spent" in first.stderr
    assert len(launcher.records()) == 6
    second = launcher.run("--address", address)
    assert second.returncode == 0, second.stderr
    check(launcher)
    assert len(launcher.records()) == 12
