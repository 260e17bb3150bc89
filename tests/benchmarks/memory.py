"""Does a launch grow with its trials? The memory of its processes early and late in one launch."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import sweeps
from tests.benchmarks.measure import measure, scratch
from tests.benchmarks.processes import Process

EARLY = 20  # trials
WINDOW = 5  # trials before and after

ROLES = ("driver", "Tune actors", "fork server", "warm children", "Ray's own")
Use = dict[str, tuple[int, int]]  # role -> RSS and PSS in bytes, summed


def roles(living: list[Process], actors: set[int]) -> Use:
    """What the processes of a launch use, by their role; ``actors`` are the Tune actors' pids."""
    use = dict.fromkeys(ROLES, (0, 0))
    servers = {p.pid for p in living if "start.py forkserver" in p.command}
    for process in living:
        if " sweeper launch " in process.command:
            role = "driver"
        elif process.pid in servers:
            role = "warm children" if process.parent in servers else "fork server"
        elif process.pid in actors:
            role = "Tune actors"
        else:
            role = "Ray's own"
        rss, pss = use[role]
        use[role] = rss + process.rss, pss + process.pss
    return use


def peak(looks: list[tuple[int, list[Process]]], first: int, last: int) -> Use:
    """The highest use of each role while ``first`` to ``last`` trials had ended."""
    # An actor's title says so only while one of its methods runs.
    actors = {p.pid for _, living in looks for p in living if "SweepTrainable" in p.command}
    there = [roles(living, actors) for n, living in looks if first <= n <= last] or [{}]
    return {
        role: (
            max(use.get(role, (0, 0))[0] for use in there),
            max(use.get(role, (0, 0))[1] for use in there),
        )
        for role in ROLES
    }


def measure_memory(trials: int) -> None:
    """One launch of ``trials`` Keras trials; print each role's memory around trial 20 and last."""
    early = min(EARLY, max(1, trials // 2))
    print(f"\nmemory of one launch of {trials} Keras trials, around trial {early} and {trials}\n")
    looks: list[tuple[int, list[Process]]] = []
    with scratch() as directory:
        base = directory / "experiments" / "bench"
        measured = measure(
            [sweeps.launch_command(sweeps.digits_spec(directory, trials), directory)],
            directory,
            lambda living: looks.append((_ended(base), [replace(p) for p in living])),
        )
        print(f"  {sweeps.phases(directory, measured)}; load {os.getloadavg()[0]:.1f}\n")
    # In the end processes go one by one: the highest use of the window is still the whole house.
    before = peak(looks, early - WINDOW, early + WINDOW)
    after = peak(looks, trials - 2 * WINDOW, trials)
    print(f"  {'MB':<16}{'RSS then':>10}{'RSS last':>10}{'':>8}{'PSS then':>12}{'PSS last':>10}")
    for role in ROLES:
        line = f"  {role:<16}"
        for kind, width in ((0, 10), (1, 12)):
            then, last = before[role][kind] / 1e6, after[role][kind] / 1e6
            growth = f"{100 * (last / then - 1):+.1f} %" if then else "-"
            line += f"{then:>{width}.1f}{last:>10.1f}{growth:>8}"
        print(line)


def _ended(base: Path) -> int:
    return sum(1 for _ in base.glob("exp-*/run--*/outcome.json"))
