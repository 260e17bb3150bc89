"""Population-based training: a bad trial makes room for a child, which goes on from a good one.

A run's parameters never change: the child is a trial of its own, with a run of its own that begins
from the newest backup of its parent.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from sweeper.errors import SweeperError
from sweeper.sweepfile import Sweep, Trial
from sweeper.tree import PlannedTrial, RunRecord, Tree, WarmStart

from .adaptive import AdaptivePlan, ScoreFunction
from .exploration import Change, explore, rank_numbers
from .searcher import Searcher

logger = logging.getLogger("sweeper.search")


class Population(AdaptivePlan):
    """The trials of a sweep with ``early_terminate: {type: pbt}`` or ``pb2``, and who stays.

    First what the tree holds undone, then members as the sweep's method gives them, and before any
    of these the children that were made meanwhile. It gives None while neither is left, as long as
    ``run_cap`` allows another child. ``has_room`` tells whether the launch may start one more trial
    when some are waiting, ``can_have_child`` whether a run has a backup from which another could go
    on; ``make_child`` makes the run of a trial that goes on from that, None if it cannot be used.
    Values are compared at equal epochs, those of earlier launches too.
    """

    def __init__(
        self,
        sweep: Sweep,
        tree: Tree,
        searcher: Searcher | None,
        planned: Sequence[PlannedTrial],
        score: ScoreFunction,
        has_room: Callable[[int], bool],
        can_have_child: Callable[[RunRecord], bool],
        make_child: Callable[[Trial, RunRecord], RunRecord | None],
        warm_start: WarmStart | None = None,
    ) -> None:
        super().__init__(sweep, tree, searcher, planned, score, warm_start=warm_start)
        assert sweep.early_terminate is not None
        self._early = sweep.early_terminate
        self._has_room = has_room
        self._can_have_child, self._make_child = can_have_child, make_child
        self._members = sweep.trials()
        self._no_more_members = False
        self._children: deque[PlannedTrial] = deque()
        self._values: dict[int, dict[int, float]] = defaultdict(dict)  # epoch -> trial -> value
        self._latest: dict[int, float] = {}
        self._reports: Counter[int] = Counter()
        self._params: dict[int, dict[str, Any]] = {}
        self._runs: dict[int, RunRecord] = {}
        self._parents: dict[int, tuple[int, int]] = {}  # trial -> its parent, after which epoch
        self._over: set[int] = set()
        self._warned = False
        self._recall(planned)

    def __next__(self) -> PlannedTrial | None:
        if self._children:
            return self._children.popleft()
        if not self._no_more_members:
            try:
                item = super().__next__()
            except StopIteration:
                self._no_more_members = True
            else:
                assert item is not None
                self._params[item.trial.index] = item.trial.params
                return item
        if self._left() <= 0:
            raise StopIteration
        return None

    def ended(
        self, trial: int, values: Sequence[float] | None, run: RunRecord | None = None
    ) -> None:
        self._over.add(trial)
        super().ended(trial, values, run)

    def reported(self, trial: int, run: RunRecord, epoch: int, value: float) -> bool:
        """A trial has ended an epoch. True if a child was made to take its place.

        It is judged where two others have been: is its value there among the worst ``quantile``?
        One that is no finite number always is.
        """
        self._runs[trial] = run
        self._reports[trial] += 1
        self._note(trial, epoch, value)
        values = self._compared(trial, epoch)
        if not values:
            return False
        ranked = sorted(values.values())
        worst = min(math.ceil(len(ranked) * self._early.options["quantile"]), len(ranked) // 2)
        if math.isfinite(values[trial]) and values[trial] <= ranked[-worst - 1]:
            return False
        if self._left() <= 0 or not self._has_room(len(self._children)):
            return False
        try:
            replaced = self._replace(trial, values)
        except (SweeperError, OSError) as error:
            logger.warning("trial %s goes on: no other can take its place: %s", trial, error)
            return False
        if replaced:
            self._over.add(trial)  # nobody shall go on from it in the moment that it has left
        return replaced

    def _compared(self, trial: int, epoch: int) -> dict[int, float]:
        """The values at the latest multiple of ``interval`` where the trial and two more have been.

        Not simply at this one: whoever is a little faster than the others would never be judged.
        """
        interval, first = self._early.options["interval"], max(1, self._early.min_iter or 0)
        for at in range(epoch - epoch % interval, first - 1, -interval):
            values = self._values.get(at, {})
            if len(values) > 2 and trial in values:
                return values
        return {}

    def _replace(self, trial: int, values: dict[int, float]) -> bool:
        """Make a child of one of the best of those under way that did, and do, better."""
        latest = self._latest
        better = sorted(
            (value, other)
            for other, value in values.items()
            if value < values[trial] and latest[other] < latest[trial] and other not in self._over
        )
        parents = [other for _, other in better if self._can_have_child(self._runs[other])]
        random = Random(f"{self._sweep.seed} {self._next}")
        best = parents[: math.ceil(len(parents) * self._early.options["quantile"])]
        random.shuffle(best)
        for parent in [*best, *parents[len(best) :]]:
            child = self._child_of(parent, random)
            if child is not None:
                self._children.append(child)
                self._trials += 1
                self._next += 1
                return True
        # Whoever reports before it saves has a backup at its second report for sure.
        mature = [other for _, other in better if self._reports[other] > 1]
        alive = [other for other in mature if RunRecord.at(self._runs[other].path).outcome is None]
        if alive and not parents and not self._warned:
            self._warned = True
            logger.warning(
                "%s: no trial has a backup from which another could go on: pass `callbacks` to "
                "model.fit, or call run.save(directory) after each report",
                self._early.type,
            )
        return False

    def _child_of(self, parent: int, random: Random) -> PlannedTrial | None:
        sweep = self._sweep
        params = self._explore(parent, random)
        if params is None:
            return None
        trial = sweep.trial_of(self._next, params)
        run = self._make_child(trial, self._runs[parent])
        if run is None:
            return None
        assert run.parent is not None
        self._params[trial.index], self._runs[trial.index] = params, run
        self._parents[trial.index] = (parent, int(run.parent["epoch"]))
        return PlannedTrial(trial, run.experiment, run, "resumed")

    def _explore(self, parent: int, random: Random) -> dict[str, Any] | None:
        space, early = self._sweep.space, self._early
        if early.type == "pbt":
            return explore(space, self._params[parent], early.options["resample"], random)
        epoch = max(epoch for epoch, values in self._values.items() if parent in values)
        running = [
            point
            for trial in self._params
            if trial not in self._over and (point := self._point(trial)) is not None
        ]
        ranked = rank_numbers(
            space, self._changes(), running, epoch + early.options["interval"], random
        )
        return explore(space, self._params[parent], 0.0, random, ranked)

    def _changes(self) -> list[Change]:
        """What each trial has gained from one multiple of ``interval`` to the next."""
        interval = self._early.options["interval"]
        found = []
        for epoch, values in self._values.items():
            for trial, value in values.items() if epoch % interval == 0 else ():
                gain = self._value(trial, epoch - interval) - value
                point = self._point(trial)
                if math.isfinite(gain) and point is not None:
                    found.append(Change(epoch, point, gain))
        return found

    def _value(self, trial: int, epoch: int) -> float:
        """The trial's value at the epoch, or that of the forebear it has begun from."""
        while trial in self._parents and epoch <= self._parents[trial][1]:
            trial = self._parents[trial][0]
        return self._values.get(epoch, {}).get(trial, math.inf)

    def _point(self, trial: int) -> list[float | None] | None:
        try:
            return self._sweep.space.encode(self._params[trial])
        except (KeyError, ValueError):
            return None

    def _choose(self) -> list[PlannedTrial]:
        if self._searcher is not None:
            return super()._choose()
        while True:
            planned = self._plan(next(self._members).params, None)
            if planned:
                return planned

    def _note(self, trial: int, epoch: int, value: float) -> None:
        """Keep a value, turned so that smaller is better; what is no finite number is worst."""
        value = self._signs[0] * value if math.isfinite(value) else math.inf
        self._values[epoch][trial] = self._latest[trial] = value

    def _recall(self, planned: Sequence[PlannedTrial]) -> None:
        """What the runs of earlier launches have reported."""
        assert self._sweep.metric is not None
        metric = self._sweep.metric.name
        trials = {}
        for item in planned:
            index, run = item.trial.index, item.run
            self._params[index] = item.trial.params
            if run is None:
                continue
            self._runs[index] = run
            trials[f"{run.experiment}/{run.run}"] = index
            for row in run.rows:
                if metric in row:
                    self._note(index, int(row["epoch"]), row[metric])
            if run.outcome is not None:
                self._over.add(index)
        for index, run in self._runs.items():
            if run.parent is not None:
                name = f"{run.parent['experiment']}/{run.parent['run']}"
                if name in trials:
                    self._parents[index] = (trials[name], int(run.parent["epoch"]))
