"""A cluster that loses a node in the middle of a sweep, or has one that cannot work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sweeper.raytune.cluster import keep_token_private
from tests.process.launch.launcher import Launcher, ray_cluster

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


ONE_NODE = TWO_NODES.replace("second = cluster.add_node(num_cpus=1)\n", "")


def test_a_cluster_that_wants_a_token_takes_who_has_it(launcher: Launcher) -> None:
    launcher.write({}, trials=2)
    keep_token_private()
    wrong = launcher.directory / "wrong"
    wrong.write_text("0" * 64)
    with_token = f"import os; os.environ['RAY_AUTH_MODE'] = 'token'\n{ONE_NODE}"
    with ray_cluster(with_token) as (_, address):
        launcher.env["RAY_AUTH_TOKEN_PATH"] = str(wrong)
        refused = launcher.run("--address", address)
        del launcher.env["RAY_AUTH_TOKEN_PATH"]
        done = launcher.run("--address", address)
    assert refused.returncode == 2
    assert f"the cluster wants a token and does not take ours ({wrong})" in refused.stderr
    assert done.returncode == 0, done.stderr


def test_a_launch_that_loses_its_cluster_says_so(launcher: Launcher) -> None:
    launcher.write({"epochs": 400, "delay": 0.2}, trials=1)
    launcher.env["RAY_gcs_rpc_server_reconnect_timeout_s"] = "5"  # not a minute
    with ray_cluster(ONE_NODE) as (cluster, address):
        process = launcher.start("--address", address)
        launcher.wait_for(lambda records: any(record.rows for record in records))
        for one in psutil.Process(cluster.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        _, err = process.communicate(timeout=120)
    assert launcher.left() == []
    assert process.returncode == 3, err
    assert f"stopped: --address {address}: expected a running Ray cluster, found none: " in err
    assert "or leave --address out to use this machine\nto go on: sweeper launch" in err
    assert [record.status for record in launcher.records()] == ["interrupted"]


@pytest.mark.slow
def test_the_trials_of_a_lost_node_go_on_elsewhere(launcher: Launcher) -> None:
    launcher.write({"epochs": 8, "delay": 0.5}, trials=4)
    with ray_cluster(TWO_NODES) as (cluster, address):
        assert cluster.stdin is not None
        process = launcher.start("--address", address)
        launcher.wait_for(lambda records: sum(bool(record.rows) for record in records) == 2)
        cluster.stdin.write("\n")
        cluster.stdin.flush()
        _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    records = launcher.records()
    assert [record.status for record in records] == ["finished"] * 4
    assert sorted(len(record.provenance["attempts"]) for record in records) == [1, 1, 1, 2]
    for record in records:
        assert [row["epoch"] for row in record.rows] == list(range(1, 9))


# A host with a name, and in a mount namespace of its own: with a /tmp without the launch's socket,
# else both nodes would share a fork server, and without what is in the directory $2.
ANOTHER = """
set -e
hostname another
mount --rbind /tmp /mnt
mount -t tmpfs none /tmp
for place in /mnt/*/; do
    name=$(basename "$place")
    case $name in sweeper-*) ;; *) mkdir "/tmp/$name"; mount --rbind "$place" "/tmp/$name";; esac
done
mount -t tmpfs none "$2"
exec ray start --address "$1" --num-cpus 1 --block
"""
TRAINS = "import time\ndef train(params, callbacks, run): time.sleep(1); run.report(loss=1)\n"


needs_unshare = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "-u", "true"], capture_output=True, check=False).returncode,
    reason="no namespaces can be made here",
)


@contextlib.contextmanager
def another_node(address: str, hidden: Path) -> Iterator[None]:
    """A node of the cluster on a host of its own, which does not see what is ``hidden``."""
    process = subprocess.Popen(
        ["unshare", "-m", "-u", "sh", "-c", ANOTHER, "sh", address, str(hidden)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert any("Ray runtime started" in line for line in process.stdout)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=120)


@pytest.mark.slow
@needs_unshare
@pytest.mark.parametrize(
    ("hidden", "why"),
    [("experiments", "the storage is not here"), ("code", "found no such file here")],
)
def test_a_node_that_cannot_work_is_left_out_and_named(
    launcher: Launcher, hidden: str, why: str
) -> None:
    for name in ("experiments", "code"):
        (launcher.directory / name).mkdir()
    program = launcher.directory / "code" / "trains.py"
    program.write_text(TRAINS)
    launcher.write({}, trials=6, program=str(program))
    with ray_cluster(ONE_NODE) as (_, address), another_node(address, launcher.directory / hidden):
        done = launcher.run("--address", address, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "another: " in done.stderr
    assert done.stderr.count(why) == 1
    assert done.stderr.count("this node is left out; the others go on") == 1
    assert [record.status for record in launcher.records()] == ["finished"] * 6
    assert {len(record.provenance["attempts"]) for record in launcher.records()} == {1}


@pytest.mark.slow
@needs_unshare
def test_what_a_stopped_launch_ran_on_other_hosts_is_interrupted(launcher: Launcher) -> None:
    launcher.write({"epochs": 400, "delay": 0.2}, trials=3)
    nothing = launcher.directory / "nothing"
    nothing.mkdir()
    with ray_cluster(ONE_NODE) as (_, address), another_node(address, nothing):
        process = launcher.start("--address", address)
        launcher.wait_for(lambda records: sum(bool(record.rows) for record in records) == 2)
        launcher.run(command="stop")
        _, err = process.communicate(timeout=120)
    assert process.returncode == 4, err
    assert "2 interrupted, 1 pending" in err
    attempts = [record.provenance["attempts"][-1] for record in launcher.records()]
    assert {attempt["host"] for attempt in attempts} == {os.uname().nodename, "another"}
