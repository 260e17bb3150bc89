"""A file of lines, read as others append to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

READ_BYTES = 1 << 20


class GrowingFile:
    """What is appended to ``path`` after its first ``place`` bytes, line by line.

    ``ends``: the bytes that end a line. Of a line that does not end the last ``longest`` bytes are
    kept. A file that has become shorter was written anew, and is read from its beginning.
    """

    def __init__(
        self, path: Path, place: int = 0, ends: bytes = rb"\n", longest: int | None = None
    ) -> None:
        self.path = path
        self._place = place
        self._ends = re.compile(b"[" + ends + b"]")
        self._longest = longest
        self._tail = b""

    def lines(self, *, last: bool) -> Iterator[bytes]:
        """The lines that are new; ``last`` gives what has no end too, perhaps nothing."""
        while data := self._bytes():
            *lines, tail = self._ends.split(self._tail + data)
            self._tail = tail if self._longest is None else tail[-self._longest :]
            yield from lines
        if last:
            tail, self._tail = self._tail, b""
            yield tail

    def _bytes(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self._place:
                    self._place, self._tail = 0, b""
                file.seek(self._place)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return b""
        self._place += len(data)
        return data
