"""What the commands say beside their data: on stderr, so that stdout holds data only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from sweeper.wording import printable


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody sees what is drawn again in its place there, and can answer.

    A notebook makes a terminal for its ``!command``, in which every frame would stay; so do
    programs in which nobody looks, without a size.
    """
    if not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    its_own = {"CLICOLOR_FORCE": "1", "FORCE_COLOR": "1", "PAGER": "cat", "GIT_PAGER": "cat"}
    if "JPY_PARENT_PID" in os.environ or its_own.items() <= os.environ.items():
        return False
    with contextlib.suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns > 0
    return False


def say(text: str) -> None:
    """Print a message; nobody may be left to read it, which stops nothing."""
    with contextlib.suppress(OSError):
        print(printable(text, "\n\t"), file=sys.stderr, flush=True)


def say_notes(*notes: str | None, say: Callable[[str], None] = say) -> None:
    """Say what sweeper remarks by itself, as far as there is something."""
    for note in filter(None, notes):
        say(f"sweeper: {note}")


def tell(text: str) -> None:
    """Print a line or more on stdout, safe to show."""
    print(printable(text, "\n\t"), flush=True)


def answer(text: str) -> None:
    """Print data on stdout, if anybody is left to read it: what else there is to do goes on."""
    try:
        tell(text)
    except OSError:
        nobody_reads()


def nobody_reads() -> None:
    """Let what is still to be written to stdout, at the latest as Python ends, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_nothing(text: str) -> None:
    """What ``--quiet`` puts in the place of :func:`say`."""


def browse(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        say("sweeper: no browser was found: open it yourself")
