"""Keys of a sweep file that name places: `name`, `sweep_name`, `storage`, `link`."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

from sweeper import store
from sweeper.errors import UsageError

from .keys import FIELDS
from .problems import Problems
from .yaml12 import KeyPath


def directory_name(problems: Problems, raw: Any, key: KeyPath) -> str | None:
    """A name that stays inside the storage directory, or None."""
    mend = f'quote it: {key[-1]}: "{raw}"' if isinstance(raw, (int, float)) else ""
    if not isinstance(raw, str) or not raw.strip():
        problems.expected(key, "a name", raw, mend)
        return None
    parts = PurePosixPath(raw).parts
    if raw.startswith(("/", "~")) or ".." in parts or not parts:
        problems.add(
            key,
            f"expected a name inside `storage`, found {raw!r}",
            "a name has no `..` and is not absolute; use `storage` to put it elsewhere",
        )
        return None
    if any(ord(character) < 32 or ord(character) == 127 for character in raw):
        problems.expected(key, "a name without control characters", raw)
        return None
    if any(len(os.fsencode(part)) > 200 for part in parts):
        problems.add(
            key, "expected a name of at most 200 bytes", "file systems have no longer ones"
        )
        return None
    return str(PurePosixPath(raw))


def storage(problems: Problems, raw: Any) -> Path:
    """The storage directory, absolute; the current one, and a complaint, if it is none."""
    if raw is None:
        raw = FIELDS["storage"].default
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        problems.expected(("storage",), "a directory", raw, "for example `storage: experiments`")
        return Path.cwd()
    try:
        raw = str(store.local(raw))
    except UsageError as error:
        problems.add(("storage",), str(error))
        return Path.cwd()
    path = os.path.expanduser(raw)
    if path.startswith("~"):
        problems.add(("storage",), f"there is no user of this name: {raw!r}")
    if any(len(os.fsencode(part)) > 255 for part in Path(path).parts):
        problems.add(("storage",), "expected names of at most 255 bytes")
    return Path(os.path.normpath(Path.cwd() / path))


def links(problems: Problems, raw: Any, own: bool) -> tuple[str, ...]:
    """What the ``own`` directory of each trial links to: paths below that of the launch."""
    if raw is None:
        return ()
    mend = f"write `link: [{raw}]`" if isinstance(raw, str) else ""
    listed = problems.items(("link",), "a list of paths", raw, mend, least=0)
    if not own:
        problems.add(("link",), "`link` has no meaning without `cwd: run`", "add `cwd: run`")
    found: list[str] = []
    for index, path in enumerate(listed):
        key: KeyPath = ("link", index)
        if not isinstance(path, str) or not path or "\0" in path:
            problems.expected(key, "a path", path, "for example `link: [data, conf]`")
            continue
        normal = os.path.normpath(path)
        parts = Path(normal).parts
        if os.path.isabs(path) or path.startswith("~") or normal == "." or parts[0] == "..":
            message = f"expected a path below the directory of the launch, found {path!r}"
            problems.add(key, message, "what is elsewhere the program finds by its absolute path")
        above = [other for other in found if _contains(other, normal) or _contains(normal, other)]
        if above:
            message = f"{path!r} and {above[0]!r} cannot both be linked"
            problems.add(key, message, "name the one that contains the other, alone")
        found.append(normal)
    return tuple(found)


def _contains(path: str, other: str) -> bool:
    return Path(other).is_relative_to(path)
