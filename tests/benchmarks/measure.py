"""Running one contender from start to exit, and watching what it uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import MARK, Process, Watched

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.2
MEMORY_EVERY = 5  # looks: reading PSS makes the kernel walk every page table
LEFT_SECONDS = 10.0  # what a contender leaves behind may end by itself for so long
LIMIT_SECONDS = 1800.0

OnLook = Callable[[list[Process]], None]


@dataclass(frozen=True)
class Measured:
    """What one execution of a contender took.

    ``started`` and ``ended`` are seconds since the epoch, ``wall`` and ``cpu`` seconds, ``peak``
    the highest sum of PSS in bytes; ``left`` are the commands of processes that had to be killed.
    """

    started: float
    ended: float
    wall: float
    cpu: float
    peak: int
    left: tuple[str, ...]


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary directory, removed in the end; short, for Ray puts sockets below it."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def measure(
    commands: Sequence[Sequence[str]], directory: Path, on_look: OnLook | None = None
) -> Measured:
    """Run ``commands`` at once until all have ended; ``directory`` takes what they write.

    ``on_look`` is given the living processes, memory read, once a second. Raises
    ``SystemExit`` with the end of its output if a command fails or takes longer than half an hour.
    """
    token = secrets.token_hex(8)
    watched = Watched(token)
    environment = {
        **os.environ,
        MARK: token,
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": str(directory),
        "TMPDIR": str(directory),
    }
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        turn = 0
        while not done.wait(LOOK_SECONDS):
            memory = turn % MEMORY_EVERY == 0
            living = watched.look(memory)
            if memory:
                peak = max(peak, sum(process.pss for process in living))
                if on_look is not None:
                    on_look(living)
            turn += 1

    output = directory / "output.log"
    watcher = threading.Thread(target=watch, daemon=True)
    started, clock = time.time(), time.perf_counter()
    running: list[subprocess.Popen[bytes]] = []
    try:
        with open(output, "ab") as log:
            for command in commands:
                running.append(
                    subprocess.Popen(
                        command,
                        cwd=ROOT,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                    )
                )
        watcher.start()
        codes = [process.wait(LIMIT_SECONDS) for process in running]
        wall, ended = time.perf_counter() - clock, time.time()
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"{error}\n{_tail(output)}") from None
    finally:
        done.set()
        if watcher.is_alive():
            watcher.join()
        left = _end(watched, patient=all(process.poll() is not None for process in running))
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
    if any(codes):
        raise SystemExit(f"exit codes {codes} of {commands}\n{_tail(output)}")
    return Measured(started, ended, wall, watched.cpu_seconds(), peak, left)


def _end(watched: Watched, patient: bool) -> tuple[str, ...]:
    deadline = time.monotonic() + (LEFT_SECONDS if patient else 0.0)
    while watched.look(memory=False) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return tuple(process.command[:100] for process in watched.kill())


def _tail(path: Path, lines: int = 40) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
