"""Taking the best run out of the tree: what one needs to use its model elsewhere."""

from __future__ import annotations

from pathlib import Path

from sweeper import store
from sweeper.errors import UsageError
from sweeper.tree import files

from .ranking import Ranked


def copy_best(ranked: Ranked, directory: Path) -> list[Path]:
    """Copy hyperparameters, performances and the checkpoint of a run into ``directory``.

    Their contents alone, not their modes. Returns the copies. Raises UsageError if ``directory``
    exists and holds anything, TreeError if a file cannot be copied.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            f"{directory}: expected a new or empty directory to copy to, found something there; "
            "name another one"
        )
    paths = ranked.record.paths
    wanted = [paths.hyperparameters, paths.performances, ranked.checkpoint]
    files.make_directory(directory, parents=True)
    for path in filter(None, wanted):
        store.bring(path)
    found = [path for path in wanted if path is not None and files.exists(path)]
    for path in found:
        files.copy(path, directory / path.name)
    return [directory / path.name for path in found]
