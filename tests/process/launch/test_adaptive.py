"""``method: bayes`` as a user launches it: chosen trials, ends and exit codes."""

from __future__ import annotations

from typing import Any

from tests.process.launch.launcher import Launcher


def write(launcher: Launcher, do: dict[str, Any], **keys: Any) -> None:
    parameters = {"x": {"min": 1.0, "max": 9.0}, "do": {"value": do}}
    launcher.write(do, **{"method": "bayes", "parameters": parameters, **keys})


def test_failures_budget_and_exit_codes(launcher: Launcher, address: str) -> None:
    write(launcher, {}, run_cap=6, retry={"max": 0}, budget={"trials": 4})
    stopped = launcher.run("--address", address)
    assert stopped.returncode == 4, stopped.stderr
    assert stopped.stderr.startswith("case: 0 trials: 6 to be chosen by bayes -> ")
    assert "stopped: the budget of 4 trials is spent" in stopped.stderr
    assert "to go on: " in stopped.stderr
    assert len(launcher.records()) == 4
    status = launcher.read("status")
    assert (status["size"], status["counts"]["finished"]) == (6, 4)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    assert sorted(record.trial for record in launcher.records()) == list(range(6))


def test_what_its_launch_refuses(launcher: Launcher) -> None:
    write(launcher, {})
    endless = launcher.run()
    assert endless.returncode == 2
    assert "`method: bayes` goes on without end" in endless.stderr
    assert not launcher.base.exists()


def test_a_constraint_that_cannot_be_met_ends_with_its_name(
    launcher: Launcher, address: str
) -> None:
    write(launcher, {}, run_cap=3, constraints=["x * x < 0.5 * x"])
    done = launcher.run("--address", address)
    assert done.returncode == 2
    assert "x * x < 0.5 * x" in done.stderr


def test_the_target_is_of_the_mean_where_trials_repeat(launcher: Launcher, address: str) -> None:
    write(
        launcher,
        {"epochs": 1},
        run_cap=200,
        repeats=2,
        metric={"name": "loss", "goal": "minimize", "target": 5.0},
    )
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    assert "stopped: loss has reached its target of 5" in done.stderr
    ended = [record for record in launcher.records() if record.status == "finished"]
    assert 2 <= len(ended) < 200
