"""Launches that run elsewhere: each place is a function from a sweep to a request."""

from .kuberay import kuberay_request
from .ray_job import ray_job_request
from .request import Request, detached_request, submit
from .slurm import slurm_request
