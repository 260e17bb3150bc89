"""The only room that knows Ray: the launcher, the trainable, searchers, schedulers, the cluster."""

from .launcher import Ending, launch

__all__ = [
    "Ending",
    "launch",
]
