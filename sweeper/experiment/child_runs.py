"""A run that begins from the backup of another: a population's child, a failed run's successor."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import TreeError
from sweeper.tree import Monitored, Program, RunPaths, RunRecord, Tree, files

from .backup import BackupStore, sync_files
from .provenance import Origin, parent_name
from .staging import Staged, publish, stage

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep, Trial

_TRIES = 5  # the parent trains on, and may remove a backup while it is copied


def child_of_trial(sweep: Sweep, tree: Tree, trial: Trial, parent: RunRecord) -> RunRecord | None:
    """As :func:`make_child`, of a trial of ``sweep``."""
    origin = Origin(trial.seed, sweep.sweep_name, trial.index, program=Program.of(sweep))
    return make_child(tree.of(trial.params), trial.params, sweep.monitored, origin, parent)


def make_child(
    tree: Tree, params: Mapping[str, Any], monitored: Monitored, origin: Origin, parent: RunRecord
) -> RunRecord | None:
    """Make a run of ``params`` that goes on where the newest backup of ``parent`` was made.

    It is whole from the moment it is seen: whoever opens the trial continues it, as it would an
    interrupted run. None if the parent has no backup that can be used, as when it is over. Raises
    TreeError when the storage fails.
    """
    for _ in range(_TRIES):
        state = _state(parent)
        if state is None:
            return None
        entry, backups = state
        with stage(tree, params, monitored, origin, entry) as staged:
            try:
                for backup in backups:
                    _copy(backup, RunPaths(staged.path).backup / backup.name)
            except TreeError:
                if all(map(files.exists, backups)):
                    raise
                continue
            path = publish(tree, monitored, staged)
            staged.lease.release()
            return RunRecord.at(path)
    return None


def go_on_from(failed: RunRecord, staged: Staged) -> None:
    """Let a run that is being made go on where a failed one of the same parameters was backed up.

    Nothing is done where that has no backup. Raises TreeError when the storage fails.
    """
    paths, store = RunPaths(staged.path), BackupStore(failed.paths)
    names = [name for kind in ("epoch", "state", "fit") for name in store.names(kind)]
    if not names:
        return
    for name in names:
        _copy(store.root / name, paths.backup / name)
    if failed.models:
        files.copy_tree(failed.paths.models, paths.models, link=True)
    for source in (failed.paths.training_logs, failed.paths.performances):
        if files.exists(source):
            files.copy(source, staged.path / source.name)
    staged.record["continues"] = {"experiment": failed.experiment, "run": failed.run}
    staged.record["attempts"][-1]["resumed_from_epoch"] = store.newest_epoch()
    files.write_json(paths.provenance, staged.record)


def can_have_child(parent: RunRecord) -> bool:
    """Has the run a backup from which another could go on?"""
    return _state(parent) is not None


def _state(parent: RunRecord) -> tuple[dict[str, Any], list[Path]] | None:
    """Whose state a child would get and after which epoch, as run.json has it; and where it is."""
    store = BackupStore(parent.paths)
    found: list[tuple[int, str, Path]] = []
    for kind in ("epoch", "state"):
        for name in store.names(kind):
            manifest = _usable(store, name)
            if manifest is not None:
                found.append((manifest["epoch"], str(manifest["owner"]), store.root / name))
                break
    if not found:
        return None
    epoch, owner, _ = max(found)
    experiment, _, run = owner.partition("/")
    entry = {"experiment": experiment, "run": run, "epoch": epoch}
    for name in store.names("fit"):  # earlier fits are given back to the child, too
        owner = str((store.manifest(name) or {}).get("owner"))
        found.append((0, owner, store.root / name))
    return entry, [path for _, other, path in found if other == parent_name(entry)]


def _usable(store: BackupStore, name: str) -> dict[str, Any] | None:
    """What ``state.json`` says of a backup after a whole epoch from which training can go on."""
    with contextlib.suppress(files.TornFile, FileNotFoundError):
        manifest = store.manifest(name)
        if manifest is None or manifest.get("batch") or not manifest.get("epoch"):
            return None
        if manifest.get("state", {}).get("stopped"):  # EarlyStopping has ended it
            return None
        size = manifest.get("bytes")
        if size is None or (store.root / name / "arrays.npz").lstat().st_size == size:
            return manifest
    return None


def _copy(source: Path, target: Path) -> None:
    """A user's saved files are copied; the arrays, which nobody changes, are linked if possible."""
    linked = files.exists(source / "arrays.npz")
    files.copy_tree(source, target, link=linked)
    if not linked:
        sync_files(target)
    files.sync_directory(target)
