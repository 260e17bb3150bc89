"""From what a user names (a sweep file, a directory, a storage) to the trials of its sweeps."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sweeper import store
from sweeper.errors import SweeperError, TreeError, UsageError
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import Tree, as_set, files, program_of
from sweeper.wording import counted, nearest, printable

from .index import Index, index_directory, index_sweep

STORED = "sweep.yaml"
DEFAULT_STORAGE = "experiments"
MOST_DIRECTORIES = 10_000  # where a storage has more, the rest is not looked at
_DEEPEST = 4  # a base directory may be `storage/team/project/name`


def load_target(
    path: Path, overrides: Sequence[str] = (), text: str | None = None, **changes: Any
) -> Sweep:
    """The sweep of a file, as ``load_sweep`` has it; of one that lies in a tree, over that tree.

    A copy of a tree holds its sweeps as ``sweeps/<name>/sweep.yaml``: the place that such a file
    remembers is that of the tree it was copied from. ``changes`` and ``overrides`` win. What was
    set in its tree (`sweeper set`) counts.
    """
    if text is not None:  # what stands for a file where ``path`` is a program
        return as_set(load_sweep(path, overrides, text=text, **changes))
    home = _home_of(path)
    if home is not None:
        files.read_bytes(path)  # no link, nor another trap
        base = home.parent.parent
        Tree(base).home(home.name)
        here = {"storage": base.parent, "name": base.name, "sweep_name": home.name}
        said = {text.partition("=")[0].strip() for text in overrides}
        said |= {key for key, value in changes.items() if value is not None}
        changes |= {key: value for key, value in here.items() if key not in said}
    return as_set(load_sweep(path, overrides, stored=home is not None, **changes))


def _home_of(path: Path) -> Path | None:
    """The ``sweeps/<name>`` of a tree in which a sweep file lies; None for most."""
    homes = (path.parent.absolute(), path.parent.resolve(), path.resolve().parent)
    return next((h for h in homes if path.name == STORED and _is_home(h)), None)


def open_index(
    target: Path,
    overrides: Sequence[str] = (),
    *,
    storage: Path | None = None,
    name: str | None = None,
    seed: int | None = None,
    tree: Callable[[Path], Tree] = Tree,
) -> Index:
    """Read the tree that ``target`` names; ``tree`` makes it of its base directory.

    ``target`` is a sweep file; or a base directory; or a ``sweeps/<name>`` directory in one. A
    directory that is not found is looked for below ``storage`` too, so that a base directory's
    name is enough. A base directory with one stored sweep means that sweep, another one all runs.

    Raises UsageError, SpecError for a sweep file that is invalid, TreeError.
    """
    target = store.local(target)
    store.refresh(target)
    if target.is_file():
        home = _home_of(target)
        if home is not None and not (storage or name or seed or overrides):
            return _stored(tree(home.parent.parent), home)
        sweep = load_target(target, overrides, storage=storage, name=name, seed=seed)
        store.refresh(sweep.base_dir)
        index = index_sweep(sweep, tree(sweep.base_dir))
        if not any(entry.record for entry in index.entries) and not index.notes:
            index.notes.append(runs_elsewhere(sweep) or f"{sweep.title}: no run in {index.base}")
        return index
    if overrides or name is not None or seed is not None:
        what = "KEY=VALUE" if overrides else "--name" if name is not None else "--seed"
        raise UsageError(f"{target}: {what} changes a sweep file, but this is none: leave it out")
    below = store.local(storage or DEFAULT_STORAGE) / target
    store.refresh(below)
    for directory in (target, below):
        if directory.is_dir():
            return _open_directory(directory.resolve(), tree)
    above = [place / below for place in Path.cwd().parents]
    beside = [path.name for path in target.parent.glob("*.y*ml") if path.is_file()]
    offers = [place for place in above if place.is_dir()]
    offers += map(target.with_name, nearest(target.name, beside))
    raise UsageError(
        f"{target}: expected a sweep file, a base directory or a sweeps/<name> directory in it, "
        f"found nothing there, nor in {(storage or Path(DEFAULT_STORAGE)).absolute()}; "
        f"{f'did you mean {offers[0]}?' if offers else 'look at the spelling'}"
    )


def _open_directory(directory: Path, tree: Callable[[Path], Tree]) -> Index:
    if _is_home(directory):
        return _stored(tree(directory.parent.parent), directory)
    if not _is_base(directory):
        raise UsageError(
            f"{directory}: expected a base directory (with exp-… in it) or a sweeps/<name> "
            f"directory of one, found neither{_offer(directory)}"
        )
    stored = _stored_in(directory)
    if len(stored) == 1:
        return _stored(tree(directory), stored[0])
    index = index_directory(tree(directory), directory.name)
    if stored:
        index.notes.append(
            f"{len(stored)} sweeps are stored here, so all runs are shown{_of_programs(index)}; "
            f"name one to see it alone: {', '.join(printable(str(path)) for path in stored)}"
        )
    return index


def _of_programs(index: Index) -> str:
    found = {str(program_of(record)) for record in index.records()} - {"None"}
    return f", of {len(found)} programs" if len(found) > 1 else ""


def _is_home(directory: Path) -> bool:
    """Is this ``sweeps/<name>`` of a base directory?"""
    if directory.parent.name != "sweeps" or not _is_base(directory.parent.parent):
        return False
    return (directory / STORED).is_file() or not _is_base(directory)


def _is_base(directory: Path) -> bool:
    return any(directory.glob("exp-*")) or bool(_stored_in(directory))


def _stored_in(base: Path) -> list[Path]:
    """The homes of the sweeps that are stored in a tree; a link is none."""
    homes = Tree(base).sweeps
    with contextlib.suppress(TreeError):
        found = (homes / name for name in sorted(files.names(homes)))
        return [h for h in found if not os.path.islink(h) and files.is_regular(h / STORED)]
    return []


def _offer(directory: Path) -> str:
    sweeps = sorted(path.name for path in directory.glob("*.y*ml"))
    bases = sorted(path.name for path in directory.iterdir() if path.is_dir() and _is_base(path))
    found = sweeps or bases
    return f"; did you mean {printable(str(directory / found[0]))}?" if found else ""


def _stored(tree: Tree, home: Path) -> Index:
    """The sweep stored in ``home``, over its ``tree``, wherever that has been moved to."""
    path = home / STORED
    if path.is_file():
        try:
            sweep = load_target(path)
        except SweeperError as error:
            note = f"{path}: cannot be read as a sweep, so the runs that name it are shown: {error}"
        else:
            return index_sweep(sweep, tree)
    else:
        note = f"{path}: not there, so the runs that name this sweep are shown"
    index = index_directory(tree, home.name, home.name)
    index.notes.append(note)
    return index


def sweeps_below(target: Path) -> list[Path]:
    """The sweeps that ``target`` names: itself, or all that lie below the storage that it is.

    Each is a ``sweeps/<name>`` directory, or a base directory that stores none. No link below
    ``target`` is followed. Raises UsageError if there is no such directory.
    """
    target = store.local(target)
    store.refresh(target)
    if target.is_file():
        return [target]
    if not target.is_dir():
        default = target == Path(DEFAULT_STORAGE)
        mend = "launch a sweep here, or name the storage" if default else "look at the spelling"
        raise UsageError(f"{target}: expected a storage or a sweep, found nothing there: {mend}")
    if _is_home(target):
        return [target]
    return [place for base in _bases(target) for place in _stored_in(base) or [base]]


def is_storage(target: Path) -> bool:
    """Is this a directory that holds sweeps' base directories, and is none itself?"""
    target = store.local(target)
    store.refresh(target)
    if not target.is_dir() or _is_home(target) or _is_base(target):
        return False
    return any(_bases(target))


