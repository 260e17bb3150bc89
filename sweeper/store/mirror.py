"""From a store into its mirror: what has changed, and of that what is asked for.

A file that was brought carries its object's tag in its time, so that one listing tells what has
changed. A run that was written here has a ``.sent.json``: what the store holds of it. Until it is
whole there it is ahead of the store, or equal to it, and is sent, not brought.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .addresses import split
from .objects import Bucket, Meta, bucket_at
from .state import state

T = TypeVar("T")

MARKER = ".sent.json"
MODELS = ".models.json"
AT_ONCE = 32
FRESH_SECONDS = 2.0
_RUN = re.compile(r"run--.+|\.new-.+")
_RECORD = re.compile(
    r"(hyperparameters|run|performances|outcome|lease\.\d+)\.json|training-logs\.csv"
)
_OF_SWEEP = re.compile(r"sweep\.yaml|notebook\.py|(choices|summary|lease\.\d+)\.json|summary\.csv")
_PROGRAM = re.compile(r"/programs/[0-9a-f]{12}/")
_CLEAN, _PLACES = 77_777, 100_000
_counter = itertools.count()
_last: dict[Path, float] = {}


def is_own(name: str) -> bool:
    """Is this how a run's directory is called?"""
    return _RUN.fullmatch(name) is not None


def clean_stamp(seconds: float, tag: str | None) -> int:
    """The time (ns) of a file that is as the object with that tag."""
    digest = int.from_bytes(hashlib.blake2b(str(tag).encode(), digest_size=6).digest(), "big")
    return int(seconds) * 10**9 + digest % 10**4 * _PLACES + _CLEAN


def is_clean(path: Path | str) -> bool:
    """Was this file brought, or sent, and not written since?"""
    return os.lstat(path).st_mtime_ns % _PLACES == _CLEAN


def write(path: Path, pieces: Iterable[bytes], stamp: int) -> None:
    """Put a file in its place, whole, with that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name[:80]}.{os.getpid()}-{next(_counter)}.tmp")
    try:
        with open(scratch, "xb") as file:
            file.writelines(pieces)
        os.utime(scratch, ns=(stamp, stamp))
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def mark(run: Path) -> None:
    """What is written in this run from now on is sent."""
    if split(run) is not None and is_own(run.name) and not unsent(run):
        Sent((Sent.of(run) or Sent()).files).write(run)


@dataclass
class Sent:
    """What the store has of a run that is written here.

    ``files``: by name the object's tag, and what tells that the file is still the same.
    ``lease``: the name and content of that under which it was sent. ``state``: ``open`` while it is
    to be sent, ``taken`` before it is opened here, ``whole`` when all is there.
    """

    files: dict[str, list[Any]] = field(default_factory=dict)
    lease: list[str] | None = None
    state: str = "open"

    @classmethod
    def of(cls, run: Path) -> Sent | None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return cls(**json.loads((run / MARKER).read_text()))
        return None

    def write(self, run: Path) -> None:
        write(run / MARKER, [json.dumps(vars(self)).encode()], time.time_ns())


def told_apart(found: os.stat_result) -> list[int]:
    """What tells that a file is still the same."""
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def send(path: Path) -> None:
    """Put a small file that has changed since it was brought or sent."""
    if (at := bucket_at(path)) is None or is_clean(path):
        return
    with open(path, "rb") as file:
        tag = at[0].put(at[1], file.read())
        os.utime(file.fileno(), ns=(stamp := clean_stamp(time.time(), tag), stamp))


def unsent(run: Path) -> bool:
    """Is there something of this run that the store may not have yet?"""
    sent = Sent.of(run)
    return sent is not None and sent.state == "open"


def known_models(run: Path | str) -> list[str]:
    """The saved models that the store has of a run which was brought without them."""
    with contextlib.suppress(OSError, ValueError):
        return list(json.loads(Path(run, MODELS).read_text()))
    return []


def refresh(place: Path, now: bool = False) -> None:
    """Bring the records below ``place``, and those alone, as the store has them.

    Nothing where ``place`` is no mirror's, another process of this launch does it, or, unless
    ``now``, it was done a moment ago.
    """
    place = _base_of(place)
    if state.away or (at := bucket_at(place)) is None:
        return
    if now or time.monotonic() - _last.get(place, -FRESH_SECONDS) >= FRESH_SECONDS:
        _bring(place, *at, records=True)
        _last[place] = time.monotonic()


def bring(place: Path) -> None:
    """Bring a file, or all that is below a directory, unless it is newer here."""
    if not state.away and (at := bucket_at(place)) is not None and not _ahead(place):
        bucket, key = at
        with contextlib.suppress(FileNotFoundError):
            meta = bucket.head(key)
            return _write_object(bucket, meta, place)
        _bring(place, bucket, key, records=False)
    return None


def take(run: Path) -> None:
    """Make a run that is to go on here ours: whoever had it may send no more of it.

    It is brought whole, unless the store has nothing newer.
    """
    if (at := bucket_at(run)) is None or state.away:
        return
    bucket, key = at
    found = {meta["path"]: meta for meta in bucket.list(key)}
    if f"{key}/outcome.json" in found:
        return
    for path in found:
        if "/lease." in path[len(key) :]:
            bucket.delete(path)
    there = {m["path"][len(key) + 1 :]: m["e_tag"] for m in bucket.list(key)}
    there = {name: tag for name, tag in there.items() if not name.startswith("lease.")}
    sent = Sent.of(run)
    if sent is not None and {name: told[0] for name, told in sent.files.items()} == there:
        return Sent(sent.files, state="taken").write(run)
    (run / MARKER).unlink(missing_ok=True)
    _bring(run, bucket, key, records=False)
    told = {name: [tag, *told_apart(os.lstat(run / name))] for name, tag in there.items()}
    Sent(told, state="taken").write(run)


def _base_of(place: Path) -> Path:
    """Of a sweep's directory, or a file in it, its tree: that is read whole."""
    above = next((n for n in (2, 3) if place.parts[-n : -n + 1] == ("sweeps",)), None)
    return Path(*place.parts[:-above]) if above else place


