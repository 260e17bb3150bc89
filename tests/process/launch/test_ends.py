"""However trials end, the sweep goes on and the tree tells: on a running Ray cluster."""

from __future__ import annotations

from pathlib import Path

from tests.process.launch.launcher import Launcher


def outcomes(launcher: Launcher) -> dict[int, str]:
    return {record.params["x"]: record.status for record in launcher.records()}


def test_a_good_sweep_and_what_is_on_the_terminal(launcher: Launcher, address: str) -> None:
    launcher.write({"epochs": 3})
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    # Ray and Tune print nothing of their own.
    assert lines[0].startswith("case: 4 trials: 4 new -> ")
    assert sorted(line.split("trial ")[1].split()[0] for line in lines[1:5]) == list("0123")
    assert lines[5:] == ["4 finished"]
    assert done.stdout.startswith("best: trial 0  loss=0.33333 (epoch 3)")
    assert outcomes(launcher) == {1: "finished", 2: "finished", 3: "finished", 4: "finished"}
    for record in launcher.records():
        assert [row["epoch"] for row in record.rows] == [1, 2, 3]
        x = record.params["x"]
        assert record.paths.output.read_text() == "".join(
            f"trial {x} epoch {epoch}\n" for epoch in (1, 2, 3)
        )
    assert {path.name for path in (launcher.base / "sweeps" / "case").iterdir()} == {
        "sweep.yaml",
        "summary.json",
        "summary.csv",
    }
    again = launcher.run("--address", address)
    assert again.returncode == 0
    assert again.stderr.startswith("case: 4 trials: 4 reused")
    launcher.write({"epochs": 3}, trials=5)
    grown = launcher.run("--address", address)
    assert grown.stderr.startswith("case: 5 trials: 1 new, 4 reused")
    assert len(launcher.records()) == 5


def test_failures_cost_their_trial_only(launcher: Launcher, address: str) -> None:
    launcher.write({"raises": [2], "dies": [3], "dies_once": [4]}, trials=5, retry={"max": 1})
    done = launcher.run("--address", address)
    assert done.returncode == 3, done.stderr
    assert outcomes(launcher) == {
        1: "finished", 2: "failed", 3: "failed", 4: "finished", 5: "finished",
    }  # fmt: skip
    assert "ValueError: trial 2 was told to fail" in done.stderr
    assert "the training process died (signal 11)" in done.stderr
    by_x = {record.params["x"]: record for record in launcher.records()}
    assert str(by_x[2].paths.output) in done.stderr
    assert "ValueError: trial 2 was told to fail" in by_x[2].paths.output.read_text()
    for x in (2, 3, 4):
        assert len(by_x[x].provenance["attempts"]) == 2
    assert [row["epoch"] for row in by_x[4].rows] == [1, 2, 3]

    again = launcher.run("--address", address)
    assert again.returncode == 3
    assert again.stderr.startswith("case: 5 trials: 3 reused, 2 failed")
    assert len(launcher.records()) == 5
    retried = launcher.run("--address", address, "--retry-failed")
    assert retried.returncode == 3
    assert retried.stderr.startswith("case: 5 trials: 2 new, 3 reused")
    assert len(launcher.records()) == 7


def test_the_breaker_stops_a_hopeless_sweep(launcher: Launcher, address: str) -> None:
    launcher.write(
        {"raises": list(range(1, 9))}, trials=8, retry={"max": 0, "breaker": 3}, parallel=1
    )
    done = launcher.run("--address", address)
    assert done.returncode == 4, done.stderr
    assert "stopped: 3 trials in a row failed" in done.stderr
    assert list(outcomes(launcher).values()) == ["failed"] * 3


def test_a_trial_over_its_time_is_ended(launcher: Launcher, address: str) -> None:
    launcher.write({"hangs": [1]}, trials=3, budget={"trial": "3s"})
    done = launcher.run("--address", address)
    assert done.returncode == 3, done.stderr
    assert outcomes(launcher) == {1: "timed-out", 2: "finished", 3: "finished"}


def test_a_metric_that_is_never_reported(launcher: Launcher, address: str) -> None:
    launcher.write({"delay": 0.5}, trials=2, metric={"name": "los"})
    done = launcher.run("--address", address)
    assert done.returncode == 2
    warned = "metric.name: trial 0 has not reported 'los' so far, but loss; did you mean loss?"
    assert done.stderr.replace("trial 1 has", "trial 0 has").count(warned) == 1
    assert "without reporting 'los': found loss; did you mean loss?" in done.stderr


def test_a_last_value_is_known_when_its_trial_has_ended(launcher: Launcher, address: str) -> None:
    metric = {"name": "loss", "goal": "maximize", "mode": "last", "target": 0.9}
    launcher.write({"delay": 0.1}, trials=5, metric=metric, parallel=1)
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[1:4] == [
        "[1/5] trial 0 finished loss=0.33333 (best so far)",
        "[2/5] trial 1 finished loss=0.66667 (best so far)",
        "[3/5] trial 2 finished loss=1 (best so far)",
    ]
    assert lines[-1] == "stopped: loss has reached its target of 0.9"
    assert outcomes(launcher) == {1: "finished", 2: "finished", 3: "finished"}
    assert len({record.provenance["attempts"][-1]["pid"] for record in launcher.records()}) == 1
    again = launcher.run("--address", address)
    assert again.returncode == 0
    assert "loss has reached its target of 0.9: nothing more to run" in again.stderr
    assert len(launcher.records()) == 3


