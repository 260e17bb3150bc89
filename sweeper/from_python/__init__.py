"""Sweeps that begin in Python: ``sweeper.launch`` and scripts that ask for one of W&B's.

Each becomes a sweep file's text, and goes the way that a file goes.
"""

from .launching import Launched, launch
from .wandb_script import sweep_of_script
