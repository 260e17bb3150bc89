"""``python -m tests.faults [--minutes N] [--seed S] [--fault NAME …]``: the table of faults.

Real launches with faults, at moments and with search methods that the seed chooses, each going on
with what the one before has left, until all is done. A line for each fault: how often it struck,
and how many times something was lost (a trial, a row), was done a second time, was left behind
(processes 10 seconds after the launch, files in /tmp and /dev/shm after the next one), or an exit
code was wrong; and how many seconds a launch lived on at most that was to end of it. Exits with 1
unless nothing was wrong.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from threading import Lock

from tests.faults.chain import KINDS, Chain, Found
from tests.faults.faults import FAULTS
from tests.faults.machine import shim, small_disk
from tests.faults.nodes import Nodes, possible
from tests.process.launch.launcher import own_tmp

LINKS = 12  # faults of one sweep, at most


def chains(names: list[str], seed: int) -> Iterator[tuple[list[str], str]]:
    """Some faults after the others, each time in another order.

    All of them equally often, but for those that a launch goes on after: two of them cost no more.
    """
    rng = random.Random(seed)
    names = [*names, *(name for name in names if not FAULTS[name].ends)]
    endless = (name for _ in itertools.count() for name in rng.sample(names, len(names)))
    for number in itertools.count():
        yield list(itertools.islice(endless, min(LINKS, len(names)))), f"{seed}.{number}"


def run(
    names: list[str], seed: str, nodes: Callable[[], Nodes], disk: Path | None, keep: bool
) -> list[Found]:
    directory, began = Path(tempfile.mkdtemp(prefix="faults-")), time.monotonic()
    with own_tmp() as tmp:
        chain = Chain(names, seed, directory, tmp, nodes, disk)
        try:
            chain.run()
        except Exception as error:  # of the table itself: the other chains go on
            traceback.print_exc()
            chain.found.append(Found("chain", f"chain {seed}", wrong=[("code", repr(error))]))
    seconds = time.monotonic() - began
    for found in chain.found:
        kinds = ", ".join(sorted({kind for kind, _ in found.wrong})) or "right"
        print(f"{found.name}: {kinds if found.struck or found.wrong else 'missed'}", flush=True)
    struck = sum(found.struck for found in chain.found)
    print(f"{struck} faults in {seconds:.0f} s", flush=True)
    if keep and any(found.wrong for found in chain.found):
        print(f"    {directory}", flush=True)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return chain.found


def table(faults: list[Found], names: list[str]) -> None:
    rows = [(name, [f for f in faults if f.fault == name]) for name in names]
    kinds = "".join(f"{kind:>10}" for kind in KINDS)
    print(f"\n{'fault':16}{'times':>8}{kinds}{'seconds':>10}")
    for name, found in (*rows, ("all", faults)):
        counts = Counter(kind for each in found for kind in {kind for kind, _ in each.wrong})
        times = sum(each.struck for each in found)
        wrong = "".join(f"{counts[kind]:10}" for kind in KINDS)
        print(f"{name:16}{times:8}{wrong}{max((f.seconds for f in found), default=0):10.1f}")


def lacking(name: str, disk: Path | None) -> str:
    """Why this machine cannot have that fault, if it cannot."""
    if name == "full" and disk is None:
        return "left out, as no file system can be mounted"
    if FAULTS[name].shim and shim() is None:
        return "left out, as there is no C compiler"
    if FAULTS[name].hosts and not possible():
        return "left out, as no network namespaces can be made"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="NAME")
    parser.add_argument("-j", type=int, default=1, help="launches at a time [1]")
    parser.add_argument("--chain", type=int, help="the one of this number: 17 of 0.17")
    parser.add_argument("--keep", action="store_true", help="what was wrong, to look at")
    given = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", flush=True)
    up = ExitStack()
    # The hosts come later: they see no file system that is mounted when they are there.
    disks = [up.enter_context(small_disk()) for _ in range(given.j)]
    names = [name for name in given.fault if not lacking(name, disks[0])]
    for name in sorted({*given.fault} - {*names}):
        print(f"{name}: {lacking(name, disks[0])}", flush=True)
    begin, end = (given.chain, given.chain + 1) if given.chain is not None else (0, None)
    todo = itertools.islice(chains(names, given.seed), begin, end)
    deadline = time.monotonic() + given.minutes * 60
    found: list[Found] = []
    lock = Lock()

    @lru_cache(maxsize=1)
    def nodes() -> Nodes:
        one = Nodes()
        up.callback(one.close)
        return one

    def work(disk: Path | None) -> None:
        while time.monotonic() < deadline:
            with lock:
                chain = next(todo, None)
            if chain is None:
                return
            found.extend(run(*chain, nodes, disk, given.keep))

    with up, ThreadPoolExecutor(given.j) as pool:
        for worker in [pool.submit(work, disk) for disk in disks]:
            worker.result()
    table(found, names)
    return int(any(each.wrong for each in found))


if __name__ == "__main__":
    sys.exit(main())
