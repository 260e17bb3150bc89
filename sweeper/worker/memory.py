"""Memory: who goes first when it is full, whether that is why a process is gone, what it took."""

from __future__ import annotations

import contextlib
import fcntl
import re
import resource
from collections.abc import Iterator
from pathlib import Path

FIRST, NEXT = 1000, 500  # what trains, and what looks after it; the driver and Ray have 0

_KILLS = "oom_kill "
_LOST_A_PROCESS = re.compile(
    r"SIGKILL|BrokenProcessPool|terminated abruptly|exited unexpectedly|signal: Killed|status 137"
)
_ALLOCATION = re.compile(
    r"[\w.]*(MemoryError|ResourceExhaustedError|OutOfMemoryError)\b"
    r"|[\w.]+: RESOURCE_EXHAUSTED|what\(\): +std::bad_alloc"
)
_OF_GPU = re.compile(r"ResourceExhaustedError|OutOfMemoryError|RESOURCE_EXHAUSTED")


def goes(oom_score: int) -> None:
    """Linux: how soon the kernel ends this process, and what it starts, when memory is full.

    Ray gives its workers 1000: one of them would go before the child that has filled it.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(oom_score))


class MemoryWatch:
    """Whether the kernel has ended processes for want of memory since this was made.

    It counts those of the control group of process ``pid``, or of the whole machine where there
    is none.
    """

    def __init__(self, pid: int | str = "self") -> None:
        self._file = next((f for f in _counters(pid) if _number(f, _KILLS) is not None), None)
        self._before = self._kills()

    def _kills(self) -> int:
        return (self._file and _number(self._file, _KILLS)) or 0

    @property
    def killed(self) -> bool:
        return self._kills() > self._before

    def explains(self, text: str) -> bool:
        """Whether memory is why a program has failed with ``text``: its last line, or its error.

        What says that another process of it was killed is believed if one was.
        """
        text = text.strip()
        return bool(_ALLOCATION.match(text) or (_LOST_A_PROCESS.search(text) and self.killed))


def of_gpu(text: str) -> bool:
    """Whether the memory that did not suffice, as the error's ``text`` says, was a GPU's.

    TensorFlow says it of the host's too, in the same words.
    """
    return _OF_GPU.search(text) is not None


def _counters(pid: int | str) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                root, name = Path("/sys/fs/cgroup/memory"), "memory.oom_control"
            elif not controllers:
                root, name = Path("/sys/fs/cgroup"), "memory.events"
            else:
                continue
            place = root / path.lstrip("/")
            # In a container the path may be the host's, and what is mounted its own group.
            yield from (up / name for up in (place, *place.parents) if up.is_relative_to(root))
    yield Path("/proc/vmstat")


def _number(file: Path, begin: str) -> int | None:
    """What the line with this ``begin`` says in a file of the kernel's, if it is there."""
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(begin):
                return int(line.split()[1])
    return None


def forget_peak() -> None:
    """Linux: let :func:`peak` be what this process takes from now on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int | None:
    """The most bytes of memory that this process had, where the system says it."""
    found = _number(Path("/proc/self/status"), "VmHWM:")  # in KiB
    return None if found is None else found * 1024


def peak_of(usage: resource.struct_rusage) -> int:
    """The same, of processes that have ended."""
    return usage.ru_maxrss * 1024


@contextlib.contextmanager
def room(directory: Path, alone: bool) -> Iterator[None]:
    """Within, no trial of the launch runs ``alone`` on this node, or none but this one runs.

    ``directory`` is the session's. Who is to be alone waits for those who are there, and lets
    nobody in meanwhile.
    """
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with open(directory / "door", "a") as door, open(directory / "room", "a") as inside:
        fcntl.flock(door, how)
        fcntl.flock(inside, how)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:  # said, not left to the closing: a fork of the user's may have them, too
            fcntl.flock(inside, fcntl.LOCK_UN)
            fcntl.flock(door, fcntl.LOCK_UN)
