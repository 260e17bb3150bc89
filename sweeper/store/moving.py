"""``sweeper pull`` and ``push``: all of a directory, to or from an address."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sweeper.errors import UsageError

from .addresses import local
from .mirror import in_order, write
from .objects import Bucket, Meta, bucket_at

_SMALL = 1 << 22


def pull(address: str, directory: Path) -> int:
    """Copy what is at ``address`` and not in ``directory``, or other there; how many files."""
    bucket, key = _place(address)
    objects = bucket.list(key)
    if not objects:
        raise UsageError(f"{address}: expected a tree, found nothing there: look at the spelling")

    def one(meta: Meta) -> bool:
        name, dated = meta["path"][len(key) + 1 if key else 0 :], meta["last_modified"].timestamp()
        path = directory / name
        if ".." in Path(name).parts:
            return False
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if found.st_mtime >= dated and found.st_size == meta["size"]:
                return False
        write(path, bucket.pieces(meta["path"]), int(dated * 1e9))
        return True

    wanted = [meta for meta in objects if not _is_left_out(meta["path"].rpartition("/")[2])]
    return in_order(one, wanted, lambda meta: meta["path"])


def push(directory: Path, address: str) -> int:
    """Copy what is in ``directory`` and not at ``address``, or older there; how many files.

    An outcome goes last, when all that it stands for is there.
    """
    bucket, key = _place(address)
    if not directory.is_dir():
        raise UsageError(f"{directory}: expected a directory, found none: look at the spelling")
    there = {meta["path"]: meta for meta in bucket.list(key)}

    def one(path: Path) -> bool:
        name = "/".join(filter(None, (key, path.relative_to(directory).as_posix())))
        meta, found = there.get(name), os.lstat(path)
        if (
            meta
            and meta["last_modified"].timestamp() >= found.st_mtime
            and meta["size"] == found.st_size
        ):
            return False
        with open(path, "rb") as file:
            bucket.put(name, file.read() if found.st_size < _SMALL else file)
        return True

    paths = [Path(place, name) for place, _, names in os.walk(directory) for name in names]
    paths = [p for p in paths if p.is_file() and not p.is_symlink() and not _is_left_out(p.name)]
    return in_order(one, paths, str)


def _is_left_out(name: str) -> bool:
    return name.startswith((".", "lease."))


def _place(address: str) -> tuple[Bucket, str]:
    if (at := bucket_at(local(address))) is None:
        raise UsageError(f"{address}: expected an address such as s3://BUCKET/PREFIX, found none")
    return at
