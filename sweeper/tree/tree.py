"""A tree of experiments: what is in it, and which directory belongs to a parameter dict."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeper.errors import SweeperError, TreeError

from . import files
from .identity import DIGITS, Monitored, experiment_id, group_canonicals, groups_as_stored
from .lease import lease_numbers, living_owner
from .paths import is_experiment_name, is_run_name, run_order
from .records import FAILED, RunRecord

STAGING = ".new-"
"""How the name of a run that is being made begins."""

_DAY = 86_400.0
_TICK = 2.0  # seconds; some storages date files by no finer clock
_LEFT = re.compile(r"backup$|lease\.|\..*\.tmp")


class Tree:
    """The tree below ``base`` (made absolute). Reading it never raises for a torn file."""

    def __init__(self, base: Path | str, inside: bool = False) -> None:
        self.base = Path(base).absolute()
        self.sweeps = self.base / "sweeps"  # what belongs to each as a whole, by its name
        self.programs = self.base / "programs"  # as runs have run them
        self._inside = inside  # another tree: then it is no link

    def experiments(self) -> Iterator[str]:
        """The names of the experiments, sorted. Raises TreeError if the base cannot be listed."""
        names = files.names(self.base, follow=not self._inside)
        yield from sorted(filter(is_experiment_name, names))

    def runs(self, experiment: str) -> list[RunRecord]:
        """The runs of an experiment, oldest first; none if there is no such experiment.

        Of one that cannot be listed a record that cannot be read.
        """
        try:
            found = filter(is_run_name, files.names(os.path.join(self.base, experiment)))
        except TreeError as error:
            return [RunRecord(self.base, experiment, "", error)]
        names = sorted(found, key=run_order)
        return [self._record(experiment, name) for name in names]

    def _record(self, experiment: str, run: str) -> RunRecord:
        return RunRecord(self.base, experiment, run)

    def check(self) -> None:
        """Raise TreeError for a directory of the tree's own that is a link: nothing goes there."""
        own = (self.sweeps, self.programs)
        for path in (*own, self.base) if self._inside else own:
            files.refuse_link(path)

    def make(self, anew: bool) -> None:
        """Make its directory, if it is missing: ``anew``, or else that of a debug tree in its tree.

        What a launch has made is not made again: it was renamed, or removed. Raises TreeError.
        """
        if anew or self._inside:
            files.make_directory(self.base, parents=anew)

    def home(self, sweep_name: str) -> Path:
        """What belongs to a sweep as a whole is there. Raises TreeError for one that is a link."""
        self.check()
        home = self.sweeps / sweep_name
        files.refuse_link(home)
        return home

    def all_runs(self) -> Iterator[RunRecord]:
        """Every run, by experiment and age. Runs of the debug tree are not among them."""
        for experiment in self.experiments():
            yield from self.runs(experiment)

    def runs_of(self, sweep_name: str) -> Iterator[RunRecord]:
        """Every run of a sweep that can be read, in the debug tree too."""
        for record in itertools.chain(self.all_runs(), self.debug.all_runs()):
            if record.unreadable is None and record.sweep == sweep_name:
                yield record

    @cached_property
    def debug(self) -> Tree:
        """The tree of the runs whose parameters say ``debug: true``; of a snapshot, a snapshot."""
        return type(self)(self.base / "debug", inside=True)

    def of(self, params: Mapping[str, Any]) -> Tree:
        """The tree that runs with these parameters belong to: this one, or its debug tree.

        The same object each time, so that it can be a key.
        """
        return self.debug if params.get("debug") is True else self

    def find(self, params: Mapping[str, Any], monitored: Monitored) -> str:
        """The experiment that ``params`` belong to; its directory may not exist yet.

        A directory with the same eight digits but other groups is another experiment: the digits
        are then extended, one by one, until a directory is free or holds the same groups.
        Raises UsageError if the monitored groups cannot be identified.
        """
        return self.find_runs(params, monitored)[0]

    def find_runs(
        self,
        params: Mapping[str, Any],
        monitored: Monitored,
        claims: dict[str, bytes] | None = None,
    ) -> tuple[str, list[RunRecord]]:
        """The experiment as :meth:`find` gives it, and its runs as they are now.

        The records are those that told whose the directory is: what they have read is not read
        again. ``claims`` holds the directories that others are about to make, and takes this one.
        """
        canonicals = group_canonicals(params, monitored)
        mine = hashlib.blake2b("\0".join(canonicals).encode(), digest_size=16).digest()
        for digits in itertools.count(DIGITS):
            experiment = experiment_id(canonicals, digits)
            if claims is not None and claims.setdefault(experiment, mine) != mine:
                continue
            runs = self.runs(experiment)
            if not runs or (digits == DIGITS and _holds(runs, params, monitored)):
                return experiment, runs
            if _stored_groups(runs) in (None, canonicals) or digits >= 70:
                return experiment, runs
        raise AssertionError("unreachable: itertools.count ends never")

    def as_it_is(self) -> Tree:
        """The same tree, whose every experiment is listed once and every file read once at most.

        For one reading of everything; who wants to know what has changed takes another.
        """
        return _Snapshot(self)

    def tidy(self) -> None:
        """Remove what killed processes left: runs half made, backups and leases of ended runs.

        Harmless if it is never called; a launch calls it once.
        """
        self.remove_staging()
        for experiment in self.experiments():
            runs = self.runs(experiment)
            for record in runs:
                with contextlib.suppress(TreeError):  # of what cannot be read nothing is removed
                    self._tidy(record, runs)

    def _tidy(self, record: RunRecord, runs: list[RunRecord]) -> None:
        left = [n for n in files.names(record.path) if _LEFT.match(n)]
        if not left or record.unreadable or not record.outcome or living_owner(record.path):
            return
        for name in left:
            if name != "backup" or not _goes_on(record, runs):
                files.remove(record.path / name)

    def remove_staging(self) -> None:
        """Remove runs half made whose makers are gone."""
        for name in files.names(self.base, follow=True):
            path = self.base / name
            if name.startswith(STAGING):
                try:
                    # One without a lease yet may be younger than its maker's next step.
                    ripe = lease_numbers(path) or time.time() - path.stat().st_mtime > _DAY
                    if ripe and living_owner(path) is None:
                        files.remove(path)
                except (OSError, TreeError):
                    continue


