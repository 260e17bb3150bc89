"""All file operations of a run: whole files or none, honouring the umask, naming what is torn.

A file changes by being written beside, flushed to disk and renamed; a file that may appear only
once is linked into place; a log grows by whole lines. Only regular files and directories are
opened, and no link is followed. A remote store would be put under this one module.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError

from .file_errors import TornFile, torn, tree_errors
from .json_text import check_json, dump_json, read_json
from .regular import (
    MOST,
    contents,
    copy,
    copy_tree,
    entries,
    is_regular,
    names,
    open_file,
    read_bytes,
    read_end,
    refuse_foreign,
    refuse_link,
)

_counter = itertools.count()
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

Guard = Callable[[], None]
"""Called just before a change becomes visible; raises (LeaseLost) to forbid it."""


def scratch_beside(path: Path) -> Path:
    """A hidden name beside ``path`` that no other process or call uses."""
    unique = f"{os.getpid()}-{next(_counter)}-{os.urandom(4).hex()}"
    return path.parent / f".{path.name[:80]}.{unique}.tmp"


def _write_new(path: Path, data: bytes, durable: bool) -> None:
    # os.open, not mkstemp: the mode then follows the umask, and colleagues can read the file.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def sync(path: Path) -> None:
    """Flush a file that others have written, or a directory. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: Path) -> None:
    """Flush a directory, so that a rename in it outlives a power cut."""
    with contextlib.suppress(OSError):  # some file systems cannot; the rename is still atomic
        sync(path)


def write_bytes(
    path: Path, data: bytes, *, guard: Guard | None = None, durable: bool = True
) -> None:
    """Replace ``path`` by ``data``, whole or not at all. Raises TreeError, or what guard raises."""
    scratch = scratch_beside(path)
    try:
        with tree_errors("write", path):
            _write_new(scratch, data, durable)
        replace(scratch, path, guard=guard)
    except BaseException:
        remove(scratch)
        raise


def write_json(path: Path, value: Any, *, guard: Guard | None = None, durable: bool = True) -> None:
    """Replace ``path`` by ``value`` as JSON; see :func:`dump_json` for NaN and infinity."""
    write_bytes(path, dump_json(value).encode(), guard=guard, durable=durable)


def create_once(
    path: Path, data: bytes, *, guard: Guard | None = None, durable: bool = True
) -> bool:
    """Create ``path`` whole; False if it exists already: the first writer wins."""
    scratch = scratch_beside(path)
    try:
        with tree_errors("write", path):
            _write_new(scratch, data, durable)
        if guard is not None:
            guard()
        with tree_errors("write", path):
            try:
                try:
                    os.link(scratch, path)
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    if not _rename_new(scratch, path):
                        _write_new(path, data, durable)  # exclusive still, but seen while it grows
            except FileExistsError:
                return False
    finally:
        remove(scratch)
    if durable:
        sync_directory(path.parent)
    return True


