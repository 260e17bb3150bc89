"""Launching sweeps in the benchmarks, and where their time went by the tree's own account."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders import AT_ONCE
from tests.benchmarks.measure import Measured

HERE = Path(__file__).resolve().parent

DIGITS = """
name: bench
program: {here}/digits_train.py
method: grid
metric: {{name: val_accuracy, goal: maximize}}
run_cap: {trials}
parameters:
  training:
    parameters:
      learning-rate: {{values: {rates}}}
      epochs: {{value: {epochs}}}
  model:
    parameters:
      width: {{values: {widths}}}
"""
NOOP = """
name: bench
program: {here}/noop_train.py
method: grid
metric: {{name: val_loss, goal: minimize}}
parameters:
  x: {{values: {values}}}
"""


def launch_command(spec: Path, directory: Path) -> list[str]:
    """``sweeper launch``, two trials at once, into an empty storage."""
    options = ["-j", str(AT_ONCE), "--storage", str(directory / "experiments"), "--yes"]
    return [sys.executable, "-m", "sweeper", "launch", str(spec), *options]


def digits_spec(directory: Path, trials: int) -> Path:
    """A sweep over the digits of ``trials`` trials; past 32 the grid has more learning rates."""
    # Read as text: importing the train module would import TensorFlow into the measuring process.
    space: dict[str, Any] = {}
    source = (HERE / "digits_train.py").read_text()
    for line in source.splitlines():
        if line.startswith(("RATES =", "WIDTHS =", "EPOCHS =")):
            name, _, value = line.partition(" = ")
            space[name] = json.loads(value.replace("(", "[").replace(")", "]"))
    rates = list(space["RATES"])
    while len(rates) * len(space["WIDTHS"]) < trials:
        rates.append(round(rates[-len(space["RATES"])] * 1.01, 9))
    return _write(
        directory,
        DIGITS.format(
            here=HERE, trials=trials, rates=rates, widths=space["WIDTHS"], epochs=space["EPOCHS"]
        ),
    )


def noop_spec(directory: Path, trials: int) -> Path:
    """A sweep of ``trials`` trials that do nothing."""
    return _write(directory, NOOP.format(here=HERE, values=list(range(trials))))


def _write(directory: Path, text: str) -> Path:
    path = directory / "bench.yaml"
    path.write_text(text)
    return path


@dataclass(frozen=True)
class Phases:
    """Where the seconds of one launch went, from the times in the run.json files.

    ``startup``: until the first trial's run was made. ``trial``: a run from its making to its
    close, on average. ``between``: from a run's close to the making of the next in the same
    process, on average. ``shutdown``: from the last close to the exit of the command.
    """

    trials: int
    processes: int
    startup: float
    trial: float
    between: float
    shutdown: float

    def __str__(self) -> str:
        return (
            f"start-up {self.startup:.2f} s, {self.trials} trials of {1000 * self.trial:.1f} ms "
            f"and {1000 * self.between:.1f} ms between two in a process "
            f"({self.processes} training processes), shutdown {self.shutdown:.2f} s"
        )


def phases(directory: Path, measured: Measured) -> Phases:
    """The phases of a launch measured; raises ``SystemExit`` for a run that did not finish."""
    attempts = defaultdict(list)
    for path in sorted((directory / "experiments" / "bench").glob("exp-*/run--*/run.json")):
        attempt = json.loads(path.read_text())["attempts"][-1]
        if attempt["ended"] != "finished":
            raise SystemExit(f"{path}: expected a finished run, found {attempt['ended']!r}")
        attempts[attempt["pid"]].append((_seconds(attempt["start"]), _seconds(attempt["end"])))
    lengths, gaps = [], []
    for intervals in attempts.values():
        intervals.sort()
        lengths += [end - start for start, end in intervals]
        gaps += [b[0] - a[1] for a, b in pairwise(intervals)]
    starts = [intervals[0][0] for intervals in attempts.values()]
    ends = [intervals[-1][1] for intervals in attempts.values()]
    return Phases(
        trials=len(lengths),
        processes=len(attempts),
        startup=min(starts) - measured.started,
        trial=sum(lengths) / len(lengths),
        between=sum(gaps) / len(gaps) if gaps else 0.0,
        shutdown=measured.ended - max(ends),
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