def _run_of(place: Path) -> Path | None:
    return next((path for path in (place, *place.parents) if is_own(path.name)), None)


def _ahead(place: Path) -> bool:
    run = _run_of(place)
    sent = Sent.of(run) if run is not None else None
    return sent is not None and sent.state != "whole"


def _is_wanted(path: Path, records: bool) -> bool:
    found = split(path)
    parts = found[2].split("/") if found else [""]
    if any(part.startswith(".") or not part for part in parts):
        return False
    own = next((index for index, part in enumerate(parts) if is_own(part)), None)
    if own is not None:
        inside = parts[own + 1 :]
        return not records or (len(inside) == 1 and _RECORD.fullmatch(inside[0]) is not None)
    if parts[-3:-2] == ["sweeps"]:
        return _OF_SWEEP.fullmatch(parts[-1]) is not None
    if parts[-4:-3] == ["sweeps"] and parts[-2] == "control":
        return parts[-1].endswith(".json")
    return _PROGRAM.search(f"/{found[2]}" if found else "") is not None


def _bring(place: Path, bucket: Bucket, key: str, records: bool) -> None:
    started = time.time()
    metas: dict[Path, Meta] = {}
    models: dict[Path, list[str]] = {}
    for meta in bucket.list(key):
        path = place / meta["path"][len(key) + 1 if key else 0 :]
        if _is_wanted(path, records):
            metas[path] = meta
        elif path.parent.name == "models" and (run := _run_of(path)) is not None:
            models.setdefault(run, []).append(path.name)
    runs = {run: Sent.of(run) for run in map(_run_of, metas) if run is not None}
    stale = [path for path, meta in metas.items() if _is_stale(path, meta, runs)]
    for run in filter(None, map(_run_of, stale)):
        (run / MARKER).unlink(missing_ok=True)  # another has gone on with it
    in_order(lambda path: _write_object(bucket, metas[path], path), stale, str)
    for run, names in models.items():
        if runs.get(run) is None and known_models(run) != names:
            write(run / MODELS, [json.dumps(names).encode()], time.time_ns())
    _remove_gone(place, metas.keys(), records, started)


def in_order(one: Callable[[T], object], what: Iterable[T], name: Callable[[T], str]) -> int:
    """Do ``one`` with each, many at once; with how many it has been done, as it says.

    Outcomes last: whoever reads beside us finds one only with all that it stands for.
    """
    parts: tuple[list[T], list[T]] = [], []
    for item in what:
        parts[name(item).endswith("outcome.json")].append(item)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(bool(done) for part in parts for done in list(pool.map(one, part)))


def _is_stale(path: Path, meta: Meta, runs: Mapping[Path, Sent | None]) -> bool:
    """Is this file another one than the object, and not of our writing?"""
    run = _run_of(path)
    sent = runs[run] if run is not None else None
    if run is not None and sent is not None and not path.name.startswith("lease."):
        told = sent.files.get(path.relative_to(run).as_posix(), [None])
        return sent.state == "whole" and told[0] != meta["e_tag"]
    try:
        found = os.lstat(path)
    except OSError:
        return sent is None
    if run is None and not _is_clean_or_lease(path):
        return False  # written here, and not yet sent
    return sent is None and (found.st_mtime_ns, found.st_size) != (_stamp(meta), meta["size"])


def _remove_gone(place: Path, there: Collection[Path], records: bool, started: float) -> None:
    """Remove what the store had no more when it was listed, unless it is younger than that."""
    runs = {run for run in map(_run_of, there) if run is not None}
    for directory, below, names in os.walk(place):
        here = Path(directory)
        below[:] = [name for name in below if not name.startswith(".")]
        with contextlib.suppress(OSError):
            if _ahead(here):
                below.clear()
            elif is_own(here.name) and here not in runs:
                below.clear()
                if os.lstat(here).st_ctime < started:
                    shutil.rmtree(here)
            else:
                for path in map(here.joinpath, names):
                    gone = path not in there and _is_wanted(path, records)
                    ours = _run_of(path) is not None or _is_clean_or_lease(path)
                    if gone and ours and os.lstat(path).st_ctime < started:
                        path.unlink()


def _is_clean_or_lease(path: Path) -> bool:
    return path.name.startswith("lease.") or is_clean(path)


def _stamp(meta: Meta) -> int:
    dated = meta["last_modified"].timestamp()
    if "/lease." in meta["path"]:  # its time is a sign of life
        return int((dated + state.shift) * 1e9)
    return clean_stamp(dated, meta["e_tag"])


def _write_object(bucket: Bucket, meta: Meta, path: Path) -> None:
    if _ahead(path):
        return  # since it was listed
    with contextlib.suppress(FileNotFoundError):  # it was removed in this moment
        large = meta["size"] > 1 << 22
        write(
            path, bucket.pieces(meta["path"]) if large else [bucket.get(meta["path"])], _stamp(meta)
        )
