"""What is opened in a tree: regular files and directories, no links followed, nothing waited for.

A tree may come from anybody. A link could lead to any file of whoever reads it, or writes; a FIFO
or a device would be waited for, or never end; a file of nothing but a size would fill the memory.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweeper.errors import TreeError

from .file_errors import TornFile, storage_error, tree_errors

MOST = 32 << 20
"""A larger record is none of ours."""

_CHUNK = 1 << 16
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFREG: "a file",
}


def open_file(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file. Raises TreeError for anything else, OSError."""
    try:
        fd = os.open(path, flags | _FLAGS, 0o666)  # a third of what open() takes
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _foreign(path, "a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _foreign(path, "a regular file")
    return fd


def _foreign(path: Path | str, expected: str) -> TreeError:
    kind = _KINDS.get(stat.S_IFMT(os.lstat(path).st_mode), "something else")
    return TreeError(
        f"{path}: expected {expected}, found {kind}: it is neither read nor written; "
        "put what belongs there in its place, or remove it"
    )


def read_bytes(path: Path | str, most: int = MOST) -> bytes | None:
    """The content of ``path``, or None where there is no such file.

    Raises TornFile if it has more than ``most`` bytes, TreeError if it cannot be read.
    """
    try:
        fd = open_file(path)
        try:
            if (size := os.fstat(fd).st_size) <= most:
                data = os.read(fd, size)
                while len(data) < size and (more := os.read(fd, size - len(data))):
                    data += more
                return data  # as it was when it was opened: a log may grow
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error("read", Path(path), error) from error
    raise TornFile(Path(path), f"{size:,} bytes, where at most {most:,} are expected")


def read_end(path: Path | str, most: int) -> tuple[int, bytes]:
    """The size of a regular file, and its last ``most`` bytes at most. Raises TreeError."""
    with tree_errors("read", Path(path)):
        fd = open_file(path)
        try:
            size = os.fstat(fd).st_size
            return size, os.pread(fd, min(most, size), max(0, size - most))
        finally:
            os.close(fd)


def names(path: Path | str, *, follow: bool = False) -> list[str]:
    """The names in a directory; none where there is no such directory. Raises TreeError."""
    try:
        fd = os.open(path, os.O_DIRECTORY | (_FLAGS & ~os.O_NOFOLLOW if follow else _FLAGS))
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        refuse_link(path)
        return []
    except OSError as error:
        raise storage_error("list", Path(path), error) from error


def is_regular(path: Path | str) -> bool:
    """Is there a regular file at ``path``, and no link to one?"""
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


def refuse_link(path: Path | str) -> None:
    """Raise TreeError if there is a link at ``path``."""
    if os.path.islink(path):
        raise _foreign(path, "a directory")


def refuse_foreign(directory: Path | str, only: Iterable[str] | None = None) -> None:
    """Raise TreeError for what is neither a file nor a directory, anywhere below; if it is there.

    ``only`` these names are looked at, and not what is below them.
    """
    for entry in entries(directory, below=only is None):
        plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
        if not plain and (only is None or entry.name in only):
            raise _foreign(entry.path, "a regular file or directory")


def entries(directory: Path | str, *, below: bool = True) -> Iterator[os.DirEntry[str]]:
    """What is in ``directory``, and ``below`` it at any depth, each directory before what it holds.

    Nothing where there is no such directory; no link is followed. Raises TreeError.
    """
    refuse_link(directory)
    waiting = [os.fspath(directory)]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as found:
                for entry in found:
                    yield entry
                    if below and entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise storage_error("list", Path(path), error) from error


def contents(
    directory: Path, most: int | None = None, total: int = 1 << 62
) -> Iterator[tuple[str, bytes]]:
    """Every file below ``directory`` by its path from there; none without it. Raises TreeError."""
    for entry in entries(directory):
        if entry.is_dir(follow_symlinks=False):
            continue
        data = read_bytes(entry.path, min(most or total, total))
        if data is not None:
            total -= len(data)
            yield os.path.relpath(entry.path, directory), data


def copy(source: Path | str, target: Path | str) -> None:
    """Copy the content of a regular file into a new one: no mode, no time. Raises TreeError."""
    with tree_errors("copy", Path(source)):
        read = open_file(source)
        try:
            with open(target, "xb", buffering=0) as file:
                while data := os.read(read, _CHUNK):
                    file.write(data)
        finally:
            os.close(read)


def copy_tree(source: Path, target: Path, *, link: bool = False) -> None:
    """Copy what lies below ``source`` into the new directory ``target``, its contents alone.

    With ``link`` the files are linked where the storage can. Raises TreeError.
    """
    with tree_errors("copy", source):
        os.makedirs(target)
    for entry in entries(source):
        there = target / os.path.relpath(entry.path, source)
        if entry.is_dir(follow_symlinks=False):
            with tree_errors("make the directory", there):
                os.mkdir(there)
        elif not (link and _linked(entry.path, there)):
            copy(entry.path, there)


def _linked(source: str, target: Path) -> bool:
    try:
        os.close(open_file(source))
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
