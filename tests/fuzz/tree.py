"""Mutated trees: what reads them is never stopped, and nothing outside of them is touched.

A small real tree is made once. Each round spoils a copy of it (records, links, special files,
modes), then a forked child runs a command over it, with limits on its time and memory.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import os
import random
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SECONDS = 10.0
MEMORY = 3 << 30
EXIT_CODES = {0, 1, 2}
TRIALS = 5
SECRET = "canary-7c1e"  # in every file outside: no command may print it
LOADED = [
    *("sweeper.cli.plan", "sweeper.cli.reading", "sweeper.cli.runs", "sweeper.cli.formatting"),
    *(
        "sweeper.experiment",
        "sweeper.results",
        "sweeper.sweepfile",
        "csv",
        "yaml",
        "multiprocessing",
    ),
]
SPEC = """\
name: grid
program: train.py
method: grid
metric: {name: val_loss, goal: minimize}
storage: STORAGE
parameters:
  training:
    parameters:
      rate: {values: [0.1, 0.2, 0.3, 0.4, 0.5]}
  model:
    parameters:
      width: {value: 8}
"""


def make_tree(work: Path) -> Path:
    """A tree of five trials: two finished, one failed, one interrupted, one pending."""
    from sweeper.sweepfile import load_sweep
    from tests.opened import open_run_of

    (work / "train.py").write_text("def train(params, callbacks, run):\n    pass\n")
    (work / "grid.yaml").write_text(SPEC.replace("STORAGE", str(work / "experiments")))
    (work / "state").mkdir()
    (work / "state" / "weights.txt").write_text("weights")
    sweep = load_sweep(work / "grid.yaml")
    for trial in list(sweep.trials())[: TRIALS - 1]:
        run = open_run_of(sweep, trial)
        for epoch in (1, 2, 3):
            run.report(loss=1.0 / epoch, val_loss=2.0 / epoch + trial.index)
        (run.path / "models").mkdir()
        (run.path / "models" / "model.03-0.6667.keras").write_bytes(b"a model")
        (run.path / "output.log").write_text(f"trial {trial.index}\n")
        if trial.index == 2:
            run.save(work / "state")
            run.close("failed", ValueError("no luck"))
        elif trial.index == 3:
            run.save(work / "state")
            run.interrupt()
        else:
            run.close("finished")
    home = sweep.base_dir / "sweeps" / "grid"
    home.mkdir(parents=True)
    (home / "sweep.yaml").write_text(sweep.to_yaml())
    (home / "choices.json").write_text('{"rerun": [], "reuse": [], "beside": []}')
    return sweep.base_dir


def make_outside(work: Path) -> Path:
    """What lies outside of the tree and must stay as it is."""
    outside = work / "outside"
    outside.mkdir()
    for name in (".bashrc", ".x.1-2-3.tmp", "id_rsa", "state.json", "model.01-0.1.keras"):
        (outside / name).write_text(f'{{"{SECRET}": 1}}\n')
    return outside


# -- what is done to a tree -------------------------------------------------------------------

DEEP = "[" * 2000 + "]" * 2000
VALUES: list[str] = [
    *("null", "true", "3", "-1", "1.5", '"loss"', "[]", "{}", "[3]", '["loss"]', "[[[]]]"),
    *("1e999", "-1e999", "NaN", "9" * 400, "9" * 5000, "0." + "1" * 400, DEEP, '"\\ud800"'),
    *('"../../../outside"', '"OUTSIDE"', '{"a": {"b": [1, {"c": null}]}}', "1000000000000"),
    *('"' + "x" * 140_000 + '"', "{" + '"a":{' * 150 + "}" * 151, '"\\u0000"', '{"": 1}'),
]
CELLS = ["nan", "inf", "", "x" * 140_000, "9" * 5000, "9" * 400, '"', "\0", "1e999", "-3", "²"]


def _some(rng: random.Random, base: Path, *, directories: bool = False) -> Path | None:
    """Some file, or directory, of a run that is not the first one; or of the sweep's home."""
    spared = first_run(base)
    found = [
        path
        for path in sorted(base.rglob("*"))
        if spared not in (path, *path.parents)
        and path != spared.parent
        and not path.is_symlink()
        and (path.is_dir() if directories else path.is_file())
        and path.name not in ("sweeps", "grid", "sweep.yaml")
        and "programs" not in path.parts
    ]
    return rng.choice(found) if found else None