def _rename_new(source: Path, target: Path) -> bool:
    """Rename a file to a new name, which raises FileExistsError for one that is taken.

    False where that cannot be done (renameat2(2)).
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    here, no_replace = -100, 1  # AT_FDCWD, RENAME_NOREPLACE
    if rename(here, os.fsencode(source), here, os.fsencode(target), no_replace) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(target)
    return False


_shared: dict[bytes, Path] = {}


def write_shared(path: Path, data: bytes) -> None:
    """Write a file that never changes; many runs with the same content share the space of one."""
    earlier = _shared.get(data)
    if earlier is not None:
        with contextlib.suppress(OSError):
            os.link(earlier, path)
            return
    write_bytes(path, data, durable=False)
    _shared.clear()
    _shared[data] = path


def open_to_append(path: Path) -> int:
    """A descriptor whose writes go to the end of ``path``. Raises TreeError, OSError."""
    fd = open_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    if os.fstat(fd).st_nlink > 1:  # a file of another place, or of a copy of this tree
        os.close(fd)
        raise TreeError(
            f"{path}: expected a file of its own, found one with another name elsewhere (a hard "
            "link), which is not written: put a copy in its place"
        )
    return fd


def append(path: Path, data: bytes, *, guard: Guard | None = None, durable: bool = True) -> None:
    """Add ``data`` (whole lines) to ``path`` in one write; nothing if it does not fit."""
    if guard is not None:
        guard()
    with tree_errors("append to", path):
        fd = open_to_append(path)
        try:
            size = os.fstat(fd).st_size
            written = os.write(fd, data)
            if written < len(data):  # a full disk takes a part: leave no torn line behind
                os.ftruncate(fd, size)
                os.write(fd, data)  # raises ENOSPC, or succeeds now that there is room
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)


def exists(path: Path) -> bool:
    """Is there something at ``path``? Raises TreeError where that cannot be told."""
    with tree_errors("look at", path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def modified(path: Path) -> float:
    """When ``path`` was last touched, by the storage's clock. Raises TreeError."""
    with tree_errors("look at", path):
        return os.lstat(path).st_mtime


def now(directory: Path) -> float:
    """The time by the clock that dates files there; this machine's if none can be written."""
    scratch = scratch_beside(directory / "now")
    try:
        _write_new(scratch, b"", durable=False)
        return os.stat(scratch).st_mtime
    except OSError:
        return time.time()
    finally:
        remove(scratch)


def make_directory(path: Path, *, parents: bool = False) -> None:
    """Make ``path`` unless it is there, as the umask says, and with ``parents`` those above it.

    Else a tree that has been renamed or removed in the middle of a launch would come into being
    again where it was.
    """
    with tree_errors("make the directory", path):
        path.mkdir(parents=parents, exist_ok=True)


def make_link(path: Path, target: Path) -> None:
    """Make ``path`` a link to ``target``, in place of another link. Raises TreeError."""
    with tree_errors("link", path):
        if os.path.islink(path):
            os.unlink(path)
        os.symlink(target, path)


def move(source: Path, target: Path) -> bool:
    """Rename; False when ``target`` is a directory that holds something already."""
    with tree_errors("rename to", target):
        try:
            os.rename(source, target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
    return True


def replace(source: Path, target: Path, *, guard: Guard | None = None) -> None:
    """Rename the file ``source`` over ``target``; whoever needs it flushed calls ``sync``."""
    if guard is not None:
        guard()
    with tree_errors("write", target):
        os.replace(source, target)


def remove(path: Path) -> None:
    """Remove a file or a whole directory, if it is there. Never raises: what stays is harmless."""
    with contextlib.suppress(OSError, RecursionError):  # too deep for rmtree
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def remove_empty(directory: Path) -> bool:
    """Remove a directory in which nothing is; false if there is none."""
    with contextlib.suppress(OSError):
        os.rmdir(directory)
        return True
    return False


def set_aside(path: Path, aside: Path) -> Path | None:
    """Move ``path`` into the directory ``aside`` under a new name; None if it is not there."""
    if not exists(path):
        return None
    make_directory(aside)
    for number in itertools.count(1):
        target = aside / f"{number:03d}-{path.name.lstrip('.')}"
        if not exists(target) and move(path, target):
            return target
    return None


def remove_scratch(directory: Path) -> None:
    """Remove what a killed writer left half written in ``directory``.

    Not the scratch of a lease: it may belong to a living process that is about to be refused.
    """
    for name in names(directory):
        # A model's scratch file has one suffix more.
        if name.startswith(".") and ".tmp" in name and not name.startswith(".lease"):
            remove(directory / name)


def size(directory: Path) -> int:
    """The bytes of every file below ``directory``; what vanishes meanwhile counts nothing."""
    total = 0
    with contextlib.suppress(TreeError):
        for entry in entries(directory):
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total
