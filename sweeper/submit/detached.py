"""``launch -d``: the launch goes on when the terminal is closed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from sweeper.sweepfile import Sweep
from sweeper.tree import Tree

from .request import Request


def detached_request(sweep: Sweep, words: Sequence[str]) -> Request:
    """The launch of ``sweep`` with these ``words`` in a session of its own."""
    home = Tree(sweep.base_dir).home(sweep.sweep_name)
    command = (sys.executable, "-m", "sweeper", "launch", *words)
    return Request(
        text=shlex.join(command) + "\n",
        path=home / "launch.sh",
        command=command,
        output=home / "launch.log",
        then=(f"what it says: {home / 'launch.log'}",),
    )
