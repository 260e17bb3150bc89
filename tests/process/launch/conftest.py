"""Launching as a user does: the installed command, real Ray, real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.launch.launcher import Launcher, ray_cluster

CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
print(cluster.address, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a Ray cluster that all tests share which need no private one."""
    with ray_cluster(CLUSTER) as (_, address):
        yield address
