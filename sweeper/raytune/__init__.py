"""The only room that knows Ray: the launcher, the trainable, searchers, schedulers, the cluster."""

from .launcher import Ending, launch
from .listener import Listener

__all__ = [
    "Ending",
    "Listener",
    "launch",
]
