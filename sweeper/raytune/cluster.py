"""Starting a quiet, private Ray on this machine, or joining a cluster; and leaving it clean."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from sweeper.errors import SweeperError, UsageError
from sweeper.worker import Session

logger = logging.getLogger("sweeper.raytune")

START_SECONDS = 180.0
OBJECT_STORE_BYTES = 128 * 1024 * 1024  # only trial requests travel, a few kilobytes each

# Read by Ray when it is imported or started.
_SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 and log_to_driver=False: Tune prints nothing
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a local Ray keeps to the loopback interface
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # no GPU asked for, none seen
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "SPT_NOENV": "1",  # else Ray's agents write their titles over the mark in their environment
    # It would end a worker, which takes little, and not the child that has filled the memory.
    "RAY_memory_monitor_refresh_ms": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the launcher handles signals
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the tree is the record; a snapshot costs 9 KB a trial
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "3600",
}
SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")  # set them on the nodes themselves
# The environment that training depends on and that Ray does not pass to other nodes.
PASSED_ON = ("KERAS_BACKEND", "TF_", "XLA_", "JAX_", "CUDA_CACHE", "KERAS_", "WANDB_")


def passed_on() -> dict[str, str]:
    """The variables of this process that trials on every node get too; never a secret."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PASSED_ON) and not any(word in name for word in SECRET)
    }


@contextmanager
def ray_running(
    session: Session,
    address: str | None,
    cpus: float | None,
    gpus: int | None,
    verbose: bool,
    before_start: Callable[[], object] = lambda: None,
) -> Iterator[Any]:
    """Ray for the length of a launch: ``address`` joins a cluster, None starts a private one.

    A private one keeps its files in the session's directory, and is left to whoever ends all that
    bears the session's mark; ``cpus`` and ``gpus`` are how many it has, None counts this machine's.
    ``before_start`` may raise when Ray is imported, before it takes seconds to start.
    Raises ``UsageError`` if the cluster does not answer.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if address is not None:
        address = _resolve(address)
        wants_token = _refuses(address)
        if wants_token:
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported
    import ray

    if address is not None and wants_token:
        _check_token(ray, address)
    level = logging.INFO if verbose else logging.CRITICAL
    options: dict[str, Any] = {
        "log_to_driver": verbose,
        "logging_level": level,
        "configure_logging": True,
        # Where this package lies. Ray adds the current directory, and looks there first.
        "job_config": ray.job_config.JobConfig(
            _py_driver_sys_path=[str(Path(__file__).parents[2])]
        ),
    }
    if address is None:
        options |= {
            "address": "local",
            "include_dashboard": False,
            "_temp_dir": str(session.directory / "ray"),
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        # A private head that is gone never comes back; Ray would wait for it for a minute.
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "10")
        if cpus is not None:
            options["num_cpus"] = max(1, int(-(-cpus // 1)))
        if gpus is not None:
            options["num_gpus"] = gpus
    else:
        options["address"] = address
        if passed_on():
            options["runtime_env"] = {"env_vars": passed_on()}
    if not verbose:
        for name in ("ray", "ray.tune", "ray.data", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # What Ray says of its nodes and workers, which log_to_driver leaves: in colour, on stdout.
        ray._private.worker._worker_logs_enabled = False
    ray._private.utils.set_sigterm_handler = lambda handler: None
    before_start()
    services = ray._private.services
    services.get_node = _patient(services.get_node)
    if address is None:
        keep_token_private()
    here = os.getcwd()
    os.chdir(session.directory)  # nothing of the user's is there
    try:
        ray.init(**options)
    except Exception as error:  # Ray's own errors share no base
        if address is None:
            raise SweeperError(f"Ray does not start on this machine: {error}") from error
        raise _no_cluster(address, error) from error
    finally:
        os.chdir(here)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Ray would print where it was
    if address is None:
        _end_with_ray()
    try:
        yield ray
    finally:
        if address is not None:
            with contextlib.suppress(Exception):
                ray.shutdown()


def _end_with_ray() -> None:
    """End this process when the private Ray's raylet or GCS does.

    Tune waits for ever for a raylet that was asked to end (`ray stop`; seen in Ray 2.60).
    """

    def end_after(pid: int) -> None:
        with contextlib.suppress(ChildProcessError):  # Ray has taken note of it before
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os._exit(1)

    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if process.name() in ("raylet", "gcs_server"):
                threading.Thread(target=end_after, args=(process.pid,), daemon=True).start()


def _patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """Ask for the new node for as long as its raylet lives: Ray gives up after 30 s.

    On a busy machine it takes longer (seen in Ray 2.60, ``Node.__init__``).
    """
    deadline = time.monotonic() + START_SECONDS

    def get(*which: Any) -> Any:
        while True:
            try:
                return get_node(*which)
            except RuntimeError:
                if time.monotonic() > deadline or not _raylet_lives():
                    raise
                time.sleep(0.1)

    return get


def _raylet_lives() -> bool:
    children = psutil.Process().children()
    with contextlib.suppress(psutil.Error):  # another ends in this moment
        return any(p.name() == "raylet" and p.status() != psutil.STATUS_ZOMBIE for p in children)
    return True


def _resolve(address: str) -> str:
    """The cluster's address, once something answers there: Ray itself would wait for minutes.

    ``auto`` is RAY_ADDRESS, or the cluster that ``ray start`` noted on this machine.
    """
    if address.startswith("ray://"):
        raise UsageError(
            f"--address {address}: Ray Client ends the work when its connection breaks: give the "
            "cluster's own address, HOST:6379, or launch on one of its nodes with `auto`"
        )
    if address == "auto":
        noted = Path(os.environ.get("RAY_TMPDIR") or "/tmp", "ray", "ray_current_cluster")
        address = os.environ.get("RAY_ADDRESS") or (noted.read_text() if noted.exists() else "")
        if not address:
            raise _no_cluster("auto", f"neither RAY_ADDRESS nor {noted} names one")
    host, colon, port = address.strip().rpartition(":")
    if not colon or not port.isdigit():
        raise _no_cluster(address, "an address has the form HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise _no_cluster(address, error) from error
    return address.strip()


def why_gone(address: str) -> str | None:
    """What to do about the cluster, in words, if it does not answer."""
    try:
        _resolve(address)
    except UsageError as error:
        return str(error)
    return None


def _refuses(address: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether the cluster does not take these headers, which may hold a token.

    `ray start` turns tokens on by itself, joining by address does not; and a driver with a token in
    a cluster without loses its workers (seen in Ray 2.60), so the cluster is asked.
    """
    import grpc

    shown = tuple((name.lower(), value) for name, value in (headers or {}).items())
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetClusterId")
        try:
            ask(b"", timeout=10, metadata=shown)
        except grpc.RpcError as error:
            return bool(error.code() == grpc.StatusCode.UNAUTHENTICATED)
    return False


