"""Launches that share a sweep of no-op trials, some of which are killed, and one alone."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from random import Random

from sweeper.tree import Tree, ask, launches, take_back
from tests.benchmarks.measure import ROOT, scratch
from tests.benchmarks.sweeps import launch_command, noop_spec

SEED = 0


def measure_joined(trials: int, members: int, kills: int) -> None:
    """One member, ``members``, and as many with ``kills`` of them: none may do a trial twice."""
    print(f"\n{trials} no-op trials, one at a time in each launch\n")
    for many, killed in ((1, 0), (members, 0), (members, kills)):
        with scratch() as directory:
            _measure(directory, noop_spec(directory, trials), trials, many, killed)


def _measure(directory: Path, spec: Path, trials: int, members: int, kills: int) -> None:
    command = [*launch_command(spec, directory), "--join", "-q", "-j", "1"]

    def start() -> subprocess.Popen[bytes]:
        with open(directory / "said", "ab") as said:
            return subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)

    home = Tree(directory / "experiments" / "bench").home("bench")
    ask(home, "pause")
    running = []
    for many in range(1, members + 1):  # one after the other: so many Rays at once do not start
        running.append(start())
        while len(launches(home)) < many and running[-1].poll() is None:
            time.sleep(0.2)
    began, chance, left = time.monotonic(), Random(SEED), kills
    take_back(home, "pause")
    while any(member.poll() is None for member in running):
        time.sleep(chance.uniform(0.5, 3))
        alive = [i for i, member in enumerate(running) if member.poll() is None]
        if left and alive and _runs(directory):
            left -= 1
            place = chance.choice(alive)
            running[place].kill()
            running[place].wait()
            running[place] = start()
    wall = time.monotonic() - began
    if not _runs(directory):
        raise SystemExit((directory / "said").read_text()[-4000:])
    records = [json.loads(path.read_text()) for path in _runs(directory)]
    per_trial = Counter(record["trial"] for record in records)
    twice = sum(count > 1 for count in per_trial.values())
    ended = sum(record["attempts"][-1]["ended"] == "finished" for record in records)
    times = [(a["start"], a["end"]) for record in records for a in record["attempts"] if a["end"]]
    first, last = min(a for a, _ in times), max(b for _, b in times)
    seconds = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
    again = sum(len(record["attempts"]) - 1 for record in records)
    print(
        f"  {members} launches, {kills - left} killed: {wall:.0f} s, from the first trial to the "
        f"last {seconds:.1f} s, {1000 * seconds / trials:.1f} ms a trial; {len(per_trial)} trials, "
        f"{ended} finished, {again} continued, {twice} twice",
        flush=True,
    )
    if twice or ended < trials:
        raise SystemExit((directory / "said").read_text()[-4000:])


def _runs(directory: Path) -> list[Path]:
    return list((directory / "experiments" / "bench").glob("exp-*/run--*/run.json"))
