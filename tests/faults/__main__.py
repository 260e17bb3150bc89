"""``python -m tests.faults [--minutes N] [--seed S] [--fault NAME …]``: the table of faults.

Real launches with a fault each, at a moment and with a search method that the seed chooses, and
launched again until all is done. A line for each fault: how often it struck, and how many times
something was lost (a trial, a row), was done a second time, was left behind (processes 10 seconds
after the launch, files in /tmp and /dev/shm after the next one), or an exit code was wrong. Exits
with 1 unless all of these are zero.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from tests.faults.case import KINDS, Found, run_case
from tests.faults.faults import FAULTS


def cases(names: list[str], seed: int, seconds: float) -> Iterator[tuple[str, str]]:
    """Fault after fault, each time with another seed, while there is time."""
    deadline = time.monotonic() + seconds
    for number in itertools.count():
        for name in names:
            if time.monotonic() > deadline:
                return
            yield name, f"{seed}.{number}"


def run(name: str, seed: str, keep: bool) -> Found:
    directory, began = Path(tempfile.mkdtemp(prefix="faults-")), time.monotonic()
    found = run_case(name, seed, directory)
    kinds = ", ".join(sorted({kind for kind, _ in found.wrong})) or "right"
    print(f"{found.name}: {kinds} after {time.monotonic() - began:.0f} s", flush=True)
    for kind, text in found.wrong:
        print(f"{found.name}: {kind}: {text}", flush=True)
    if not (keep and found.wrong):
        shutil.rmtree(directory, ignore_errors=True)
    else:
        print(f"    {directory}", flush=True)
    return found


def table(faults: list[Found], names: list[str]) -> None:
    rows = [(name, [f for f in faults if f.name.split()[0] == name]) for name in names]
    print(f"\n{'fault':16}{'times':>8}" + "".join(f"{kind:>10}" for kind in KINDS))
    for name, found in (*rows, ("all", faults)):
        counts = Counter(kind for each in found for kind in {kind for kind, _ in each.wrong})
        times = sum(each.struck for each in found)
        print(f"{name:16}{times:8}" + "".join(f"{counts[kind]:10}" for kind in KINDS))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="NAME")
    parser.add_argument("-j", type=int, default=1, help="launches at a time [1]")
    parser.add_argument("--case", help="the one of this seed, as the table names it: 0.17")
    parser.add_argument("--keep", action="store_true", help="what was wrong, to look at")
    given = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", flush=True)
    todo = cases(given.fault, given.seed, given.minutes * 60)
    if given.case:
        todo = iter([(name, given.case) for name in given.fault])
    found: list[Found] = []
    lock = Lock()

    def work() -> None:
        while True:
            with lock:
                case = next(todo, None)
            if case is None:
                return
            found.append(run(*case, given.keep))

    with ThreadPoolExecutor(given.j) as pool:
        for worker in [pool.submit(work) for _ in range(given.j)]:
            worker.result()
    table(found, given.fault)
    return int(any(each.wrong for each in found))


if __name__ == "__main__":
    sys.exit(main())
