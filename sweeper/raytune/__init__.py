"""Who runs it: launcher, cluster, and what plugs into Ray Tune. Only this room knows Ray."""

from .cluster import token_path
from .driver import Launch
from .guardian import Ending
from .launcher import check_request, run_launch
from .signals import LaunchSignals
