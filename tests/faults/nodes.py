"""A Ray cluster of three hosts: network namespaces on one bridge, each with a name and a /tmp."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from sweeper.raytune.cluster import keep_token_private

HOSTS = 3
HEAD = 1
STRUCK = (2, 3)
CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWNS = 0x40000000, 0x04000000, 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
RECONNECT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "15"}  # of launches, too
# A host that is cut off is given up within some seconds, and gives up itself.
PATIENCE = {
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "3",
    **RECONNECT,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
}
ALIVE = """
import sys
from ray._private.state import GlobalState
from ray._raylet import GcsClientOptions
state = GlobalState()
state._initialize_global_state(GcsClientOptions.create(sys.argv[1], None, True, False))
print(sum(node["Alive"] for node in state.node_table()))
"""
UP_SECONDS = 400.0


def possible() -> bool:
    words = ["unshare", "--net", "--uts", "ip", "link", "set", "lo", "up"]
    if os.getuid() or any(shutil.which(word) is None for word in (*words[:1], "ip", "nsenter")):
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


class Nodes:
    """Hosts are numbered from 1, the head, where launches are started unless that is struck."""

    def __init__(self) -> None:
        self._id = secrets.token_hex(2)
        self._scratch = Path(tempfile.mkdtemp(prefix="faults-"))
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        _ip("netns", "add", self._bridge)
        _ip("-n", self._bridge, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._bridge, "link", "set", "br0", "up")
        for host in range(1, HOSTS + 1):
            name = self._name(host)
            _ip("netns", "add", name)
            _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", f"p{host}", "netns",
                self._bridge)  # fmt: skip
            _ip("-n", self._bridge, "link", "set", f"p{host}", "master", "br0", "up")
            _ip("-n", name, "addr", "add", f"{self._address(host)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", name, "link", "set", device, "up")
            _ip("-n", name, "route", "add", "default", "dev", "eth0")
            self.tmp(host).mkdir()
        keep_token_private()  # else each host makes one, at the same time
        self.mend()

    @property
    def _bridge(self) -> str:
        return f"faults-{self._id}"

    @property
    def address(self) -> str:
        return f"{self._address(HEAD)}:6379"

    def tmp(self, host: int) -> Path:
        return Path(f"/tmp/{self._id}{host}")  # short, for sockets

    def _name(self, host: int) -> str:
        return f"{self._bridge}-{host}"

    def _address(self, host: int) -> str:
        return f"10.77.0.1{host}"

    def mend(self) -> None:
        """All hosts are there, and know of each other."""
        deadline = time.monotonic() + UP_SECONDS
        for host in range(1, HOSTS + 1):
            self.join(host)
        while True:
            for host in range(1, HOSTS + 1):
                process = self._started.get(host)
                if process is None or process.poll() is not None:  # Ray gives up after 30 s
                    self._start(host)
            if self._alive() == HOSTS:
                return
            assert time.monotonic() < deadline, f"the hosts do not come up: {self._scratch}"
            time.sleep(0.5)

    def _start(self, host: int) -> None:
        place = ["--head", "--port", "6379", "--include-dashboard", "false"]
        place += ["--temp-dir", str(self._scratch / "ray")]
        if host != HEAD:
            place = ["--address", self.address]
        else:  # Ray would take another table's cluster for the one that it has noted
            (self._scratch / "ray" / "ray_current_cluster").unlink(missing_ok=True)
        place += ["--node-ip-address", self._address(host), "--num-cpus", "1"]
        script = 'hostname "$0"; exec ray start --block "$@"'
        words = ["unshare", "--uts", "sh", "-c", script, f"host-{host}", *place]
        with open(self._scratch / f"host-{host}", "ab") as log:
            self._started[host] = subprocess.Popen(
                ["ip", "netns", "exec", self._name(host), *words],
                cwd=self._scratch,
                env={**os.environ, **PATIENCE, "TMPDIR": str(self.tmp(host))},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _alive(self) -> int:
        words = ["ip", "netns", "exec", self._name(HEAD), sys.executable, "-c", ALIVE]
        done = subprocess.run(
            [*words, self.address],
            env={**os.environ, **PATIENCE},
            capture_output=True,
            text=True,
            check=False,
        )
        return int(done.stdout) if done.returncode == 0 else 0

    def entrance(self, host: int) -> Callable[[], None]:
        """To be called in a process that is about to start a launch: it is then on that host.

        Ray looks for its raylet among all processes: it sees that host's alone.
        """
        pid, libc = self._started[host].pid, ctypes.CDLL(None)
        hosts = {*range(1, HOSTS + 1)} - {host}
        hidden = [one.pid for other in hosts for one in self.processes(other, "raylet/raylet")]
        nothing = self._scratch / "nothing"
        nothing.mkdir(exist_ok=True)

        def enter() -> None:
            for kind, flag in (("net", CLONE_NEWNET), ("uts", CLONE_NEWUTS)):
                with open(f"/proc/{pid}/ns/{kind}") as namespace:
                    assert libc.setns(namespace.fileno(), flag) == 0
            assert libc.unshare(CLONE_NEWNS) == 0
            libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
            for raylet in hidden:
                libc.mount(bytes(nothing), f"/proc/{raylet}".encode(), None, MS_BIND, None)

        return enter

    def cut(self, host: int) -> None:
        """No packet comes from the host or to it."""
        _ip("-n", self._bridge, "link", "set", f"p{host}", "down")

    def join(self, host: int) -> None:
        _ip("-n", self._bridge, "link", "set", f"p{host}", "up")

    def processes(self, host: int, name: str = "") -> list[psutil.Process]:
        words = ["ip", "netns", "pids", self._name(host)]
        pids = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        found = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(int(pid))
                if process.status() != "zombie" and name in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def kill(self, host: int) -> None:
        """As when the power fails: everything at once."""
        for process in self.processes(host):
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(KeyError):
            self._started[host].wait()

    def actors(self) -> list[psutil.Process]:
        hosts = range(1, HOSTS + 1)
        return [one for host in hosts for one in self.processes(host, "ray::Resource")]

    def close(self) -> None:
        for host in range(HOSTS, 0, -1):
            self.kill(host)
            _ip("netns", "del", self._name(host))
            shutil.rmtree(self.tmp(host), ignore_errors=True)
        _ip("netns", "del", self._bridge)
        shutil.rmtree(self._scratch, ignore_errors=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
