"""What went wrong with a file, in words: cut or garbled; or not to be read or written at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import TreeError


class TornFile(TreeError):
    """A file was cut or garbled; ``path`` names it."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path}: expected a whole file, found {why}")


def torn(path: Path, error: Exception) -> TreeError:
    """What ``error``, raised by reading all of ``path``, says: that it is torn, or unreadable."""
    # A cut archive sends its reader to places that there are not: EINVAL.
    if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.EINVAL):
        return storage_error("read", path, error)
    return TornFile(path, f"{type(error).__name__}: {error}")


def storage_error(action: str, path: Path, error: OSError) -> TreeError:
    """What could not be done to which file, why, and what to do."""
    reason = error.strerror or str(error)
    mend = {
        errno.ENOSPC: "free some space, then launch again: what was written is whole",
        errno.EDQUOT: "raise the quota, then launch again: what was written is whole",
        errno.EROFS: "the storage is read-only: choose another with --storage",
        errno.EACCES: "mend the permissions, or choose another --storage",
        errno.ENOENT: "was the directory removed or unmounted?",
    }.get(error.errno or 0, "look at the storage")
    return TreeError(f"{path}: cannot {action}: {reason}; {mend}")


@contextlib.contextmanager
def tree_errors(action: str, path: Path) -> Iterator[None]:
    """Within, an OSError becomes a TreeError that says what could not be done to which file."""
    try:
        yield
    except OSError as error:
        raise storage_error(action, path, error) from error
