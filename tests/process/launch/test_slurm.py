"""A real SLURM of two pretended nodes: an array of joined launches, one of which is pre-empted."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.launch.launcher import Launcher

CLUSTER = Path(__file__).parents[4] / "shared/cluster"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("slurmctld") is None or not CLUSTER.exists() or os.geteuid() != 0,
        reason="no SLURM can be started here",
    ),
]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    place = tmp_path / "slurm"
    started = subprocess.run(
        ["bash", CLUSTER / "slurm-start", place, "18817"],
        capture_output=True,
        check=True,
        text=True,
    )
    monkeypatch.setenv("SLURM_CONF", started.stdout.strip().partition("=")[2])
    try:
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], check=False)
        # What has not said that it ended says so to the next SLURM, of its own first jobs.
        for _ in range(60):
            if not subprocess.run(["squeue", "-h"], capture_output=True, check=False).stdout:
                break
            time.sleep(0.5)
        subprocess.run(["bash", CLUSTER / "slurm-stop", place], check=True)


@pytest.mark.usefixtures("slurm")
def test_an_array_shares_a_sweep_and_a_member_that_is_requeued_goes_on(
    launcher: Launcher,
) -> None:
    # Where SLURM shuts a job in with its own GPU, that is GPU 0 of every job.
    launcher.env["SWEEPER_PRETENDED_GPUS"] = "1"
    keys = {"resources": {"gpu": 1}, "slurm": {"skip": ["gres"]}}
    launcher.write({"epochs": 6, "delay": 0.5}, trials=6, **keys)
    submitted = launcher.run("--on", "slurm", "-j", "2", "--sbatch", "time=00:10:00")
    assert submitted.returncode == 0, submitted.stderr
    job = submitted.stdout.strip()
    assert job.isdigit()
    launcher.wait_for(lambda records: sum(r.status == "running" for r in records) == 2)
    subprocess.run(["scontrol", "requeue", f"{job}_0"], check=True)
    launcher.wait_for(lambda records: [r.status for r in records] == ["finished"] * 6)
    records = launcher.records()
    assert sorted(record.trial or 0 for record in records) == list(range(6))
    for record in records:
        assert [row["epoch"] for row in record.rows] == list(range(1, 7))
    again = launcher.run("--on", "slurm", "-j", "2", "--rerun", "0", "5")
    assert again.returncode == 0, again.stderr
    assert "--rerun" not in (launcher.base / "sweeps/case/slurm.sbatch").read_text()
    launcher.wait_for(lambda records: [r.status for r in records] == ["finished"] * 8)
    assert sorted(record.trial or 0 for record in launcher.records()) == [0, 0, 1, 2, 3, 4, 5, 5]
