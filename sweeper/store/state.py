"""What this process may ask of a store, and what a launch says of its troubles with it."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timezone
from pathlib import Path

from .objects import bucket_at

_TROUBLE = ".store-trouble"


class _State:
    away = False  # another process of the launch asks for us: ours is forked later
    connected = False  # leases are looked for, and taken, in the store itself
    shift = 0.0  # seconds that this machine's clock is ahead of the store's


state = _State()


def stay_away() -> None:
    """This process is going to be forked: what it reads another one has fetched."""
    state.away = True


def connect(base: Path) -> None:
    """From now on this process asks the store of ``base`` for leases; it must not fork."""
    if (at := bucket_at(base)) is None:
        return
    bucket, key = at
    probe = f"{key}/sweeps/.now-{time.time_ns()}"
    bucket.put(probe, b"")
    with contextlib.suppress(FileNotFoundError):
        dated = bucket.head(probe)["last_modified"]
        state.shift = (datetime.now(timezone.utc) - dated).total_seconds()
        state.shift = state.shift if abs(state.shift) > 2 else 0.0  # they tell whole seconds
    bucket.delete(probe)
    state.connected, state.away = True, False


def say_trouble(home: Path, text: str | None) -> None:
    """Leave word of what is wrong with the store, for the launch to tell; None: it works."""
    with contextlib.suppress(OSError):
        if text is not None:
            (home / _TROUBLE).write_text(text)
        else:
            (home / _TROUBLE).unlink(missing_ok=True)


def trouble(home: Path) -> str | None:
    """What is wrong with the store, as the process says that sends to it; None: nothing."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (home / _TROUBLE).read_text()
    return None
