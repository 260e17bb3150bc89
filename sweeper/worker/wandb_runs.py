"""Which of the W&B runs that a trial begins is the sweep's: the others' reports do not count.

A trial may begin several: of folds, of ranks, of a test after training. W&B's agent gives one id to
all that is begun with its environment; the last value of any of them counts there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from sweeper.tree import process_start


@dataclass
class WandbRun:
    """A W&B run, as the hook in the trial's processes tells of it. ``heard`` are its last values.

    ``labelled``: the script gave it a name, a group or a job type.
    """

    id: str
    pid: int
    swept: bool = True  # with the sweep's parameters
    first: bool = True  # in the first process of a distributed training
    labelled: bool = False
    ended: bool = False
    measured: bool = False  # it has reported the metric
    heard: dict[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.ended or process_start(self.pid) is None

    def gives_way_to(self, other: WandbRun) -> bool:
        """Whether ``other``, which begins now, is the sweep's run instead of this one."""
        if (self.swept, self.first) != (other.swept, other.first):
            return (self.swept, self.first) < (other.swept, other.first)
        if self.over:
            # One that was begun for its parameters alone is begun again; a labelled run is not it.
            return self.measured or self.labelled or not other.labelled
        return other.pid in _ancestors(self.pid)


class WandbRuns:
    """Follows the W&B runs of a trial; ``owner`` is the sweep's. Those in ``ignored`` never are."""

    def __init__(self, ignored: frozenset[str] = frozenset()) -> None:
        self.owner: WandbRun | None = None
        self.owners = ignored
        self.passed_over = False  # some run's reports did not count
        self._ignored = ignored
        self._known: set[str] = set()

    def hear(self, told: Mapping[str, Any]) -> bool:
        """Note what a line says of its run; whether the line counts."""
        id_ = told["wandb"]
        begun = told.get("begun")
        if id_ in self._ignored:
            return False
        if self.owner is None or id_ != self.owner.id:
            if begun is not None or id_ not in self._known:
                self._begin(WandbRun(id_, told["pid"], **begun or {}))
        elif begun is not None:
            self.owner.ended, self.owner.pid = False, told["pid"]  # resumed
        assert self.owner is not None
        if id_ != self.owner.id:
            self.passed_over = True
            return False
        self.owner.ended |= "ended" in told
        return True

    def _begin(self, run: WandbRun) -> None:
        self._known.add(run.id)
        if self.owner is None or self.owner.gives_way_to(run):
            self.owner = run
            self.owners |= {run.id}


def _ancestors(pid: int) -> list[int]:
    try:
        return [parent.pid for parent in psutil.Process(pid).parents()]
    except psutil.Error:
        return []
