"""What a tree must hold when all launches of its sweep are over."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from sweeper.tree import RunRecord
from tests.faults.scene import GOOD
from tests.process.launch.launcher import Launcher

Done = dict[str, tuple[int, int]]
"""The runs that have ended well: when, and in how many attempts."""


def done_in(launcher: Launcher) -> Done:
    done = {}
    for record in launcher.records() if launcher.base.is_dir() else ():
        with contextlib.suppress(OSError):
            if record.unreadable is None and record.status in GOOD:
                ended = os.stat(record.paths.outcome).st_mtime_ns
                done[str(record.path)] = ended, len(record.provenance["attempts"])
    return done


def statuses_in(launcher: Launcher) -> set[tuple[str, str]]:
    """The runs, each with its status."""
    records = launcher.records() if launcher.base.is_dir() else []
    return {(str(record.path), record.status) for record in records}


def judge_tree(
    launcher: Launcher, trials: int, epochs: int, program: str, spoiled: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong, by kind; ``spoiled``: runs may have failed before others."""
    by_trial: dict[int | None, list[RunRecord]] = {}
    for record in launcher.records():
        by_trial.setdefault(record.trial, []).append(record)
    if len(by_trial) != trials:  # a searcher's trial that had not begun leaves a gap in the numbers
        yield "lost", f"trials {sorted(map(str, by_trial))}"
    for trial, records in by_trial.items():
        good = [record for record in records if record.status in GOOD]
        if len(good) > 1:
            yield "repeated", f"trial {trial} has {len(good)} runs"
        others = {record.status for record in records if record not in good}
        if not good or others - ({"failed"} if spoiled else set()):
            yield "lost", f"trial {trial}: {', '.join(r.status for r in records)}"
        for record in good:
            yield from _judge_rows(record, epochs, program)
    home = launcher.base / "sweeps" / "case"
    for path in (*launcher.base.glob(".new-*"), *launcher.base.rglob("lease.*.json"), home / "ray"):
        # A launch that has nothing to do does not tidy what was ended in the moment it was killed.
        # A run half made that has no lease yet is left for a day: its maker may come to it.
        half = path.name.startswith(".new-") and not any(path.glob("lease.*"))
        if path.exists() and not half and not (path.parent / "outcome.json").exists():
            yield "left", str(path)


def _judge_rows(record: RunRecord, epochs: int, program: str) -> Iterator[tuple[str, str]]:
    x = record.params["x"]
    rows = [(row["epoch"], row.get("loss")) for row in record.rows]
    before = record.parent["epoch"] if record.parent else 0
    last = epochs if record.status == "finished" else before + len(rows)
    if rows != [(epoch, x / epoch) for epoch in range(before + 1, last + 1)] or record.torn:
        yield "lost", f"{record.path}: {record.status} with {rows}, torn {record.torn}"
    trained = len(re.findall(r"^trial \S+ epoch \d", record.paths.output.read_text(), re.M))
    again = len(record.provenance["attempts"]) - 1
    if program == "saves" and trained > epochs - before + again:
        yield "repeated", f"{record.path}: {trained} epochs in {again + 1} attempts"
