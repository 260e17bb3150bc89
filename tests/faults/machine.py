"""What a fault does to a machine from outside: its storage, its clock, its network."""

from __future__ import annotations

import atexit
import ctypes
import errno
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

SHIM = Path(__file__).with_name("shim.c")
CLONE_NEWUTS = 0x04000000
PR_CAPBSET_DROP = 24
STORAGE_ERRORS = (errno.EIO, errno.EACCES, errno.ESTALE)


@lru_cache(maxsize=1)
def shim() -> Path | None:
    """The library that fails on demand, once compiled; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = Path(tempfile.mkdtemp(prefix="faults-"), "shim.so")
    atexit.register(shutil.rmtree, library.parent)
    words = [compiler, "-O1", "-shared", "-fPIC", str(SHIM), "-o", str(library), "-ldl"]
    return library if subprocess.run(words, check=False).returncode == 0 else None


class Control:
    """Tells the processes that have the shim what to do."""

    def __init__(self, file: Path, below: Path) -> None:
        self.file = file
        self._below = str(below).encode()
        self.seconds = 0
        self.file.write_bytes(bytes(2048))
        self.storage(0)

    @property
    def env(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(shim()), "FAULTS_CONTROL": str(self.file)}

    def storage(
        self, error: int, percent: int = 0, reads: bool = True, writes: bool = True
    ) -> None:
        """Of the calls that read or write below the tree so many end with that errno."""
        self._say = error, percent, reads, writes
        self._write()

    def clock(self, seconds: int) -> None:
        self.seconds = seconds
        self._write()

    def _write(self) -> None:
        with open(self.file, "r+b") as file:  # in place: they have it mapped
            file.write(struct.pack("=qiiii", self.seconds, *self._say) + self._below)


def on_another_host() -> None:
    """In a process that is to have another host's name."""
    if ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0:
        socket.sethostname("another")


def as_no_superuser() -> None:
    """Root may read and write whatever the permissions say."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A file system of its own that is soon full; None where none may be mounted."""
    place = Path(tempfile.mkdtemp(prefix="faults-"))
    words = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(place)]
    mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()