class LiveTree(Tree):
    """A tree that is read again and again, each time at the cost of what has changed.

    A run that has ended keeps its record, with all that was read of it, as long as its directory is
    as it was: every file of ours but the training log changes by being renamed into it.
    """

    def __init__(self, base: Path | str, inside: bool = False) -> None:
        super().__init__(base, inside)
        self._kept: dict[tuple[str, str], tuple[tuple[int, int], RunRecord]] = {}

    def _record(self, experiment: str, run: str) -> RunRecord:
        stamp, known = (0, 0), self._kept.get((experiment, run))
        with contextlib.suppress(OSError):
            found = os.lstat(os.path.join(self.base, experiment, run))
            # What has just changed may change again within the same tick of the storage's clock.
            if abs(time.time() - found.st_mtime) > _TICK:
                stamp = found.st_mtime_ns, found.st_ino
        if known and known[0] == stamp != (0, 0) and vars(known[1]).get("outcome"):
            return known[1]
        self._kept[experiment, run] = stamp, super()._record(experiment, run)
        return self._kept[experiment, run][1]


class _Snapshot(Tree):
    """A tree that keeps the records that it has given out; its ``source`` may keep them longer."""

    def __init__(self, source: Tree) -> None:
        super().__init__(source.base, source._inside)
        self._runs: dict[str, list[RunRecord]] = {}
        self._source = source

    @cached_property
    def debug(self) -> Tree:
        return self._source.debug.as_it_is()

    def _record(self, experiment: str, run: str) -> RunRecord:
        return self._source._record(experiment, run)

    @cached_property
    def _experiments(self) -> frozenset[str]:
        return frozenset(super().experiments())

    def experiments(self) -> Iterator[str]:
        yield from sorted(self._experiments)

    def runs(self, experiment: str) -> list[RunRecord]:
        if experiment not in self._experiments:
            return []
        if experiment not in self._runs:
            self._runs[experiment] = super().runs(experiment)
        return self._runs[experiment]


def _holds(runs: list[RunRecord], params: Mapping[str, Any], monitored: Monitored) -> bool:
    """Is the first of ``runs`` surely one of these very parameters? A quick look, that hashes none.

    Equal texts, not equal values: 1, 1.0 and True are three experiments.
    """
    if type(params) is not dict:
        return False
    first, stored = runs[0], groups_as_stored(monitored)
    try:
        return first.monitored == stored and repr(first.params) == repr(params)
    except TreeError:  # another may tell
        return False


def _goes_on(record: RunRecord, runs: list[RunRecord]) -> bool:
    """Has the run failed, and no other has done its work? Then its backup may be gone on from."""
    done = any(r.status == "finished" and r.replicate == record.replicate for r in runs)
    return record.status in FAILED and not done


def _stored_groups(runs: list[RunRecord]) -> list[str] | None:
    """The canonical monitored groups of the first of ``runs`` that can tell them."""
    for record in runs:
        with contextlib.suppress(SweeperError):
            monitored = record.monitored
            if record.params and monitored:
                return group_canonicals(record.params, monitored)
    return None
