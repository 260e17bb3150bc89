"""A sweep whose runs lie elsewhere, as a relative `storage` is one of the current directory."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.tree import Tree
from sweeper.wording import counted

from .index import index_sweep

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep


def runs_elsewhere(sweep: Sweep) -> str:
    """Where the runs of ``sweep`` are if its tree has none, and how to use them; else empty.

    Looked at is the same storage in the directories above the sweep file and the current one.
    """
    here = Path.cwd()
    if not sweep.storage.is_relative_to(here):
        return ""
    places = [*(sweep.path.resolve().parents if sweep.path else ()), *here.parents]
    storages = dict.fromkeys(place / sweep.storage.relative_to(here) for place in places)
    others = [s for s in storages if s != sweep.storage and (s / sweep.name).is_dir()]
    if not others or any(entry.record for entry in index_sweep(sweep).entries):
        return ""
    for storage in others:
        base = storage / sweep.name
        runs = [e for e in index_sweep(sweep, Tree(base)).entries if e.record is not None]
        if runs:
            done = sum(entry.succeeded for entry in runs)
            found = f"{counted(len(runs), 'trial')} with runs ({done} finished) in {base}"
            mend = f"to use them add --storage {shlex.quote(str(storage))}"
            return f"{sweep.title}: no run in {sweep.base_dir}, but {found}: {mend}"
    return ""
