"""The courier itself: ``python -m sweeper.courier BASE SWEEP``, until its standard input ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sweeper import store
from sweeper.errors import SweeperError, UsageError
from sweeper.tree import Tree, files, living_owner, remove_left
from sweeper.worker import die_with_parent

from .launched import PATIENCE_SECONDS, tell
from .sent_run import Lost, SentRun

READ_SECONDS = 5.0
AT_ONCE = 8


class Courier:
    """Sends what is new in a mirror, and brings what others have sent."""

    def __init__(self, base: Path, sweep: str) -> None:
        self._trees = [Tree(base), Tree(base).debug]
        self._base = base
        self._home = Tree(base).home(sweep)
        self._runs: dict[Path, SentRun] = {}
        self._read_at = 0.0
        self.trouble: str | None = None
        self._lock = os.open(base / ".courier", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def round(self) -> bool:
        """Send and bring; did all of it go well?"""
        done = all([self._do(self._bring), self._do(self._send)])
        if done and self.trouble:
            self.trouble = None
        more = "; it is tried again, and trials go on on this disk"
        store.say_trouble(self._home, self.trouble and self.trouble + more)
        return done

    def waiting(self) -> list[Path]:
        """The runs that are to be sent, and written no more."""
        return [run for run in self._unsent() if living_owner(run) is None]

    def _do(self, what: Callable[[], None]) -> bool:
        try:
            what()
        except SweeperError as error:
            self.trouble = str(error)
            return False
        return True

    def _bring(self) -> None:
        began = time.monotonic()
        if began >= self._read_at:
            store.refresh(self._base, now=True)
            store.look(self._home)
            now = time.monotonic()
            self._read_at = now + max(READ_SECONDS, min(5 * (now - began), 12 * READ_SECONDS))

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # else another launch's courier sends from here
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self._others():
                with contextlib.suppress(FileNotFoundError):
                    store.send(path)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                failures = [error for error in pool.map(self._step, self._unsent()) if error]
            if failures:
                raise failures[0]

    def _step(self, run: Path) -> SweeperError | None:
        sent = self._runs.setdefault(run, SentRun(run))
        try:
            if sent.step():
                self._runs.pop(run, None)
        except Lost:
            sent.give_up()
            self._runs.pop(run, None)
        except FileNotFoundError:
            self._runs.pop(run, None)  # removed, or renamed, in this moment
        except SweeperError as error:
            if living_owner(run) is None:
                self._runs.pop(run, None)  # whoever takes it writes anew what the store has
            return error
        return None

    def _unsent(self) -> list[Path]:
        runs = (run.path for tree in self._trees for run in tree.all_runs())
        return [run for run in runs if store.unsent(run)]

    def _others(self) -> Iterator[Path]:
        names = ("sweep.yaml", "notebook.py", "choices.json", "summary.json", "summary.csv")
        yield from map(self._home.joinpath, names)
        for tree in self._trees:
            for entry in files.entries(tree.programs):
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                    yield Path(entry.path)


def main(base: str, sweep: str) -> None:
    """Until our standard input ends, which says how long to wait for a store that fails."""
    die_with_parent(signal.SIGKILL)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)
    os.environ.setdefault("SWEEPER_STORE_PATIENCE", "5")
    said, failed = b"", 0
    try:
        store.connect(Path(base))
        Path(base).mkdir(parents=True, exist_ok=True)
        courier = Courier(Path(base), sweep)
        store.refresh(Path(base), now=True)
        courier.round()
        store.refresh(Path(base), now=True)
    except SweeperError as error:
        tell(UsageError.exit_code, str(error))
        return
    tell(0, None)
    while True:
        if select.select([0], [], [], min(30.0, 2.0**failed / 2))[0]:
            data = os.read(0, 100)
            if not data:
                break
            said += data
        failed = 0 if courier.round() else failed + 1
    limit = float(said or PATIENCE_SECONDS)
    deadline = time.monotonic() + limit
    while not courier.round() or courier.waiting():
        if time.monotonic() > deadline:
            break
        time.sleep(0.2 if courier.trouble is None else 2.0)
    left = len(courier.waiting())
    if not left:
        remove_left(Tree(base).home(sweep))
    tell(left, courier.trouble)


if __name__ == "__main__":
    main(*sys.argv[1:])
