"""The output of a run: everything that its process prints, C++ libraries included, and how it was
ended from outside."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import TreeError
from sweeper.tree import files


@contextlib.contextmanager
def redirected(path: Path) -> Iterator[None]:
    """Within, file descriptors 1 and 2 append to ``path``; they are restored whatever happens.

    Raises TreeError if the file cannot be opened.
    """
    try:
        target = files.open_to_append(path)
    except OSError as error:
        raise TreeError(f"{path}: cannot be opened for the run's output: {error}") from error
    _flush()
    saved = os.dup(1), os.dup(2)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        _flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for fd in (*saved, target):
            os.close(fd)


def add_line(path: Path, text: str, guard: files.Guard, make: bool = False) -> None:
    """Say in a run's output what became of it: its process, killed or to be, cannot.

    A run that has none says nothing, unless it is to ``make`` one.
    """
    with contextlib.suppress(OSError):
        try:
            with os.fdopen(files.open_file(path), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                torn = file.read() not in (b"", b"\n")  # a progress bar, say
        except FileNotFoundError:
            if not make:
                return
            torn = False
        line = f"\nsweeper: {text}\n" if torn else f"sweeper: {text}\n"
        files.append(path, line.encode(), guard=guard, durable=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a closed or replaced stream has nothing to lose
            stream.flush()
