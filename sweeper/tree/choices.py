"""What launches of a sweep were told of earlier runs: launching again goes on with that."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import files, shapes
from .records import RunRecord
from .tree import Tree

_KEYS = ("rerun", "reuse", "beside")

log = logging.getLogger("sweeper.tree")


@dataclass(frozen=True)
class Choices:
    """``rerun``: runs, named from the base on, whose trials are to run again as new runs.

    ``reuse``: other programs whose runs count as the sweep's own. ``beside``: programs that run
    their trials although there are runs of others. Kept in ``sweeps/<name>/choices.json``.
    """

    rerun: frozenset[str] = frozenset()
    reuse: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()

    @staticmethod
    def read(tree: Tree, sweep_name: str) -> Choices:
        """Those of earlier launches; none where there is no file, and of a torn one.

        Raises TreeError if it cannot be read.
        """
        path = _path(tree, sweep_name)
        try:
            found = files.read_json(path, shapes.CHOICES) or {}
            return Choices(*(frozenset(found.get(key, ())) for key in _KEYS))
        except files.TornFile as error:
            log.warning("%s: what --rerun and --reuse said before is lost: %s", path, error)
            return Choices()

    def write(self, tree: Tree, sweep_name: str) -> None:
        """Keep them for the next launch, with what others have said since. Raises TreeError."""
        path, kept = _path(tree, sweep_name), Choices.read(tree, sweep_name)
        files.make_directory(path.parent, parents=True)
        both = {key: sorted(getattr(self, key) | getattr(kept, key)) for key in _KEYS}
        files.write_json(path, both)

    def also(
        self,
        tree: Tree,
        rerun: Iterable[RunRecord] = (),
        reuse: Iterable[str] = (),
        beside: Iterable[str] = (),
    ) -> Choices:
        """These, and those runs and programs too."""
        names = (_name(tree, record) for record in rerun)
        return Choices(self.rerun.union(names), self.reuse.union(reuse), self.beside.union(beside))

    def drop(self, tree: Tree, record: RunRecord) -> bool:
        """Is the run's trial to run again, without it?"""
        return bool(self.rerun) and _name(tree, record) in self.rerun


def _path(tree: Tree, sweep_name: str) -> Path:
    return tree.home(sweep_name) / "choices.json"


def _name(tree: Tree, record: RunRecord) -> str:
    return str(record.path.relative_to(tree.base))
