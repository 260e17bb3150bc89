"""What launches were told of earlier runs and of other sweeps: launching again goes on with it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files, shapes
from .records import RunRecord
from .tree import Tree

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep

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
        found = _read(path, shapes.CHOICES, "what --rerun and --reuse said before is lost")
        return Choices(*(frozenset(found.get(key, ())) for key in _KEYS))

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


@dataclass(frozen=True)
class WarmStart:
    """``points``: parameter dicts of the sweep's space and what the metric was there.

    ``sources``: what ``warm_start`` names -> all that it gave, fitting or not, each with ``params``
    and ``value``. Kept in ``sweeps/<name>/warm-start.json``.
    """

    points: Sequence[tuple[dict[str, Any], float]] = ()
    sources: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @staticmethod
    def read(tree: Tree, sweep: Sweep) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The sources that an earlier launch has read, for the same metric."""
        path = tree.home(sweep.sweep_name) / "warm-start.json"
        found = _read(path, shapes.WARM_START, "warm_start is read anew")
        return found["sources"] if found.get("metric") == _metric(sweep) else {}

    def write(self, tree: Tree, sweep: Sweep) -> None:
        """Keep the sources for the next launch. Raises TreeError."""
        path = tree.home(sweep.sweep_name) / "warm-start.json"
        if self.sources and self.sources != WarmStart.read(tree, sweep):
            files.write_json(path, {"metric": _metric(sweep), "sources": self.sources})


def _metric(sweep: Sweep) -> list[str]:
    assert sweep.metric is not None  # the loader sees to it
    return [sweep.metric.name, sweep.metric.goal, sweep.metric.mode]


def _read(path: Path, shape: shapes.Shape, lost: str) -> dict[str, Any]:
    """What the file says; nothing where there is none, and of a torn one: then ``lost`` is said.

    Raises TreeError if it cannot be read.
    """
    try:
        return files.read_json(path, shape) or {}
    except files.TornFile as error:
        log.warning("%s: %s: %s", path, lost, error)
        return {}
