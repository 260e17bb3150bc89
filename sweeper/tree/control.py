"""What is asked of the launches of a sweep while they run, and what they spend together.

A request is a small file of its own below ``control/`` in the sweep's directory, written whole;
every launch looks there every few seconds. What they have spent is below ``launched/`` until all
are gone.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper import store
from sweeper.errors import TreeError

from . import files, shapes
from .tree import Tree

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep

SETTABLE = ("parallel", "run_cap", "budget.wall", "budget.trials", "budget.disk")
"""The keys of a sweep file that may change while it is launched."""


@dataclass(frozen=True)
class Control:
    """What is asked: ``stop``, ``pause`` and keys of the sweep file, and what each request says."""

    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path) -> Control:
        """Of a request that cannot be read nothing is heard."""
        asked = {}
        with contextlib.suppress(TreeError):
            for name in files.names(home / "control"):
                if name.endswith(".json") and not name.startswith("."):
                    said = files.read_json(home / "control" / name, shapes.CONTROL)
                    asked[name.removesuffix(".json")] = said or {}
        return cls(asked)

    def stop(self, launch: int) -> str | None:
        """Whether the launch with that lease is to end: ``now`` or ``after-current``."""
        asked = self.asked.get("stop", {})
        if launch not in asked.get("launches", ()):
            return None
        return "after-current" if asked.get("after_current") else "now"

    @property
    def paused(self) -> bool:
        return "pause" in self.asked

    def set_by_hand(self) -> Iterator[tuple[str, Any, Any]]:
        """Each key that was set, what the file said then, and what is to count."""
        for key in SETTABLE:
            if "to" in (said := self.asked.get(key, {})):
                yield key, said.get("was"), said["to"]

    def on(self, sweep: Sweep, before: Control | None = None) -> Sweep:
        """The sweep with what was set, where it still says what the file said at that time.

        What was set since ``before`` counts whatever the sweep says.
        """
        for key, was, to in self.set_by_hand():
            news = before is not None and before.asked.get(key) != self.asked[key]
            if news or value_of(sweep, key) == was:
                outer, _, inner = key.rpartition(".")
                sweep = replace(
                    sweep,
                    **({"budget": replace(sweep.budget, **{inner: to})} if outer else {key: to}),
                )
        return sweep


def as_set(sweep: Sweep) -> Sweep:
    """The sweep with what was set by hand in its tree."""
    with contextlib.suppress(TreeError):
        return Control.read(Tree(sweep.base_dir).home(sweep.sweep_name)).on(sweep)
    return sweep


def value_of(sweep: Sweep, key: str) -> Any:
    return reduce(getattr, key.split("."), sweep)


def ask(home: Path, request: str, **what: Any) -> None:
    """Ask it of every launch of the sweep. Raises TreeError where it cannot be written."""
    files.make_directory(home / "control", parents=True)
    path = home / "control" / f"{request}.json"
    files.write_json(path, what)
    store.send(path)


def take_back(home: Path, request: str) -> None:
    """Ask it no more."""
    path = home / "control" / f"{request}.json"
    store.remove(path)
    files.remove(path)
    files.remove_empty(home / "control")


def elapsed(home: Path) -> float:
    """For how many seconds launches have been at the sweep, with never none of them alive."""
    since = home / "launched" / "since"
    if (age := store.age(since)) is not None:
        return age
    files.make_directory(since.parent)
    files.create_once(since, b"", durable=False)
    return max(0.0, files.now(since.parent) - files.modified(since))


def count_start(home: Path, after: int) -> int:
    """Which start of a trial this is, of all launches together: above ``after``, a known one."""
    files.make_directory(home / "launched")
    ours = secrets.token_hex(8).encode()
    for number in itertools.count(after + 1):
        path = home / "launched" / str(number)
        made = store.create(path, ours)
        if files.create_once(path, b"", durable=False) if made is None else made:
            break
    return number


def forget_spent(home: Path) -> None:
    """What is spent from now on counts from nothing: nobody launches the sweep, or we alone."""
    store.clear(home / "launched")
    files.remove(home / "launched")
