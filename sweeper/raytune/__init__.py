"""Who runs it: the launcher, the cluster, and what plugs into Ray Tune. Only this room knows Ray."""

from .launcher import Ending, launch

__all__ = [
    "Ending",
    "launch",
]
