"""Addresses of object stores, and the directories of this disk that stand for them."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from sweeper.errors import UsageError

SCHEMES = ("s3", "gs", "az")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*):/+([^/]*)/*(.*)", re.DOTALL)


@lru_cache(maxsize=8)
def _mirrors(said: str | None, cache: str | None) -> str:
    return os.path.realpath(Path(said or f"{cache or '~/.cache'}/sweeper/mirrors").expanduser())


def _root() -> str:
    return _mirrors(os.environ.get("SWEEPER_MIRRORS"), os.environ.get("XDG_CACHE_HOME"))


def local(place: Path | str) -> Path:
    """The directory that stands for the address ``place``; what is no address as it is.

    Raises UsageError for an address of another kind. A Path has lost one of its slashes.
    """
    match = _ADDRESS.fullmatch(str(place))
    if match is None:
        return Path(place)
    scheme, bucket, key = match.groups()
    parts = [part for part in key.split("/") if part]
    shown = f"{scheme}://{bucket}/{key}"
    if scheme not in SCHEMES:
        raise UsageError(
            f"{shown}: expected a directory, s3://BUCKET/PREFIX, gs://… or az://…, found the "
            f"address of something else: mount it first, or use one of these"
        )
    if not bucket or ":///" in str(place) or {".", "..", "~"} & {bucket, *parts} or "\0" in shown:
        raise UsageError(
            f"{shown}: expected {scheme}://BUCKET/PREFIX, such as {scheme}://lab/trees"
        )
    return Path(_root(), scheme, bucket, *parts)


def split(path: Path | str) -> tuple[str, str, str] | None:
    """Scheme, bucket and key of what ``path`` stands for; None for a path outside the mirrors."""
    root, text = _root() + "/", os.path.abspath(path)
    if not text.startswith(root):
        return None
    scheme, bucket, key = (*text[len(root) :].split("/", 2), "", "")[:3]
    return (scheme, bucket, key) if scheme in SCHEMES and bucket else None


def shown(path: Path) -> str:
    """Where to find a file: here, or in the store, if it was not brought."""
    return str(path) if path.exists() else named(path)


def named(path: Path | str) -> str:
    """The address that ``path`` stands for, else the path itself."""
    return address_of(path) or str(path)


def address_of(path: Path | str) -> str | None:
    """The address that ``path`` stands for; None for a path outside the mirrors."""
    found = split(path)
    return found and f"{found[0]}://{found[1]}/{found[2]}".rstrip("/")
