"""Keys of a sweep file that name things: directories, and the groups of an identity."""

from __future__ import annotations

import os.path
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from sweeper.wording import all_of, nearest, one_of

from .report import Report
from .yamlfile import KeyPath


def directory_name(report: Report, raw: Any, key: KeyPath) -> str | None:
    """A name that stays inside the storage directory, or None."""
    mend = f'quote it: {key[-1]}: "{raw}"' if isinstance(raw, (int, float)) else ""
    if not isinstance(raw, str) or not raw.strip():
        report.expected(key, "a name", raw, mend)
        return None
    parts = PurePosixPath(raw).parts
    if raw.startswith(("/", "~")) or ".." in parts or not parts:
        report.add(
            key,
            f"expected a name inside `storage`, found {raw!r}",
            "a name has no `..` and is not absolute; use `storage` to put it elsewhere",
        )
        return None
    if any(ord(character) < 32 or ord(character) == 127 for character in raw):
        report.expected(key, "a name without control characters", raw)
        return None
    if any(len(part.encode()) > 200 for part in parts):
        report.add(key, "expected a name of at most 200 bytes", "file systems have no longer ones")
        return None
    return str(PurePosixPath(raw))


def storage(report: Report, raw: Any) -> Path:
    if raw is None:
        raw = "experiments"
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        report.expected(("storage",), "a directory", raw, "for example `storage: experiments`")
        return Path.cwd()
    if "://" in raw:
        report.add(
            ("storage",), f"expected a directory, found the address {raw!r}", "mount it first"
        )
        return Path.cwd()
    path = Path(raw).expanduser()
    return Path(os.path.normpath(Path.cwd() / path))


def monitored(
    report: Report, raw: Any, names: Sequence[str], conditional: Collection[str] = ()
) -> tuple[Any, ...]:
    """Top-level keys of the parameter dict, or lists of them that are one group together.

    ``conditional`` are the names that some trials do not have.
    """
    key = ("monitored",)
    if isinstance(raw, str):
        report.expected(key, "a list of names", raw, f"write `monitored: [{raw}]`")
        return ()
    if not isinstance(raw, list) or not raw:
        report.expected(key, "a list of names of top-level parameters", raw)
        return ()
    found: list[str | tuple[str, ...]] = []
    for index, element in enumerate(raw):
        group = element if isinstance(element, list) else [element]
        for place, name in enumerate(group):
            if not isinstance(name, str) or name not in names:
                close = nearest(str(name), names)
                if not close and isinstance(name, str) and name.split(".")[0] in names:
                    close = [name.split(".")[0]]
                mend = (
                    f"did you mean `{close[0]}`?"
                    if close
                    else f"there are {all_of(names)}"
                    if names
                    else ""
                )
                at = (*key, index, place) if isinstance(element, list) else (*key, index)
                report.expected(at, "the name of a top-level parameter or group", name, mend)
        if not group:
            report.expected((*key, index), "at least one name", element)
        elif all(isinstance(name, str) and name in conditional for name in group):
            always = [name for name in names if name not in conditional]
            report.add(
                (*key, index),
                f"not every trial has {one_of(f'`{name}`' for name in group)}, which has a `when`",
                f"name it together with another: [{always[0]}, {group[0]}]" if always else "",
            )
        found.append(tuple(map(str, group)) if isinstance(element, list) else str(element))
    flat = [
        name for element in found for name in ([element] if isinstance(element, str) else element)
    ]
    for name in sorted({name for name in flat if flat.count(name) > 1}):
        report.add(key, f"`{name}` stands twice", "name each group once")
    return tuple(found)
