"""Who runs it: launcher, cluster, and what plugs into Ray Tune. Only this room knows Ray."""

from .launcher import Ending, launch

__all__ = [
    "Ending",
    "launch",
]