def _check_token(ray: Any, address: str) -> None:
    """Ray itself would try for 20 seconds, and not say why it gives up (seen in Ray 2.60)."""
    headers = {}
    with contextlib.suppress(ray.exceptions.AuthenticationError):  # there is none
        headers = ray._raylet.AuthenticationTokenLoader.instance().get_token_for_http_header()
    if _refuses(address, headers):
        raise UsageError(
            f"--address {address}: the cluster wants a token and does not take ours "
            f"({token_path()}): copy its own there, or name it in RAY_AUTH_TOKEN_PATH"
        )


def _no_cluster(address: str, error: object) -> UsageError:
    return UsageError(
        f"--address {address}: expected a running Ray cluster, found none: {error}; start one "
        "with `ray start --head`, launch where a node of it runs (`docker exec`), or leave "
        "--address out to use this machine"
    )


def check_resources(ray: Any, cpu: float, gpu: float) -> int:
    """How many trials of ``cpu`` CPUs and ``gpu`` GPUs the cluster runs at once.

    Raises ``UsageError`` when no single node can hold even one: Tune would wait for ever.
    """
    slots = sum(able_nodes(ray, cpu, gpu).values())
    seen = [
        f"{node['NodeManagerHostname']}: {cpus:g} CPUs, {gpus:g} GPUs"
        for node, cpus, gpus in _living_nodes(ray)
    ]
    if not slots:
        raise UsageError(
            f"resources: a trial asks for {cpu:g} CPUs and {gpu:g} GPUs, which no node can give\n"
            + "\n".join(f"    found {line}" for line in seen)
            + "\n    ask for less: --cpus-per-trial, --gpus-per-trial, or `resources:` in the file"
        )
    return slots


def able_nodes(ray: Any, cpu: float, gpu: float) -> dict[str, int]:
    """The living nodes that can hold such a trial, and how many at once."""
    found = {}
    for node, cpus, gpus in _living_nodes(ray):
        limits = [int(has / asked + 1e-9) for has, asked in ((cpus, cpu), (gpus, gpu)) if asked]
        if slots := min(limits, default=1):
            found[node["NodeID"]] = slots
    return found


def count_gpus(ray: Any, cpu: float) -> tuple[int, int]:
    """How many GPUs there are, and for how many trials of ``cpu`` CPUs on each there are CPUs."""
    found = [(gpus, cpus / cpu) for _, cpus, gpus in _living_nodes(ray) if gpus]
    most = min((int((trials + 1e-9) / gpus) for gpus, trials in found), default=0)
    return int(sum(gpus for gpus, _ in found)), most


def _living_nodes(ray: Any) -> Iterator[tuple[dict[str, Any], float, float]]:
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            yield node, float(has.get("CPU", 0)), float(has.get("GPU", 0))


def where_ray_logs(ray: Any, address: str | None) -> str:
    """Where to read what Ray says of its nodes and workers, in words."""
    place = f"Ray's log: {ray._private.worker._global_node.get_logs_dir_path()}"
    return place if address is not None else f"{place}, which goes with the launch (-v shows it)"


def token_path() -> Path:
    """Where Ray keeps its token."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def keep_token_private() -> None:
    """Make Ray's authentication token ours alone: before Ray does, which leaves it to the umask."""
    path = token_path()
    with contextlib.suppress(OSError):  # then Ray says what is wrong
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(made, "w") as file:
                file.write(secrets.token_hex(32))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            path.chmod(0o600)
