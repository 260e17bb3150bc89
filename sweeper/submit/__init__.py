"""Launches that run elsewhere: each place is a function from a sweep to a request."""

from .detached import detached_request
from .kuberay import kuberay_request
from .ray_job import ray_job_request
from .request import Request, submit
from .slurm import slurm_request
