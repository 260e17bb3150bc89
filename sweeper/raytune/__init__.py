"""Who runs it: launcher, cluster, and what plugs into Ray Tune. Only this room knows Ray."""

from .launcher import Ending, check_request, launch

__all__ = [
    "Ending",
    "check_request",
    "launch",
]
