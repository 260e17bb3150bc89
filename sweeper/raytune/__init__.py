"""Who runs it: launcher, cluster, and what plugs into Ray Tune. Only this room knows Ray."""

from .cluster import token_path
from .guardian import Ending
from .launcher import check_request, launch
from .signals import LaunchSignals
