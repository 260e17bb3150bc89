"""A trial and how it stands."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError
from sweeper.tree import FAILED, RunRecord, program_of
from sweeper.wording import uncoloured

_FRAME = re.compile(r' +File "([^"]+)", line (\d+)')
_OTHERS = re.compile(r"/(site|dist)-packages/|/sweeper/(call|worker/|experiment/)")

STATUSES = (
    "finished",
    "running",
    "interrupted",
    "pending",
    "failed",
    "stopped",
    "out-of-memory",
    "timed-out",
    "pruned",
    "unreadable",
)
"""Every status a trial can have: an outcome, or what the evidence says while there is none."""

GOOD_OUTCOMES = ("finished", "stopped", "pruned")
"""The outcomes that need no further attention."""


@dataclass(frozen=True)
class Entry:
    """A trial and its run, if it has one yet.

    ``trial`` is None for a run that no sweep asked for. ``listed`` is False for a run that the
    sweep made but whose trial its file no longer enumerates. ``sweep`` is the sweep whose trial it
    is: replicates of one experiment in one sweep are ranked together. ``unreadable`` says why its
    run, which is then None, cannot be read: nobody knows how it stands.
    """

    trial: int | None
    replicate: int
    params: dict[str, Any]
    experiment: str
    record: RunRecord | None
    listed: bool = True
    sweep: str | None = None
    unreadable: TreeError | None = None

    @property
    def status(self) -> str:
        """One of :data:`STATUSES`."""
        if self.unreadable is not None:
            return "unreadable"
        return self.record.status if self.record is not None else "pending"

    @property
    def succeeded(self) -> bool:
        """Whether its outcome needs no further attention."""
        return self.record is not None and is_good(self.record)

    @property
    def failed(self) -> bool:
        """Whether a launch with ``--retry-failed`` would run it again."""
        return self.status in FAILED

    @property
    def ended(self) -> bool:
        return self.succeeded or self.failed

    @property
    def run(self) -> str | None:
        return self.record.run if self.record is not None else None

    @property
    def path(self) -> Path | None:
        """The run's directory, absolute."""
        return self.record.path if self.record is not None else None

    @property
    def log(self) -> Path | None:
        return self.record.paths.output if self.record is not None else None

    @property
    def epochs(self) -> int:
        if self.record is None:
            return 0
        last = (self.record.performances or {}).get("last")
        if last:
            return int(last["epoch"])
        return int(self.record.rows[-1]["epoch"]) if self.record.rows else 0

    @property
    def error(self) -> str | None:
        """The exception that ended the run, or kept it from being read, on one line; or None."""
        if self.unreadable is not None:
            return str(self.unreadable)
        error = ((self.record.outcome if self.record else None) or {}).get("error")
        if not isinstance(error, dict):
            return str(error) if error else None
        kind, message = str(error.get("type") or ""), str(error.get("message") or "")
        if kind and (where := self._where(error.get("traceback"), kind == "ScriptFailed")):
            kind += f" in {where}"
        message = " ".join(uncoloured(message).split())
        return ": ".join(part for part in (kind, message) if part) or None

    def _where(self, traceback: object, printed: bool) -> str | None:
        """The line of the user's program that has failed, if that is known: ``train.py:31``.

        Of what a script has ``printed`` the traceback counts with which it has ended.
        """
        program = program_of(self.record) if self.record else None
        lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
        begin = len(lines) - 2 if printed else 0
        while printed and begin > 0 and lines[begin].startswith(" "):
            begin -= 1
        if program is None or not lines or (printed and not lines[begin].startswith("Traceback (")):
            return None
        root = os.path.join(program.root, "")
        frames = (match for line in lines[begin:] if (match := _FRAME.match(line)))
        places = [(os.path.normpath(frame[1]), frame[2]) for frame in frames]
        mine = [p for p in places if p[0].startswith(root) and not _OTHERS.search(p[0])]
        return f"{mine[-1][0].removeprefix(root)}:{mine[-1][1]}" if mine else None


def is_good(record: RunRecord) -> bool:
    """Does how the run has ended need no further attention?"""
    return record.status in GOOD_OUTCOMES
