"""A launch as a job of a Ray cluster."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.launch.launcher import Launcher, ray_cluster

CLUSTER = """
import sys
from ray.cluster_utils import Cluster
args = {"num_cpus": 1, "include_dashboard": True, "dashboard_port": DASHBOARD}
args["dashboard_agent_listen_port"] = AGENT
cluster = Cluster(initialize_head=True, head_node_args=args)
print(cluster.head_node.address_info["webui_url"], flush=True)
sys.stdin.readline()
"""
TRAINS = """
from pathlib import Path
def train(params, callbacks, run):
    run.report(loss=params["x"], large=float(Path("large").exists()))
"""


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.mark.slow
def test_a_job_is_submitted_followed_and_read(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp_cors", reason="needs ray[default]")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    launcher.write({}, trials=2, program="trains.py")
    (launcher.directory / "trains.py").write_text(TRAINS)
    (launcher.directory / "large").touch()
    (launcher.directory / ".gitignore").write_text("large\n")
    subprocess.run(["git", "init", "-q", "."], cwd=launcher.directory, check=True)
    source = CLUSTER.replace("DASHBOARD", free_port()).replace("AGENT", free_port())
    with ray_cluster(source) as (_, address):
        asked = launcher.run("--on", "ray-job", "--address", f"http://{address}")
        assert asked.returncode == 0, asked.stderr
        follow = re.search("to follow: (.*)", asked.stderr)
        assert follow is not None
        assert asked.stdout.strip() in follow[1]
        told = subprocess.run(
            follow[1], shell=True, capture_output=True, text=True, check=False, timeout=120
        )
    assert "2 finished" in told.stdout, told.stderr
    assert [row["large"] for record in launcher.records() for row in record.rows] == [0.0, 0.0]
