"""A cluster that loses a node in the middle of a sweep."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.launch.conftest import Launcher

TWO_NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(second, allow_graceful=False)
print("removed", flush=True)
sys.stdin.readline()
"""


@pytest.mark.slow
def test_the_trials_of_a_lost_node_go_on_elsewhere(launcher: Launcher) -> None:
    launcher.write({"epochs": 8, "delay": 0.5}, trials=4)
    with subprocess.Popen(
        [sys.executable, "-c", TWO_NODES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        process = launcher.start("--address", cluster.stdout.readline().strip())
        launcher.wait_for(lambda records: sum(bool(record.rows) for record in records) == 2)
        cluster.stdin.write("\n")
        cluster.stdin.flush()
        _, err = process.communicate(timeout=240)
        cluster.kill()
    assert process.returncode == 0, err
    records = launcher.records()
    assert [record.status for record in records] == ["finished"] * 4
    assert sorted(len(record.provenance["attempts"]) for record in records) == [1, 1, 1, 2]
    for record in records:
        assert [row["epoch"] for row in record.rows] == list(range(1, 9))