@functools.cache  # asked for before anything is spoilt
def first_run(base: Path) -> Path:
    """The run of the first trial, which no mutation touches."""
    for path in sorted(base.glob("exp-*/run--*")):
        if json.loads((path / "run.json").read_text())["trial"] == 0:
            return path
    raise AssertionError(base)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*at, key)
        if isinstance(item, (dict, list)):
            yield from _places(item, (*at, key))


def another_value(rng: random.Random, base: Path, outside: Path) -> str:
    """One value of a JSON record becomes another."""
    records = [p for p in sorted(base.rglob("*.json")) if first_run(base) not in p.parents]
    path = rng.choice(records)
    data = json.loads(path.read_text())
    places = list(_places(data))
    if not places:
        return ""
    place = rng.choice(places)
    level = data
    for key in place[:-1]:
        level = level[key]
    level[place[-1]] = "@@"
    text = rng.choice(VALUES).replace("OUTSIDE", str(outside))
    path.write_text(json.dumps(data).replace('"@@"', text, 1))
    return f"{path.relative_to(base)} {place} = {text[:50]}"


def whole_record(rng: random.Random, base: Path, outside: Path) -> str:
    """A whole record becomes something else."""
    path = _some(rng, base)
    if path is None:
        return ""
    text = rng.choice(VALUES)
    path.write_bytes(rng.choice([text.encode(), b"", b"\xff\xfe{}", os.urandom(50), b"\0" * 99]))
    return f"{path.relative_to(base)}: {path.read_bytes()[:40]!r}"


def cut(rng: random.Random, base: Path, outside: Path) -> str:
    """A file is cut, or a byte of it changed."""
    path = _some(rng, base)
    data = b"" if path is None else path.read_bytes()
    if path is None or not data:
        return ""
    at = rng.randrange(len(data))
    byte = bytes([rng.randrange(256)])
    path.write_bytes(rng.choice([data[:at], data[:at] + byte + data[at + 1 :], data[at:]]))
    return f"{path.relative_to(base)}: cut or changed at {at}"


def cell(rng: random.Random, base: Path, outside: Path) -> str:
    """A cell of a training log."""
    path = rng.choice([p for p in sorted(base.rglob("*.csv")) if first_run(base) not in p.parents])
    rows = [line.split(",") for line in path.read_text().split("\n")]
    row = rng.choice(rows)
    column, text = rng.randrange(len(row)), rng.choice(CELLS)
    row[column] = text
    path.write_text("\n".join(map(",".join, rows)))
    return f"{path.relative_to(base)}: column {column} = {text[:40]!r}"


def link(rng: random.Random, base: Path, outside: Path) -> str:
    """A file or directory becomes a link to what lies outside."""
    path = _some(rng, base, directories=rng.random() < 0.5)
    if path is None:
        return ""
    target = outside
    if path.is_dir():
        shutil.rmtree(path)
    else:
        target = rng.choice([outside / "id_rsa", outside / "new", Path("/dev/zero"), path])
        path.unlink()
    path.symlink_to(target)
    return f"{path.relative_to(base)} -> {target}"


def special(rng: random.Random, base: Path, outside: Path) -> str:
    """A file becomes a FIFO, a socket, a directory, or 2 GB of nothing."""
    path = _some(rng, base)
    if path is None:
        return ""
    kind = rng.choice(["fifo", "socket", "directory", "sparse"])
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "directory":
        path.mkdir()
    else:
        with open(path, "wb") as file:
            file.truncate(2 << 30)
    return f"{path.relative_to(base)}: {kind}"


def mode(rng: random.Random, base: Path, outside: Path) -> str:
    """A file or directory that nobody may read; or a setuid file."""
    path = _some(rng, base, directories=rng.random() < 0.5)
    if path is None:
        return ""
    bits = rng.choice([0, 0o4755, 0o200])
    path.chmod(bits)
    return f"{path.relative_to(base)}: mode {bits:o}"


