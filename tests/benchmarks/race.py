"""Contenders in turn, round after round, and the table of how they did."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks import sweeps
from tests.benchmarks.contenders import command
from tests.benchmarks.measure import Measured, measure, scratch


@dataclass
class Contender:
    """A way to run ``trials`` trials; ``commands`` are started together in a fresh directory."""

    name: str
    trials: int
    commands: Callable[[Path], list[list[str]]]
    measured: list[Measured] = field(default_factory=list)

    @property
    def seconds_per_trial(self) -> float:
        """The median over the rounds."""
        return median(m.wall for m in self.measured) / self.trials

    @property
    def cpu_per_trial(self) -> float:
        """CPU seconds of all its processes, the median over the rounds."""
        return median(m.cpu for m in self.measured) / self.trials


def race(contenders: list[Contender], repeats: int, unit: float, title: str) -> None:
    """Run all ``contenders`` ``repeats`` times, in turn, and print the table.

    The first is ours: the others are compared with it. Seconds per trial are printed divided by
    ``unit``: 1 for seconds, 0.001 for milliseconds.
    """
    print(f"\n{title}\n")
    for turn in range(repeats):
        # Back and forth, so that a machine that gets slower is fair to all.
        for contender in contenders if turn % 2 == 0 else reversed(contenders):
            with scratch() as directory:
                measured = measure(contender.commands(directory), directory)
                contender.measured.append(measured)
                per_trial = measured.wall / contender.trials / unit
                print(
                    f"  round {turn + 1}: {contender.name}: {measured.wall:.1f} s, "
                    f"{per_trial:.4g} per trial; load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
                if contender is contenders[0]:
                    print(f"    {sweeps.phases(directory, measured)}", flush=True)
                for left in measured.left:
                    print(f"    left running: {left}", flush=True)
    print_table(contenders, unit)


def print_table(contenders: list[Contender], unit: float) -> None:
    """Medians over the rounds; the peak is the highest of them.

    On a machine that others use, the ratio of CPU seconds says more than that of seconds.
    """
    name = "s/trial" if unit == 1 else "ms/trial"
    ours = contenders[0].seconds_per_trial
    our_cpu = contenders[0].cpu_per_trial
    print(
        f"\n  {'contender':<34}{'trials':>7}{name:>10}{'sweeper/it':>12}"
        f"{'CPU s':>9}{'sweeper/it':>12}{'MB':>7}"
    )
    for contender in contenders:
        print(
            f"  {contender.name:<34}{contender.trials:>7}"
            f"{contender.seconds_per_trial / unit:>10.3f}"
            f"{ours / contender.seconds_per_trial:>12.2f}"
            f"{contender.cpu_per_trial * contender.trials:>9.1f}"
            f"{our_cpu / contender.cpu_per_trial:>12.2f}"
            f"{max(m.peak for m in contender.measured) / 1e6:>7.0f}"
        )
    print(
        "  sweeper/it: per trial, in seconds and in CPU seconds (of all processes of it);\n"
        "  MB: the peak of their summed PSS"
    )


def _only(contenders: list[Contender], words: list[str]) -> list[Contender]:
    """Ours, and those whose name holds one of ``words``; all if there are no words."""
    return [
        contender
        for contender in contenders
        if contender is contenders[0] or not words or any(w in contender.name for w in words)
    ]


def race_keras(trials: int, repeats: int, only: list[str]) -> None:
    """Two-epoch Keras trials: ours, Ray Tune as documented and by hand, one loop, two loops."""
    documented = max(1, trials // 2)
    contenders = [
        Contender(
            "sweeper launch",
            trials,
            lambda d: [sweeps.launch_command(sweeps.digits_spec(d, trials), d)],
        ),
        Contender(
            "Ray Tune as documented",
            documented,
            lambda d: [command("ray-as-documented", documented, d)],
        ),
        Contender("Ray Tune by hand", trials, lambda d: [command("ray-by-hand", trials, d)]),
        Contender("a loop in one process", trials, lambda d: [command("loop", trials, d)]),
        Contender(
            "two loops at once (the limit)",
            trials,
            lambda d: [command("loop", trials, d, offset, 2) for offset in range(2)],
        ),
    ]
    race(
        _only(contenders, only),
        repeats,
        1,
        f"{trials} Keras trials of two epochs on digits, two at once",
    )


def race_noop(trials: int, repeats: int, only: list[str]) -> None:
    """Trials that do nothing: ours, which write the whole tree, and Ray Tune by hand."""
    contenders = [
        Contender(
            "sweeper launch",
            trials,
            lambda d: [sweeps.launch_command(sweeps.noop_spec(d, trials), d)],
        ),
        Contender("Ray Tune by hand", trials, lambda d: [command("ray-by-hand-noop", trials, d)]),
    ]
    race(_only(contenders, only), repeats, 0.001, f"{trials} trials that do nothing, two at once")
