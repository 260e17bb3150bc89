"""Faults of the machines, which have budgets apart from those of the user's errors.

A trial whose worker is lost goes again, a few times. A node that cannot work is left out, and its
trials go to the others. The launch ends when none is left, or trial after trial is lost.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .stop_conditions import StopConditions

MOST_LOSSES = 4  # of one trial
MOST_STRIKES = 3  # of a node in a row, where it is not sure that it cannot work
MOST_LOST = 3  # trials in a row


class Faults:
    """What has gone wrong with nodes and workers so far; ``conditions`` hear when it is too much.

    ``nodes`` gives the ids of those that live and are large enough for a trial, and for how many.
    In ``workers`` each worker that is up leaves a file.
    """

    def __init__(
        self, conditions: StopConditions, nodes: Callable[[], Mapping[str, int]], workers: Path
    ) -> None:
        self.left_out: dict[str, str] = {}  # node -> host and reason
        self._conditions = conditions
        self._nodes = nodes
        self._workers = workers
        self._losses: Counter[int] = Counter()  # of each trial
        self._strikes: Counter[str] = Counter()  # of each node
        self._in_a_row = 0
        self._ran = False  # a trial, somewhere

    def unfit(self, result: dict[str, Any]) -> str | None:
        """A node has not been able to run a trial: what to say of it, if that is new."""
        node, said = result["node"], f"{result['host']}: {result['error']}"
        self._strikes[node] += 1
        if node in self.left_out or not (result["sure"] or self._strikes[node] >= MOST_STRIKES):
            return None
        self.left_out[node] = said
        nodes = self._nodes()
        with contextlib.suppress(OSError):
            for number in range(nodes.get(node, 0)):  # for whom trials elsewhere would wait
                (self._workers / f"{node}-{number}").touch()
        if nodes.keys() - self.left_out.keys():
            return f"{said}\n    this node is left out; the others go on"
        why = str(result["error"])
        if len(self.left_out) > 1:
            why = "\n".join(["no node can run a trial", *self.left_out.values()])
        if self._ran or "path" in result:
            self._conditions.wind_down(why)
            self._conditions.over = True
        else:
            self._conditions.fatal = why
        return None

    def lost(self, trial: int, reason: str) -> str | None:
        """The trial's worker is gone: None if the trial may go again, else what to say."""
        self._losses[trial] += 1
        if self._losses[trial] < MOST_LOSSES:
            return None
        self._in_a_row += 1
        if self._in_a_row >= MOST_LOST:
            self._conditions.wind_down(f"{MOST_LOST} trials in a row lost their workers: {reason}")
        return f"its worker was lost {MOST_LOSSES} times, the last time: {reason}"

    def ended(self, end: str, result: dict[str, Any]) -> None:
        """A trial has ended by itself."""
        if end == "lost":
            return
        self._ran = True
        self._in_a_row = 0
        self._strikes.pop(result.get("node", ""), None)


def in_words(text: str, ray_log: str) -> str:
    """Why a worker is gone, of what Ray says in many lines."""
    address = re.search(r"\bip: ([\w.:]+)", text)
    host = f"on {address[1]}: " if address else ""
    # Of every worker that dies Ray says that "high memory usage" is a common cause.
    if re.search(r"low on memory|OutOfMemoryError", text):
        why = "Ray ended the worker, as the node's memory was nearly full"
    elif re.search(r"\bnode (has )?died|\bnode is dead|\bnode failure", text):
        why = "the node is gone"
    else:
        why = "the worker died"
    return f"{host}{why}; {ray_log}"
