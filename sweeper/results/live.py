"""Sweeps that are looked at again and again, at a bounded cost: what has changed is read."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import SweeperError
from sweeper.sweepfile import Metric
from sweeper.tree import LiveTree
from sweeper.wording import printable, shortened

from .index import Index
from .ranked_by import metric_of
from .rows import overview_row
from .study import optuna_trials
from .target import open_index, sweeps_below

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

RESTS = 30.0  # seconds without reading for each of reading: 3 % of a core, however large a tree
AT_LEAST = 2.0  # seconds between two readings of a sweep
CURVES = 1000  # of more trials not all learning curves are shown


class LiveSweep:
    """A sweep as it was when it was last read; ``number`` is its own as long as the server runs.

    ``index`` is None before it was read, and where it cannot be read, as ``row["error"]`` says.
    """

    def __init__(self, number: int, place: Path, name: str) -> None:
        self.number = number
        self.place = place
        self.name = name
        self.row: dict[str, Any] = {"sweep": name, "counts": {}, "path": str(place)}
        self.index: Index | None = None
        self.metric: Metric | None = None
        self.read_at = 0.0
        self._tree = functools.cache(LiveTree)
        self._seen: dict[Hashable, None] = {}
        self._trials: list[FrozenTrial] | None = None

    def read(self) -> None:
        """Read it again; never raises for what lies in the tree."""
        try:
            index = open_index(self.place, tree=self._tree)
            row, metric = overview_row(self.place, index), metric_of(index)
        except (SweeperError, OSError) as error:
            self.row = {**self.row, "error": str(error)}
        else:
            self.index, self.row, self.metric, self._trials = index, row, metric, None
        self.read_at = time.monotonic()

    def trials(self) -> list[FrozenTrial]:
        """As Optuna has them, by numbers that stay; made once for each reading."""
        if self._trials is None and self.index is not None:
            self._trials = optuna_trials([self.index], self.metric, self._seen, CURVES)
        return self._trials or []


class LiveSweeps:
    """All sweeps that the ``targets`` name, as they come and go; for many threads."""

    def __init__(self, targets: Sequence[Path]) -> None:
        self.targets = targets
        self._sweeps: dict[Path, LiveSweep] = {}
        self._count = 0
        self._lock = threading.RLock()
        self._look_again = self._free = 0.0

    def all(self) -> list[LiveSweep]:
        """Every sweep that is there; as time allows, those not read for longest are read again."""
        with self._lock:
            self._look()
            found = list(self._sweeps.values())
            end = time.monotonic() + 1.0
            for sweep in sorted(found, key=lambda s: s.read_at):
                if time.monotonic() < end:
                    self._read(sweep)
            return found

    def get(self, number: int) -> LiveSweep | None:
        """The sweep with this number, read again if that is due; None if it is gone."""
        with self._lock:
            self._look()
            for sweep in self._sweeps.values():
                if sweep.number == number:
                    self._read(sweep)
                    return sweep
        return None

    def trials(self, number: int) -> list[FrozenTrial] | None:
        """The trials of a sweep; None if it is gone."""
        with self._lock:
            sweep = self.get(number)
            return None if sweep is None else self._paid(sweep.trials)

    def _look(self) -> None:
        began, spent = time.monotonic(), time.thread_time()
        if began < self._look_again:
            return
        places: dict[Path, None] = {}
        for target in self.targets:
            with contextlib.suppress(SweeperError, OSError):
                places |= dict.fromkeys(path.absolute() for path in sweeps_below(target))
        for path in self._sweeps.keys() - places.keys():
            del self._sweeps[path]
        names = {sweep.name for sweep in self._sweeps.values()}
        for path in places:
            if path not in self._sweeps:
                self._count += 1
                name = shortened(printable(path.stem if path.is_file() else path.name), 80)
                if name in names:
                    name = f"{name} ({self._count})"
                names.add(name)
                self._sweeps[path] = LiveSweep(self._count, path, name)
        self._look_again = began + max(AT_LEAST, 3 * RESTS * (time.thread_time() - spent))

    def _read(self, sweep: LiveSweep) -> None:
        now = time.monotonic()
        if not sweep.read_at:
            sweep.read()
        elif now >= self._free and now - sweep.read_at >= AT_LEAST:
            self._paid(sweep.read)

    def _paid(self, work: Any) -> Any:
        """Do it, and read nothing again for long enough after."""
        began = time.thread_time()
        try:
            return work()
        finally:
            spent = time.thread_time() - began
            self._free = max(self._free, time.monotonic()) + RESTS * spent
