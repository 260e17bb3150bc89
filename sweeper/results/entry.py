"""A trial and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError
from sweeper.tree import FAILED, RunRecord

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
        """Whether it has an outcome."""
        return self.succeeded or self.failed

    @property
    def run(self) -> str | None:
        """The name of the run's directory."""
        return self.record.run if self.record is not None else None

    @property
    def path(self) -> Path | None:
        """The run's directory, absolute."""
        return self.record.path if self.record is not None else None

    @property
    def log(self) -> Path | None:
        """Where the run's output is."""
        return self.record.paths.output if self.record is not None else None

    @property
    def epochs(self) -> int:
        """How many epochs the run has recorded."""
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
        return ": ".join(part for part in (kind, " ".join(message.split())) if part) or None


def is_good(record: RunRecord) -> bool:
    """Does how the run has ended need no further attention?"""
    return record.status in GOOD_OUTCOMES
