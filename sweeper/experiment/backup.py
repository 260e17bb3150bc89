"""What a run resumes from: directories that are whole or not there.

``backup/epoch-000003/`` holds the state after epoch 3, ``backup/epoch-000003-batch-000120/`` the
state 120 batches later; ``backup/fit-000001/`` how the first of several fits has ended;
``backup/state-000003/`` what a custom loop saved the third time. Each is written beside, flushed
and renamed. The newest and the one before it are kept, and the end of every fit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import TreeError
from sweeper.tree import MANIFEST, Row, RunPaths, files

from .array_files import read_arrays, write_arrays

log = logging.getLogger("sweeper.experiment")

FORMAT = 3
LONGEST = 1 << 30
"""A larger ``state.json`` is none of ours: callbacks may have long lists."""

KEPT = 2
"""The newest backup, and the one before it in case the newest turns out to be torn."""

_NAME = re.compile(r"(epoch|state|fit)-(\d+)(?:-batch-(\d+))?")


@dataclass(frozen=True)
class Backup:
    """A whole backup: the state after ``epoch`` epochs and ``batch`` batches of the next.

    ``is_end``: how a fit has ended. ``inherited``: it was made by the run from whose backup this
    run has begun.
    """

    path: Path
    epoch: int
    batch: int
    state: dict[str, Any]
    arrays: dict[str, Any]
    inherited: bool
    is_end: bool = False


def newest_backup(paths: RunPaths) -> int:
    """After which epoch a run would go on; 0 for from its beginning."""
    return BackupStore(paths).newest_epoch()


def begins_again(paths: RunPaths) -> bool:
    """Whether another attempt of a run finds nothing to go on from.

    Files of the user's own that lie in it may be such a thing.
    """
    return not newest_backup(paths) and not paths.others


class BackupStore:
    """The backups of one run, in its ``backup/`` directory.

    And what it has there of its ``parent``, or of a ``failed`` run with which it goes on.
    """

    def __init__(
        self,
        paths: RunPaths,
        guard: files.Guard | None = None,
        *,
        parent: str | None = None,
        failed: str | None = None,
    ) -> None:
        self.root = paths.backup
        self._aside = paths.aside
        self._owner = f"{paths.root.parent.name}/{paths.root.name}"
        self._owners = {self._owner, parent, failed} - {None}
        self._parent = parent
        self._guard = guard
        self.rejected = False  # a backup was set aside

    def names(self, kind: str = "epoch") -> list[str]:
        """The names of the backups, newest first."""
        found = [m for m in map(_NAME.fullmatch, files.names(self.root)) if m and m[1] == kind]
        return [m[0] for m in sorted(found, key=_order, reverse=True)]

    def newest_epoch(self) -> int:
        """How many epochs the newest backup says are done; 0 without a backup."""
        others = self.names("state")[:1] + self.names("fit")[:1]
        done = [int(self._told(name).get("epoch", 0)) for name in others]
        return max([self._newest("epoch"), *done])

    def manifest(self, name: str) -> dict[str, Any] | None:
        """What ``state.json`` says of a backup. Raises TornFile, and TreeError."""
        return files.read_json(self.root / name / "state.json", MANIFEST, LONGEST)

    def _told(self, name: str) -> dict[str, Any]:
        """The same; of a torn one nothing."""
        with contextlib.suppress(files.TornFile):
            return self.manifest(name) or {}
        return {}

    def _newest(self, kind: str) -> int:
        return max((int(name.split("-")[1]) for name in self.names(kind)), default=0)

    def save(
        self,
        epoch: int,
        arrays: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        batch: int = 0,
        is_end: bool = False,
    ) -> None:
        """Keep ``arrays`` and ``state`` (JSON values), whole. Raises TreeError, LeaseLost."""
        name = f"epoch-{epoch:06d}" + (f"-batch-{batch:06d}" if batch else "")
        if is_end:
            name = f"fit-{state['fit']:06d}"
        with self._staged("write a backup") as staged:
            described = write_arrays(staged / "arrays.npz", arrays)
            size = (staged / "arrays.npz").stat().st_size
            more = {"batch": batch, "bytes": size, "arrays": described, "state": dict(state)}
            self._publish(staged, name, epoch, more)

    def whole(self, fit: int) -> Iterator[Backup]:
        """The backups of a fit that can be used, newest first; what is torn is set aside."""
        self.rejected = False
        for name in [n for n in self.names("fit") if n == f"fit-{fit:06d}"] + self.names():
            try:
                backup = self._read(name, fit)
            except files.TornFile as error:
                self.reject(self.root / name, str(error))
            else:
                if backup is not None:
                    yield backup

    def manifests(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """What each says of itself, newest first, and whether a fit is over; not the parent's."""
        for name in self.names("fit") + self.names():
            manifest = self._told(name)
            if manifest.get("owner") != self._parent:
                yield manifest, name.startswith("fit-")

    def remove_from(self, fit: int) -> None:
        """Remove what there is of this fit and of later ones."""
        for name in self.names("fit") + self.names():
            if self._told(name).get("state", {}).get("fit", fit) >= fit:
                files.remove(self.root / name)

    def reject(self, path: Path, why: str) -> None:
        """Set a backup aside that cannot be used, and say so."""
        self.rejected = True
        kept = files.set_aside(path, self._aside)
        log.warning("backup %s is not used: %s; it was moved to %s", path, why, kept)

    def _our_manifest(self, name: str) -> dict[str, Any]:
        """That of a backup from which this run may go on. Raises TornFile for another."""
        manifest, path = self.manifest(name), self.root / name
        if manifest is None:
            raise files.TornFile(path / "state.json", "no file")
        owner, form = manifest.get("owner"), manifest.get("format")
        if form != FORMAT or owner not in self._owners:
            raise files.TornFile(path, f"a backup of {owner!r} (format {form!r})")
        return manifest

    def _read(self, name: str, fit: int) -> Backup | None:
        manifest, path = self._our_manifest(name), self.root / name
        if manifest.get("state", {}).get("fit") != fit:
            return None
        try:
            return Backup(
                path,
                int(manifest["epoch"]),
                int(manifest["batch"]),
                manifest["state"],
                read_arrays(path / "arrays.npz", manifest["arrays"]),
                inherited=manifest["owner"] == self._parent,
                is_end=path.name.startswith("fit-"),
            )
        except TreeError:
            raise
        except Exception as error:  # zipfile, zlib, numpy and json each raise their own
            raise files.torn(path / "arrays.npz", error) from error

    def save_directory(self, source: Path, epoch: int, rows: int) -> None:
        """Keep a copy of the directory ``source``, whole; the training log has so many rows."""
        latest = self._newest("state")
        with self._staged(f"keep {source}") as staged:
            shutil.copytree(source, staged / "data")
            sync_files(staged / "data")
            more = {"files": _sums(staged / "data"), "rows": rows}
            self._publish(staged, f"state-{latest + 1:06d}", epoch, more)

    def restore_directory(self, rows: Sequence[Row]) -> tuple[Path, int] | None:
        """The newest whole saved directory and the epoch it was saved after; None without one.

        ``rows`` are those of the training log: no directory is whose rows are not all there.
        """
        for name in self.names("state"):
            path = self.root / name
            try:
                manifest = self._our_manifest(name)
                if _sums(path / "data") != manifest.get("files"):
                    raise files.TornFile(path, "files that differ from those saved")
                epoch = int(manifest["epoch"])
                due = manifest.get("rows", 0) if manifest["owner"] == self._owner else 0
                if sum(row["epoch"] <= epoch for row in rows) < due:
                    raise files.TornFile(path, "a training log that has lost rows of before it")
                return path / "data", epoch
            except (files.TornFile, KeyError, ValueError) as error:
                self.reject(path, str(error))
        return None

    def clear(self) -> None:
        """Remove every backup: the run has ended."""
        files.remove(self.root)

    @contextlib.contextmanager
    def _staged(self, action: str) -> Iterator[Path]:
        """Within, a hidden directory to fill and publish. An OSError becomes a TreeError."""
        files.make_directory(self.root)
        staged = self.root / f".staged-{os.getpid()}-{os.urandom(4).hex()}"
        files.make_directory(staged)
        try:
            yield staged
        except OSError as error:
            raise TreeError(f"{self.root}: cannot {action}: {error}") from error
        finally:
            files.remove(staged)

    def _publish(self, staged: Path, name: str, epoch: int, more: dict[str, Any]) -> None:
        manifest = {"format": FORMAT, "owner": self._owner, "epoch": epoch, **more}
        files.write_json(staged / "state.json", manifest)
        files.sync_directory(staged)
        if self._guard is not None:
            self._guard()
        target = self.root / name
        if not files.move(staged, target):  # the same epoch, trained again after an older backup
            files.set_aside(target, self._aside)
            files.move(staged, target)
        files.sync_directory(self.root)
        kind = name.split("-")[0]
        for old in self.names(kind)[KEPT:] if kind != "fit" else ():
            files.remove(self.root / old)


def _order(match: re.Match[str]) -> tuple[int, int]:
    return int(match[2]), int(match[3] or 0)


def _sums(root: Path) -> dict[str, list[int]]:
    """The size and CRC-32 of every file below ``root``, by its path from there."""
    return {name: [len(d), zlib.crc32(d)] for name, d in files.contents(root)}


def sync_files(root: Path) -> None:
    """Flush the files below ``root`` to disk."""
    for path in (path for path in root.rglob("*") if path.is_file()):
        files.sync(path)
