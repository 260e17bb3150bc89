"""``--on kuberay``: the launch as a RayJob, which makes its own cluster and takes it away."""

from __future__ import annotations

import importlib.metadata
import math
import re
import shlex
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile import STUDY, Sweep, to_yaml
from sweeper.tree import Tree

from .request import Request, refuse_store, sharing_a_gpu

IMAGE, CLAIM = "sweeper:latest", "trees"
_SPEC, _TREES = "sweep.yaml", "/trees"
_MOST_BYTES = 900 * 1024  # a ConfigMap holds a megabyte


def kuberay_request(sweep: Sweep, at_a_time: int) -> Request:
    """The ConfigMap and RayJob of ``sweep``, ``at_a_time`` trials in all.

    A pod has one, or those that share its GPU.

    A program that is one file goes along, a module must be in the image; the tree lies on a volume
    that every pod mounts. A lost head costs a new cluster: the launch goes on from the tree. The
    fields are those of KubeRay's CRD ``rayjobs.ray.io/v1``.

    Raises UsageError for a file that is larger than a ConfigMap, and for a source of `warm_start`
    that no pod sees.
    """
    refuse_store(sweep)
    for source in sweep.warm_start:
        if not source.removeprefix(STUDY).startswith(f"{_TREES}/"):
            raise UsageError(
                f"--on kuberay: warm_start: expected what lies on the volume claim {CLAIM}, as "
                f"{_TREES}/NAME, found {source}, which no pod sees: copy it there"
            )
    name = re.sub(r"[^a-z0-9]+", "-", f"sweep-{sweep.sweep_name}".lower())[:47].strip("-")
    gpu, together = sweep.resources.gpu, sharing_a_gpu(sweep)
    cpu, workers = sweep.resources.cpu * together, math.ceil(at_a_time / together)
    most: dict[str, Any] = {"cpu": str(max(1, math.ceil(cpu))), "memory": f"{4 * together}Gi"}
    if gpu:
        most["nvidia.com/gpu"] = str(math.ceil(gpu))
    launch = ["sweeper", "launch", f"/sweep/{_SPEC}", "-y", "--address", "auto"]
    launch += ["--storage", _TREES]
    head = {"cpu": "2", "memory": "4Gi"}
    trials = {
        "groupName": "workers",
        "replicas": workers,
        "minReplicas": 0,
        "maxReplicas": workers,
        "rayStartParams": {},
        "template": _pod(name, most),
    }
    cluster = {
        "rayVersion": importlib.metadata.version("ray"),
        "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": _pod(name, head)},
        "workerGroupSpecs": [trials],
    }
    job = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name},
        "spec": {
            "entrypoint": shlex.join(launch),
            "submissionMode": "HTTPMode",  # no pod that submits, and can be evicted
            "backoffLimit": 5,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 60,
            "rayClusterSpec": cluster,
        },
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": _files(sweep),
    }
    path = Tree(sweep.base_dir).home(sweep.sweep_name) / "rayjob.yaml"
    return Request(
        text=f"{to_yaml(config)}---\n{to_yaml(job)}",
        path=path,
        command=("kubectl", "apply", "-f", str(path)),
        needs="apply it where kubectl reaches the cluster",
        then=(
            f"the pods run {IMAGE} and keep the tree on the volume claim {CLAIM}",
            f"to follow: kubectl get rayjob {name} -w; to end it: kubectl delete rayjob {name}",
        ),
    )


def _files(sweep: Sweep) -> dict[str, str]:
    """The sweep as it is launched, and its program where that is a file."""
    program = sweep.program
    if program is None or program.path is None:
        return {_SPEC: sweep.to_yaml()}
    text = program.path.read_text()
    if len(text.encode()) > _MOST_BYTES:
        raise UsageError(
            f"{program.path}: expected at most {_MOST_BYTES >> 10} KB, which a ConfigMap holds; "
            "put it in the image, and name it there as a module: `program: package.module`"
        )
    name = program.path.name
    moved = {**sweep.document, "program": f"/sweep/{name}"}
    return {_SPEC: to_yaml(moved), name: text}


def _pod(name: str, most: dict[str, Any]) -> dict[str, Any]:
    mounts = {"trees": _TREES, "sweep": "/sweep"}
    container = {
        "name": "ray",
        "image": IMAGE,
        "resources": {"limits": most, "requests": most},
        "volumeMounts": [{"name": one, "mountPath": place} for one, place in mounts.items()],
    }
    volumes = [
        {"name": "trees", "persistentVolumeClaim": {"claimName": CLAIM}},
        {"name": "sweep", "configMap": {"name": name}},
    ]
    return {"spec": {"containers": [container], "volumes": volumes}}
