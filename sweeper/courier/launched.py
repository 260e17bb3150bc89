"""While a launch is at it: its courier, a process beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper import store
from sweeper.errors import TreeError, UsageError

PATIENCE_SECONDS, HURRY_SECONDS = 300.0, 30.0  # without success at the end of a launch


def tell(code: int, text: str | None) -> None:
    """What the courier says to its launch."""
    sys.stdout.write(json.dumps([code, text]) + "\n")
    sys.stdout.flush()


@contextmanager
def sending(base: Path, sweep: str, hurry: Callable[[], bool]) -> Iterator[None]:
    """While a launch is at it: its tree is brought from its store first, and sent to it.

    Nothing where ``base`` is on a disk. At the end it waits until all is sent, not so long if there
    is a ``hurry``. Raises UsageError where the store cannot be used, TreeError where it fails.
    """
    if (address := store.address_of(base)) is None:
        yield
        return
    store.stay_away()
    process = subprocess.Popen(
        [sys.executable, "-m", "sweeper.courier", str(base), sweep],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    code, text = json.loads(process.stdout.readline() or '[1, "its courier has died"]')
    if code:
        process.communicate()
        raise (UsageError if code == UsageError.exit_code else TreeError)(text)
    try:
        yield
    finally:
        limit = HURRY_SECONDS if hurry() else PATIENCE_SECONDS
        out, _ = process.communicate(str(limit).encode())
        left, trouble = json.loads(out or "[1, null]")
    if left:
        raise TreeError(
            f"{address}: {left} of the launch's runs are not whole there, but on this disk "
            f"({base}): launch again here to send them{f': {trouble}' if trouble else ''}"
        )
