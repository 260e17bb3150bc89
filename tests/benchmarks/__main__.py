"""``python -m tests.benchmarks [NAME …]``, from the root of the repository."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from tests.benchmarks.callbacks import measure_callbacks
from tests.benchmarks.joined import measure_joined
from tests.benchmarks.levels import measure_levels
from tests.benchmarks.memory import measure_memory
from tests.benchmarks.points import measure_points
from tests.benchmarks.race import race_keras, race_noop
from tests.benchmarks.search import measure_search
from tests.benchmarks.stopping import RULES, measure_stopping

TRIALS = {
    "keras": 32,
    "noop": 1000,
    "memory": 200,
    "points": 1_000_000,
    "callbacks": 5,
    "search": 200,
    "joined": 1000,
    "stopping": 80,
    "levels": 0,
}


def main() -> None:
    """Run the benchmarks that are asked for and print what they found."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(TRIALS)} [keras noop]"
    )
    parser.add_argument("--repeats", type=int, default=1, help="rounds of keras and noop [1]")
    parser.add_argument("--seeds", type=int, default=20, help="of search, stopping and levels [20]")
    parser.add_argument(
        "--workers", type=int, action="append", metavar="N", help="of search [1, 4 and 16]"
    )
    parser.add_argument(
        "--tuning",
        action="store_true",
        help="of search, stopping and levels: the tasks on which choices were made",
    )
    parser.add_argument(
        "--resume", action="store_true", help="of search: each is killed at half and goes on"
    )
    parser.add_argument("--members", type=int, default=8, help="launches of joined [8]")
    parser.add_argument("--kills", type=int, default=20, help="of launches of joined [20]")
    parser.add_argument(
        "--install", action="store_true", help="of search: make the environments of other libraries"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="of search and levels: keeps what was measured; goes on",
    )
    parser.add_argument(
        "--trials", type=int, help="trials (or points, or fits) instead of the full number"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="of keras and noop, only ours and the contenders whose name holds WORD; of search, "
        "only this task or searcher, of levels, only this task or rule",
    )
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in TRIALS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}: expected {', '.join(TRIALS)}")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {load}")
    for name in given.names or ["keras", "noop"]:
        trials = given.trials or TRIALS[name]
        if name == "keras":
            race_keras(trials, given.repeats, given.only)
        elif name == "noop":
            race_noop(trials, given.repeats, given.only)
        elif name == "search":
            measure_search(
                trials, given.seeds, given.only, given.workers or [1, 4, 16], given.tuning,
                given.resume, given.results, given.install,
            )  # fmt: skip
        elif name == "joined":
            measure_joined(trials, given.members, given.kills)
        elif name == "stopping":
            measure_stopping(given.seeds, given.tuning, RULES)
        elif name == "levels":
            measure_levels(given.seeds, given.tuning, given.only, given.results)
        elif name == "memory":
            measure_memory(trials)
        elif name == "points":
            measure_points(trials)
        else:
            measure_callbacks(trials)


if __name__ == "__main__":
    main()
