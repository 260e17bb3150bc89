"""The metric in what a script prints: `metric.pattern`, over the run's output as it grows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from sweeper.wording import uncoloured

from .growing_file import GrowingFile

LONGEST = 1 << 16  # of a line that does not end, the rest is kept
SHOWN_LINES, SHOWN_LETTERS = 5, 100
# Of a number that a match has cut short.
_REST = re.compile(r"\d*(,\d{3}(?!\d))*(\.\d+)?([eE][-+]?\d+)?")
_OURS = "sweeper: "  # how the lines begin that are not the script's


class PrintedMetric:
    """Reads what is appended to ``path`` from now on; ``pattern`` has a group with the number.

    Lines end with a line feed or a carriage return, colours are left out. ``matched``: some line
    had a number where the pattern says; of one that the match cuts short the rest is read, too.
    ``complain`` gets a sentence about the first match that is no number, at the end: it goes where
    the script may be in the middle of a line.
    """

    def __init__(self, path: Path, pattern: str, complain: Callable[[str], None]) -> None:
        self.matched = False
        self._pattern = re.compile(pattern)
        self._group = "value" if "value" in self._pattern.groupindex else 1
        self._complain = complain
        self._mistake: str | None = None
        self._file = GrowingFile(path, path.stat().st_size, ends=rb"\r\n", longest=LONGEST)
        self._last: deque[str] = deque(maxlen=SHOWN_LINES)

    @property
    def last_lines(self) -> list[str]:
        """The last lines that were read, of those that are not empty."""
        return [line[:SHOWN_LETTERS] for line in self._last]

    def read(self, *, last: bool) -> Iterator[float]:
        """The numbers in new lines; ``last`` takes a line without its end too."""
        line = b""
        for line in self._file.lines(last=last):
            yield from self._look(line)
        if last and self._mistake:
            self._complain("\n" * bool(line) + self._mistake)

    def _look(self, text: bytes) -> Iterator[float]:
        line = uncoloured(text.decode(errors="replace"))
        if not line.strip() or line.startswith(_OURS):
            return
        self._last.append(line.strip())
        match = self._pattern.search(line)
        found = match and match[self._group]
        if match is None or found is None:
            return
        rest = _REST.match(line, match.end(self._group)) if found[-1:].isdigit() else None
        found += rest[0] if rest else ""
        try:
            number = float(found)
            self.matched = True
            yield number
        except ValueError:
            self._mistake = self._mistake or (
                f"sweeper: metric.pattern: expected a number, found {found[:80]!r} "
                f"in the line {line.strip()[:SHOWN_LETTERS]!r}"
            )
