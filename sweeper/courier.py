"""The courier of a launch whose tree is in an object store: what runs write is sent by it.

A process of its own, ``python -m sweeper.courier BASE SWEEP``, so that training waits for nothing
and no process is forked that talks to a store. It sends each run under a lease in the store; once
that is another's, or gone, it sends no more of the run and takes it from those who write it here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sweeper import store
from sweeper.errors import SweeperError, TreeError, UsageError
from sweeper.tree import Tree, files, lease_numbers, living_owner, process_start, remove_left
from sweeper.worker import die_with_parent

BEAT_SECONDS = 15.0
LAZY_SECONDS = 30.0  # between sendings of what a run's other files alone make new
READ_SECONDS = 5.0
PATIENCE_SECONDS, HURRY_SECONDS = 300.0, 30.0  # without success at the end of a launch
AT_ONCE = 8
_SMALL = 1 << 23
_LAST = ("run.json", "outcome.json")


class Lost(Exception):
    """The run is another's now."""


@dataclass
class Piece:
    """A file as it was when the run was looked through; open, so that it stays."""

    name: str
    file: BinaryIO
    told_apart: list[int]

    def order(self) -> tuple[int, str]:
        """After all that it stands for."""
        if self.name in _LAST:
            return 9 + _LAST.index(self.name), ""
        first = self.name.partition("/")[0]
        place = {"models": 3, "backup": 4}.get(first, 2 if "/" in self.name else 1)
        return place + (self.name.endswith("/state.json") and place == 4), self.name