def test_resources_that_no_node_can_give(launcher: Launcher, address: str) -> None:
    launcher.write({}, resources={"cpu": 64})
    done = launcher.run("--address", address)
    assert done.returncode == 2
    assert "a trial asks for 64 CPUs and 0 GPUs, which no node can give" in done.stderr
    assert not Path(launcher.base).exists()


def test_a_launch_starts_no_more_trials_than_its_budget(launcher: Launcher, address: str) -> None:
    launcher.write({}, trials=4, budget={"trials": 3})
    done = launcher.run("--address", address)
    assert done.returncode == 4
    assert "stopped: the budget of 3 trials is spent" in done.stderr
    assert len(launcher.records()) == 3
    again = launcher.run("--address", address)
    assert again.returncode == 0, again.stderr
    assert again.stderr.startswith("case: 4 trials: 1 new, 3 reused")


def test_trials_without_the_metric_are_failed_trials(launcher: Launcher, address: str) -> None:
    do = {"silent": [1, 4], "instead": {"2": "accuracy"}}
    launcher.write(do, trials=5, parallel=1, retry={"max": 2})
    done = launcher.run("--address", address)
    assert done.returncode == 3, done.stderr
    assert outcomes(launcher) == {
        1: "failed", 2: "failed", 3: "finished", 4: "failed", 5: "finished",
    }  # fmt: skip
    assert all(len(record.provenance["attempts"]) < 3 for record in launcher.records())
    said = "NoMetric: metric.name: trial {} ended without reporting 'loss': found {}; {}"
    for trial, found in ((0, "no number reported"), (1, "accuracy"), (3, "no number reported")):
        assert f"trial {trial} failed: {said.format(trial, found, 'other runs have it')}" in (
            done.stderr
        )
    assert "did you mean" not in done.stderr
    again = launcher.run("--address", address)
    assert again.returncode == 3
    assert again.stderr.startswith("case: 5 trials: 2 reused, 3 failed")


def test_a_metric_that_no_trial_has_is_a_wrong_request(launcher: Launcher, address: str) -> None:
    silent = {"instead": {"1": "cost", "2": "cost", "3": "cost"}}
    launcher.write(silent, trials=3, parallel=1)
    done = launcher.run("--address", address)
    assert done.returncode == 2
    assert (
        "sweeper: metric.name: trials 0, 1, 2 ended without reporting 'loss': found cost; "
        "pass `callbacks` to model.fit" in done.stderr
    )
    launcher.write(silent, trials=3, metric={"name": "cost"})
    mended = launcher.run("--address", address)
    assert mended.returncode == 0, mended.stderr
    assert mended.stderr.startswith("case: 3 trials: 3 resumed")
    assert [len(record.provenance["attempts"]) for record in launcher.records()] == [2, 2, 2]


def test_trials_without_the_metric_do_not_bar_the_way(launcher: Launcher, address: str) -> None:
    """Neither where a launch starts few, nor where the breaker ends it."""
    keys = {"trials": 4, "parallel": 1, "retry": {"breaker": 2}}
    launcher.write({"silent": [1, 2, 3]}, budget={"trials": 1}, **keys)
    one = launcher.run("--address", address)
    assert outcomes(launcher) == {1: "failed"}, one.stderr
    launcher.write({"silent": [1, 2, 3]}, **keys)
    broken = launcher.run("--address", address)
    assert broken.returncode == 4
    assert "stopped: 2 trials in a row failed" in broken.stderr
    assert launcher.run("--address", address).returncode == 3
    assert outcomes(launcher) == {1: "failed", 2: "failed", 3: "failed", 4: "finished"}


def test_each_trial_has_a_process_of_its_own_if_it_is_asked_for(
    launcher: Launcher, address: str
) -> None:
    launcher.write({}, trials=3, parallel=1, isolation="process")
    done = launcher.run("--address", address)
    assert done.returncode == 0, done.stderr
    processes = {record.provenance["attempts"][-1]["pid"] for record in launcher.records()}
    assert len(processes) == 3
    stored = (launcher.base / "sweeps" / "case" / "sweep.yaml").read_text()
    assert "isolation: process\n" in stored


def test_nobody_may_be_left_to_read_what_a_launch_prints(launcher: Launcher, address: str) -> None:
    launcher.write({"raises": [2]}, trials=2, retry={"max": 0})
    process = launcher.start("--address", address)
    assert process.stdout is not None
    process.stdout.close()  # `sweeper launch … | head`
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait() == 3, err
    assert "to run the failed trials again" in err
    process.stderr.close()


def test_what_helps_where_the_budget_of_disk_is_spent(launcher: Launcher, address: str) -> None:
    launcher.write({}, trials=4, parallel=2, budget={"disk": "1KB"})
    done = launcher.run("--address", address)
    assert done.returncode == 4
    assert len(launcher.records()) == 2  # two at once: each finds the budget spent
    assert done.stderr.endswith("to go on: raise budget.disk, or remove runs, and launch again\n")