def gone(rng: random.Random, base: Path, outside: Path) -> str:
    """A file or directory is not there."""
    path = _some(rng, base, directories=rng.random() < 0.2)
    if path is None:
        return ""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return f"{path.relative_to(base)}: gone"


def odd_name(rng: random.Random, base: Path, outside: Path) -> str:
    """Something with an odd name lies in a directory of the tree."""
    where = rng.choice([base, *sorted(base.glob("exp-*")), *sorted(base.glob("exp-*/run--*"))])
    if first_run(base) in (where, *where.parents):
        return ""
    name = rng.choice(
        [
            *(b"exp-\xff\xfe", b"run--26-11-24--00-15-\xff", b"exp-1-2", b"run--26-11-24--00-15-9"),
            *(b"run--26-11-24--00-15-" + b"9" * 200, b"lease." + b"9" * 240 + b".json"),
            *(
                b"lease.000009.json",
                b"\x1b]0;x\x07",
                b"debug",
                b".new-1-2",
                b"backup",
                b"outcome.json",
            ),
        ]
    )
    path = os.path.join(os.fsencode(where), name)
    if os.path.lexists(path):
        return ""
    if rng.random() < 0.3:
        os.symlink(os.fsencode(outside), path)
    elif rng.random() < 0.5:
        os.mkdir(path)
    else:
        with open(path, "w") as file:
            file.write(rng.choice(["{}", '{"pid": 1e999}', '{"pid": "9", "started": []}']))
    return f"{where.name}/{name!r}"


MUTATIONS: list[Callable[[random.Random, Path, Path], str]] = [
    *(another_value, another_value, another_value, whole_record, cut, cell, link, link),
    *(special, mode, gone, odd_name),
]


# -- what is asked of it ----------------------------------------------------------------------


def commands(base: Path, rng: random.Random) -> list[list[str]]:
    """Reading commands over the tree."""
    spec = str(base.parent.parent / "grid.yaml")
    runs = sorted(map(str, base.glob("exp-*/run--*")))
    pair = rng.sample(runs, 2) if len(runs) > 1 else runs
    form = ["--format", rng.choice(["table", "json", "csv", "yaml"])]
    return [
        ["status", str(base), *form],
        ["status", spec, *form],
        ["best", str(base), *form, "--top", "9", "--copy-to", str(base.parent.parent / "copy")],
        ["logs", str(base), str(rng.randrange(TRIALS))],
        ["diff", *pair, *form],
        ["diff", rng.choice(runs)],
        ["plan", spec, *form],
        ["plan", str(base / "sweeps" / "grid" / "sweep.yaml"), *form],
    ]


def _write(base: Path) -> None:
    """Resume the interrupted trial, tidy up and remove checkpoints, as a launch would."""
    from sweeper.errors import SweeperError
    from sweeper.experiment import prune_checkpoints
    from sweeper.sweepfile import load_sweep
    from sweeper.tree import Tree
    from tests.opened import open_run_of

    sweep = load_sweep(base.parent.parent / "grid.yaml")
    Tree(base).tidy()
    for trial in sweep.trials():
        try:
            run = open_run_of(sweep, trial)
            if not run.reopened:
                with run.capture_output():
                    print("goes on", flush=True)
                    run.restore()
                    run.report(loss=1.0, val_loss=0.5)
                run.close("finished")
        except SweeperError as error:
            print(f"sweeper: {error}", file=sys.stderr)
    prune_checkpoints(Tree(base), 1)


def child(action: Callable[[], Any], output: Path) -> tuple[int | None, str]:
    """What a forked child returns, None if it had to be killed, and what it printed."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            streams = [io.TextIOWrapper(io.FileIO(n, "w", closefd=False)) for n in (1, 2)]
            sys.stdout, sys.stderr = streams
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            code = action() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), output.read_text(errors="replace")
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None, output.read_text(errors="replace")


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """What lies below ``root``: kinds, modes, sizes, times, and links' targets."""
    found = {}
    for where, directories, names in os.walk(root):
        for name in [*directories, *names]:
            path = os.path.join(where, name)
            info = os.lstat(path)
            target = os.readlink(path) if stat.S_ISLNK(info.st_mode) else None
            # The time of a directory is changed by the file that dates leases.
            when = 0 if stat.S_ISDIR(info.st_mode) else info.st_mtime_ns
            found[path] = (info.st_mode, info.st_nlink, info.st_size if when else 0, when, target)
    return found


