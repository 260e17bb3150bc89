"""A run on its way into the store, under a lease there, each file after all that it stands for."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sweeper import store
from sweeper.tree import files, lease_name, lease_numbers, living_owner, process_start

BEAT_SECONDS = 15.0
LAZY_SECONDS = 30.0  # between sendings of what a run's other files alone make new
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
        with self._new(owned) as (pieces, there):
            gone = self._sent.files.keys() - there
            try:
                for piece in sorted(pieces, key=Piece.order):
                    self._put(piece)
                for name in gone if pieces or not owned else ():
                    self._check()
                    self._bucket.delete(f"{self._key}/{name}")
                    del self._sent.files[name]
            finally:
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
        with self._new(False) as (pieces, _):
            return bool(pieces)

    def give_up(self) -> None:
        """Whoever writes it here finds that he has been replaced; what the store has is right."""
        for number in lease_numbers(self.run):
            files.remove(self.run / lease_name(number))
        files.remove(self.run / store.MARKER)

    @property
    def _lease_key(self) -> str:
        assert self._sent.lease is not None
        return f"{self._key}/{self._sent.lease[0]}"

    def _own(self) -> None:
        """Have the lease of those who write the run in the store too."""
        numbers = lease_numbers(self.run)
        before = mine = self._sent.lease
        if numbers and (data := files.read_bytes(self.run / lease_name(numbers[-1]))):
            mine = [lease_name(numbers[-1]), data.decode()]
        elif mine is None:  # it was closed here before it was ever sent
            nobody = {"pid": os.getpid(), "started": process_start(os.getpid()), "host": ""}
            mine = [lease_name(0), json.dumps(nobody)]
        if self._tag is not None and before == mine:
            return
        if before not in (None, mine):
            self._check()
        self._sent.lease, (name, text) = mine, mine
        self._tag = self._bucket.put(self._lease_key, text.encode(), e_tag="")
        self._tag = self._tag or self._still_there()
        found = self._bucket.list(self._key)
        there = {meta["path"][len(self._key) + 1 :]: meta["e_tag"] for meta in found}
        leases = {other for other in there if other.startswith("lease.")} - {name}
        if before is None:  # is it as we know it, and nobody's?
            lost = leases or any(
                self._sent.files.get(other, [None])[0] != there[other]
                for other in there.keys() - leases - {name}
            )
        else:
            lost = max(leases, default="") > name
        if lost:
            self._bucket.delete(self._lease_key)
            raise Lost
        for other in leases:
            self._bucket.delete(f"{self._key}/{other}")
        self._sent.write(self.run)
        self._beat_at = time.monotonic() + BEAT_SECONDS

    def _check(self) -> None:
        """Raise Lost unless the lease is there, and ours."""
        with contextlib.suppress(FileNotFoundError):  # or there is no bucket: that is told below
            if self._bucket.head(self._lease_key)["e_tag"] == self._tag:
                return
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

    @contextlib.contextmanager
    def _new(self, owned: bool) -> Iterator[tuple[list[Piece], set[str]]]:
        """Within, what is new of the run, open; and the names of all that there is.

        What is written last is looked at first: all that it stands for is there then.
        """
        pieces: list[Piece] = []
        there: set[str] = set()
        lazy = True
        with contextlib.ExitStack() as opened:
            for path in self._paths():
                name = path.relative_to(self.run).as_posix()
                with contextlib.suppress(FileNotFoundError):
                    known = self._sent.files.get(name, [None])[1:]
                    if store.told_apart(os.lstat(path)) != known:
                        file = opened.enter_context(os.fdopen(files.open_file(path), "rb"))
                        pieces.append(Piece(name, file, store.told_apart(os.fstat(file.fileno()))))
                        lazy = lazy and (name == "output.log" or Piece.order(pieces[-1])[0] == 2)
                    there.add(name)
            if pieces and owned and lazy and time.monotonic() < self._lazy_at:
                pieces = []
            if pieces:
                self._lazy_at = time.monotonic() + LAZY_SECONDS
            yield pieces, there

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
