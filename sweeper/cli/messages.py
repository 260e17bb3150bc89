"""What the commands say beside their data: on stderr, so that stdout holds data only."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print a message."""
    print(text, file=sys.stderr)


def say_nothing(text: str) -> None:
    """What ``--quiet`` puts in the place of :func:`say`."""