def run_round(made: Path, seed: int) -> list[str]:
    """What goes wrong with one spoilt copy of the work directory ``made``."""
    rng = random.Random(seed)
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as name:
        work = Path(name) / "work"
        shutil.copytree(made, work, symlinks=True)
        text = (work / "grid.yaml").read_text().replace(str(made), str(work))
        (work / "grid.yaml").write_text(text)
        base, outside = work / "experiments" / "grid", make_outside(work)
        healthy = first_run(base)
        chosen = [rng.choice(MUTATIONS) for _ in range(rng.randint(1, 3))]
        what = []
        for mutation in chosen:
            try:
                what.append(mutation(rng, base, outside))
            except (OSError, ValueError, RecursionError):  # two mutations of one file
                continue
        title = f"seed {seed}: {'; '.join(filter(None, what))}"
        before, around = snapshot(base), snapshot(outside)
        output = Path(name) / "output"

        def note(action: str, code: int | None, printed: str) -> None:
            why = []
            if code is None:
                why.append("hangs")
            elif code not in EXIT_CODES:
                why.append(f"exit code {code}")
            if "Traceback (most" in printed or "this is a bug" in printed:
                why.append("is a bug")
            if SECRET in printed:
                why.append("prints what is outside")
            if snapshot(outside) != around:
                why.append("changes what is outside")
            if why:
                tail = "\n    ".join(line[:300] for line in printed.splitlines()[-6:])
                found.append(f"{title}\n  {action}: {', '.join(why)}\n    {tail}")

        for words in commands(base, rng):
            code, printed = child(lambda words=words: _command(words), output)
            note(" ".join(words), code, printed)
            if words[0] == "status" and words[-1] in ("table", "json") and code == 0:
                if f"{healthy.parent.name}/{healthy.name}" not in printed.replace(
                    '", "run": "', "/"
                ):
                    found.append(f"{title}\n  {' '.join(words)}: does not show the healthy run")
            elif words[0] == "status" and code != 0:
                found.append(
                    f"{title}\n  {' '.join(words)}: exit code {code}\n    {printed[-300:]}"
                )
        for copy in (work / "copy").glob("*"):
            if copy.is_symlink() or copy.stat().st_mode & 0o7000 or SECRET in copy.read_text():
                found.append(f"{title}\n  best --copy-to: {copy.name} is not a plain copy")
        changed = {p for p, v in snapshot(base).items() if before.get(p) != v} | (
            before.keys() - snapshot(base).keys()
        )
        if changed:
            found.append(f"{title}\n  reading changed {sorted(changed)[:3]}")
        note("writing", *child(lambda: _write(base), output))
        for path in base.rglob("*"):  # so that it can be removed
            if not path.is_symlink():
                path.chmod(0o700)
    return found


def _command(words: list[str]) -> int:
    from sweeper.cli.main import main as command

    return command(words)


def rounds(seed: int, until: Callable[[int], bool]) -> tuple[int, list[str]]:
    """Rounds until that says enough: how many, and what was found."""
    for module in LOADED:  # once, before the forks
        importlib.import_module(module)

    found: list[str] = []
    count = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        made = Path(name) / "made"
        made.mkdir()
        child(lambda: make_tree(made) and 0, Path(name) / "output")  # a fork: it leaves a thread
        assert (made / "experiments/grid/sweeps").exists(), (Path(name) / "output").read_text()
        while not until(count):
            found += run_round(made, seed + count)
            count += 1
    return count, found


def main(minutes: float, seed: int) -> int:
    """Fuzz for some minutes; 1 if something was found."""
    end = time.monotonic() + 60 * minutes
    total = 0
    failures = 0
    while time.monotonic() < end:
        count, found = rounds(seed + total, lambda n: n >= 50 or time.monotonic() >= end)
        total += count
        failures += len(found)
        for text in found:
            print(text, flush=True)
    print(f"tree: {total} spoilt trees from seed {seed}, {failures} failures")
    return 1 if failures else 0
