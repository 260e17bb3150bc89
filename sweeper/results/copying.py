"""Taking the best run out of the tree: what one needs to use its model elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from sweeper.errors import TreeError, UsageError

from .ranking import Ranked


def copy_best(ranked: Ranked, directory: Path) -> list[Path]:
    """Copy hyperparameters, performances and the checkpoint of a run into ``directory``.

    Returns the copies. Raises UsageError if ``directory`` exists and holds anything, TreeError if
    a file cannot be copied.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            f"{directory}: expected a new or empty directory to copy to, found something there; "
            "name another one"
        )
    paths = ranked.record.paths
    wanted = [paths.hyperparameters, paths.performances, ranked.checkpoint]
    copies: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for source in wanted:
            if source is not None and source.exists():
                copies.append(Path(shutil.copy2(source, directory / source.name)))
    except OSError as error:
        why = f"{error.filename}: cannot copy to {directory}: {error.strerror}"
        raise TreeError(why) from error
    return copies
