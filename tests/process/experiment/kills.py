"""Training processes that are killed, and what must be the same after it.

``python -m tests.process.experiment.kills [--chains N] [--seed S] [PROGRAM…]`` prints the table of
programs: how often each was killed, and whether it ended as undisturbed.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sweeper.tree import Tree

from .programs import PROGRAMS, TENSORFLOW, TRAINED_AGAIN

HERE = Path(__file__).parent


class Trainees:
    """The process that forks a child per attempt."""

    def __init__(self, backend):
        self.backend = backend
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "trainee.py")],
            env={**os.environ, "KERAS_BACKEND": backend},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline().strip() == '"ready"'

    def attempt(self, base, kill=None, **options):
        request = {"base": str(base), "kill": kill, "options": options}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def programs_of(backend):
    """The programs that run on a backend of Keras."""
    return [name for name in PROGRAMS if backend == "tensorflow" or name not in TENSORFLOW]


def state(base):
    """All that must be the same, bit for bit; times apart."""
    Tree(base).tidy()  # a run killed just after its end leaves its backup and lease
    (run,) = Tree(base).all_runs()
    assert run.status == "finished"
    assert run.torn == []
    performances = json.loads(run.paths.performances.read_text())
    del performances["elapsed"]
    heard = base / "heard.txt"
    models = {}
    for path in run.paths.models.iterdir() if run.paths.models.exists() else ():
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist()) - {"metadata.json"}  # it holds the date
                # Keras writes the addresses of objects in memory into it.
                models[path.name] = {
                    name: re.sub(rb'"shared_object_id": \d+', b"", archive.read(name))
                    for name in names
                }
        else:
            models[path.name] = None
    return {
        "rows": run.paths.training_logs.read_bytes(),
        "performances": performances,
        "found": json.loads((base / "found.json").read_text()),
        "models": models,
        "heard": sorted(set(heard.read_text().splitlines())) if heard.exists() else [],
        # git.diff depends on the working tree that the tests run in.
        "files": sorted(
            str(p.relative_to(run.path))
            for p in run.path.rglob("*")
            if p.name != "git.diff"
            if "aside" not in p.parts
        ),
        "epochs": run.outcome["epochs"],
    }


def chain(trainees, base, kills, **options):
    """Kill the run at each moment in turn, then let it end; returns how many kills struck."""
    struck = recorded = 0
    trained_again = options.get("program") in TRAINED_AGAIN
    for kill in [*kills, None]:
        if not trainees.attempt(base, kill, **options)["killed"]:
            break
        struck += 1
        runs = list(Tree(base).all_runs())
        if any(run.outcome for run in runs):
            return struck  # killed while it was tidying up
        for run in runs:
            assert (run.status, bool(run.params), bool(run.provenance)) == ("interrupted",) + 2 * (
                True,
            )
            recorded = len(run.rows)
    (run,) = Tree(base).all_runs()
    last = run.provenance["attempts"][-1]
    if not trained_again:
        # The epoch in flight, and what the program reports between two fits.
        assert (last["resumed_from_epoch"] or 0) >= recorded - 2
    return struck


def told(base):
    """Does the run say in what it is not what it would have been?"""
    (run,) = Tree(base).all_runs()
    return any(attempt.get("inexact") for attempt in run.provenance["attempts"])


def random_kills(rng, number, operations, moments):
    """Moments at which to kill, for a run that has so many of each kind when undisturbed."""
    kinds = [
        lambda: ["op", rng.randint(1, operations)],
        lambda: ["moment", rng.randint(1, moments)],
        lambda: ["moment", rng.randint(1, moments)],
        lambda: ["seconds", rng.uniform(0.3, 2.0)],
    ]
    return [rng.choice(kinds)() for _ in range(number)]


def row_of_table(trainees, base, name, chains, seed):
    """Run a program whole and in ``chains`` chains of three kills: (kills, same, told)."""
    whole = trainees.attempt(base / "whole", program=name)
    expected = state(base / "whole")
    rng = random.Random(f"{name} {seed}")
    struck = same = inexact = 0
    for number in range(chains):
        here = base / str(number)
        kills = random_kills(rng, 3, whole["operations"], whole["moments"])
        struck += chain(trainees, here, kills, program=name)
        found = state(here)
        differ = [key for key in expected if found[key] != expected[key]]
        equal, said = not differ, told(here)
        assert equal or said, f"{name}: {', '.join(differ)} not the same after {kills}"
        same, inexact = same + equal, inexact + said
    return struck, same, inexact


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    parser.add_argument("--chains", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    trainees = Trainees(backend)
    print(f"{'program (' + backend + ')':40} kills  runs  same  told", flush=True)
    for name in arguments.programs or programs_of(backend):
        with tempfile.TemporaryDirectory(prefix="kills-") as base:
            try:
                row = row_of_table(trainees, Path(base), name, arguments.chains, arguments.seed)
            except AssertionError as error:
                print(name, error, flush=True)
                continue
        print(f"{name:40} {row[0]:5} {arguments.chains:5} {row[1]:5} {row[2]:5}", flush=True)
    trainees.close()


if __name__ == "__main__":
    main()