def _bases(storage: Path) -> Iterator[Path]:
    waiting = deque([(storage.resolve(), 0)])
    for _ in range(MOST_DIRECTORIES):
        if not waiting:
            return
        path, depth = waiting.popleft()
        with contextlib.suppress(OSError, TreeError):
            if _is_base(path):
                yield path
            elif depth < _DEEPEST:
                inside = files.entries(path, below=False)
                found = (e.name for e in inside if e.is_dir(follow_symlinks=False))
                waiting += ((path / n, depth + 1) for n in sorted(found) if n[0] != ".")


def storages_elsewhere(sweep: Sweep) -> list[Path]:
    """Where the tree of ``sweep`` is, too.

    Looked at is the same storage in the directories above the sweep file and the current one.
    """
    here = Path.cwd()
    if not sweep.storage.is_relative_to(here):
        return []
    places = [*sweep.path.resolve().parents, *here.parents]
    storages = dict.fromkeys(place / sweep.storage.relative_to(here) for place in places)
    return [s for s in storages if s != sweep.storage and (s / sweep.name).is_dir()]


def runs_elsewhere(sweep: Sweep) -> str:
    """Where the runs of ``sweep`` are if its tree has none, and how to use them; else empty."""
    others = storages_elsewhere(sweep)
    if not others or any(entry.record for entry in index_sweep(sweep).entries):
        return ""
    for storage in others:
        base = storage / sweep.name
        runs = [e for e in index_sweep(sweep, Tree(base)).entries if e.record is not None]
        if runs:
            done = sum(entry.status == "finished" for entry in runs)
            found = f"{counted(len(runs), 'trial')} with runs ({done} finished) in {base}"
            mend = f"to use them add --storage {shlex.quote(str(storage))}"
            return f"{sweep.title}: no run in {sweep.base_dir}, but {found}: {mend}"
    return ""