class SentRun:
    """A run that is written here, on its way into the store."""

    def __init__(self, run: Path) -> None:
        at = store.bucket_at(run)
        assert at is not None
        self.run = run
        self._bucket, self._key = at
        self._sent = store.Sent.of(run) or store.Sent()
        self._tag: str | None = None  # our lease's
        self._beat_at = self._lazy_at = 0.0

    def step(self) -> bool:
        """Send what is new; is the run whole in the store, and nobody's here?"""
        owned = living_owner(self.run) is not None
        self._own()
        pieces, there = self._look(owned)
        gone = self._sent.files.keys() - there
        try:
            for piece in sorted(pieces, key=Piece.order):
                self._put(piece)
            for name in gone if pieces or not owned else ():
                self._check()
                self._bucket.delete(f"{self._key}/{name}")
                del self._sent.files[name]
        finally:
            for piece in pieces:
                piece.file.close()
            if pieces or gone:
                self._sent.write(self.run)
        if owned:
            self._beat()
            return False
        lease = self._lease_key
        store.Sent(self._sent.files, state="whole").write(self.run)
        if living_owner(self.run) is not None or self._is_changed():
            self._sent.write(self.run)  # somebody has taken it in this moment
            return False
        self._bucket.delete(lease)
        return True

    def _is_changed(self) -> bool:
        pieces, _ = self._look(False)
        for piece in pieces:
            piece.file.close()
        return bool(pieces)

    def give_up(self) -> None:
        """Whoever writes it here finds that he has been replaced; what the store has is right."""
        for number in lease_numbers(self.run):
            files.remove(self.run / f"lease.{number:06d}.json")
        files.remove(self.run / store.MARKER)

    @property
    def _lease_key(self) -> str:
        assert self._sent.lease is not None
        return f"{self._key}/{self._sent.lease[0]}"

    def _own(self) -> None:
        """Have the lease of those who write the run in the store too."""
        numbers = lease_numbers(self.run)
        before = mine = self._sent.lease
        if numbers and (data := files.read_bytes(self.run / f"lease.{numbers[-1]:06d}.json")):
            mine = [f"lease.{numbers[-1]:06d}.json", data.decode()]
        elif mine is None:  # it was closed here before it was ever sent
            nobody = {"pid": os.getpid(), "started": process_start(os.getpid()), "host": ""}
            mine = ["lease.000000.json", json.dumps(nobody)]
        if self._tag is not None and before == mine:
            return
        if before not in (None, mine):
            self._check()
        self._sent.lease, (name, text) = mine, mine
        self._tag = self._bucket.put(self._lease_key, text.encode(), e_tag="")
        self._tag = self._tag or self._still_there()
        for meta in self._bucket.list(self._key):
            other = meta["path"][len(self._key) + 1 :]
            if other.startswith("lease."):
                if other > name:
                    raise Lost
                if other < name:
                    self._bucket.delete(meta["path"])
            elif before is None and self._sent.files.get(other, [None])[0] != meta["e_tag"]:
                self._bucket.delete(self._lease_key)
                raise Lost
        self._sent.write(self.run)
        self._beat_at = time.monotonic() + BEAT_SECONDS

    def _check(self) -> None:
        """Raise Lost unless the lease is there, and ours."""
        try:
            if self._bucket.head(self._lease_key)["e_tag"] == self._tag:
                return
        except FileNotFoundError:
            raise Lost from None
        self._tag = self._still_there()

    def _still_there(self) -> str:
        assert self._sent.lease is not None
        data = self._sent.lease[1].encode()
        tag = store.still_there(self._bucket, self._lease_key, data)
        if tag is None:
            raise Lost
        return tag

    def _beat(self) -> None:
        if time.monotonic() >= self._beat_at and self._sent.lease is not None:
            data = self._sent.lease[1].encode()
            new = self._bucket.put(self._lease_key, data, e_tag=self._tag)
            self._tag = new or self._still_there()
            self._beat_at = time.monotonic() + BEAT_SECONDS

    def _look(self, owned: bool) -> tuple[list[Piece], set[str]]:
        """What is new of the run, and all that there is.

        What is written last is looked at first: all that it stands for is there then.
        """
        pieces: list[Piece] = []
        there: set[str] = set()
        lazy = True
        for path in self._paths():
            name = path.relative_to(self.run).as_posix()
            with contextlib.suppress(FileNotFoundError):
                known = self._sent.files.get(name, [None])[1:]
                if store.told_apart(os.lstat(path)) != known:
                    file = os.fdopen(files.open_file(path), "rb")
                    pieces.append(Piece(name, file, store.told_apart(os.fstat(file.fileno()))))
                    lazy = lazy and (name == "output.log" or Piece.order(pieces[-1])[0] == 2)
                there.add(name)
        if pieces and owned and lazy and time.monotonic() < self._lazy_at:
            for piece in pieces:
                piece.file.close()
            return [], there
        if pieces:
            self._lazy_at = time.monotonic() + LAZY_SECONDS
        return pieces, there

    def _paths(self) -> Iterator[Path]:
        late = ("performances.json", "training-logs.csv")
        yield from (self.run / name for name in reversed(_LAST))
        inside = [e for e in files.entries(self.run, below=False) if e.name[0] != "."]
        for entry in sorted(inside, key=lambda e: (e.name in late, e.name)):
            if entry.is_dir(follow_symlinks=False):
                for found in files.entries(entry.path):
                    hidden = "/." in found.path[len(entry.path) :]
                    if found.is_file(follow_symlinks=False) and not hidden:
                        yield Path(found.path)
            elif not entry.name.startswith(("lease.", *_LAST)) and not entry.is_symlink():
                yield Path(entry.path)

    def _put(self, piece: Piece) -> None:
        self._check()
        key, known = f"{self._key}/{piece.name}", self._sent.files.get(piece.name, [""])[0]
        if piece.told_apart[1] > _SMALL:
            tag = self._bucket.put(key, piece.file)
        else:
            data = piece.file.read(piece.told_apart[1])
            if piece.name == "training-logs.csv":
                data = data[: data.rfind(b"\n") + 1]  # its last row may be just being written
            tag = self._bucket.put(key, data, e_tag=known)
            if tag is None and piece.name == "outcome.json":
                tag = store.still_there(self._bucket, key, data)
                if tag is None:
                    raise Lost
            if tag is None:  # ours, of which the answer was lost; or it came too late for us
                self._check()
                tag = self._bucket.put(key, data)
        self._sent.files[piece.name] = [tag, *piece.told_apart]


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
        store.say_trouble(self._home, self.trouble)
        return done

    def waiting(self) -> list[Path]:
        """The runs that are to be sent, and written no more."""
        return [run for run in self._unsent() if living_owner(run) is None]

    def _do(self, what: Callable[[], None]) -> bool:
        try:
            what()
        except SweeperError as error:
            self.trouble = f"{error}; it is tried again, and trials go on on this disk"
            return False
        return True

    def _bring(self) -> None:
        began = time.monotonic()
        if began >= self._read_at:
            store.refresh(self._base, now=True)
            store.look(self._home)
            now = time.monotonic()
            self._read_at = now + max(READ_SECONDS, 5 * (now - began))

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
        _tell(UsageError.exit_code, str(error))
        return
    _tell(0, None)
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
    _tell(left, courier.trouble)


def _tell(code: int, text: str | None) -> None:
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


if __name__ == "__main__":
    main(*sys.argv[1:])
