"""What the commands say beside their data: on stderr, so that stdout holds data only."""

from __future__ import annotations

import contextlib
import sys


def say(text: str) -> None:
    """Print a message; nobody may be left to read it, which stops nothing."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def say_nothing(text: str) -> None:
    """What ``--quiet`` puts in the place of :func:`say`."""
