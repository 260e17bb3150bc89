"""Every error that sweeper raises on purpose.

    SweeperError                 exit code 1
     ├── UsageError              exit code 2: the request is wrong (file, option, name, value)
     │    └── SpecError          exit code 2: the sweep file is wrong; carries every problem found
     └── TreeError               exit code 1: the tree cannot be read or written
          ├── StoreError         the object store that has the tree does not do as it should
          ├── RunBusy            a living process owns this run or this sweep
          └── LeaseLost          another process continues this run: stop writing

Each message says where, what was expected, what was found and what to do. Apart from them stands
LaunchReached, which is no error of anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


class SweeperError(Exception):
    """The root: whatever sweeper raises on purpose is one of these."""

    exit_code = 1


class UsageError(SweeperError):
    """The request cannot be carried out as given; nothing was started or written."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One complaint about a sweep file.

    ``line`` and ``column`` count from 1; 0: the place is not known (an option, not a file).
    """

    message: str
    key: str = ""
    path: str = ""
    line: int = 0
    column: int = 0
    source: str = ""
    mend: str = ""

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.path, self.line, self.column) if part)
        head = ": ".join(part for part in (where, self.key, self.message) if part)
        lines = [_one_line(head)]  # a name in it may end a line
        if self.source:
            before = re.sub(r"[^\t]", " ", self.source[: max(0, self.column - 1)])
            lines += [f"    {self.source}", f"    {before}^"]
        if self.mend:
            lines.append("    " + _one_line(self.mend))
        return "\n".join(lines)


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")


class SpecError(UsageError):
    """The sweep file is invalid; ``problems`` holds every complaint, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TreeError(SweeperError):
    """A file or directory of the tree cannot be read or written; the message names it."""


class StoreError(TreeError):
    """The object store that has the tree refuses, or does not answer; the message names it."""


class RunBusy(TreeError):
    """A living process owns this run or this sweep; the message names its pid and host."""


class LeaseLost(TreeError):
    """Another process has taken this run over; this one must not write to it any more."""


class LaunchReached(BaseException):
    """A program has come to its ``sweeper.launch`` while a trial imports it: this is far enough."""
