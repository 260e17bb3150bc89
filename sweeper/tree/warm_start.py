"""What a sweep was told of other sweeps' runs at its first launch: later ones are told the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import files, shapes
from .tree import Tree

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep

log = logging.getLogger("sweeper.tree")


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
        try:
            found = files.read_json(path, shapes.WARM_START) or {}
        except files.TornFile as error:
            log.warning("%s: warm_start is read anew: %s", path, error)
            return {}
        return found["sources"] if found.get("metric") == _metric(sweep) else {}

    def write(self, tree: Tree, sweep: Sweep) -> None:
        """Keep the sources for the next launch. Raises TreeError."""
        path = tree.home(sweep.sweep_name) / "warm-start.json"
        if self.sources and self.sources != WarmStart.read(tree, sweep):
            files.write_json(path, {"metric": _metric(sweep), "sources": self.sources})


def _metric(sweep: Sweep) -> list[str]:
    assert sweep.metric is not None  # the loader sees to it
    return [sweep.metric.name, sweep.metric.goal, sweep.metric.mode]
