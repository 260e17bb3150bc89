"""What a launch has to do: every trial of a sweep against what the tree holds already."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import SweeperError, TreeError

from .choices import Choices
from .identity import Monitored, group_canonicals
from .program import Program, ProgramCheck, program_of
from .records import FAILED, RunRecord
from .tree import Tree

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep, Trial

_DONE_HERE = ("stopped", "pruned")

MOST_LISTED = 10_000
"""Of a sweep of more trials those that have no run are counted, and not shown one by one."""


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and what is to become of it.

    ``state``: ``new``; ``reused`` (``run`` is done, or an earlier trial of this plan does the same
    work and ``run`` may be None); ``resumed`` (``run`` goes on); ``failed`` (``run`` stays failed);
    ``other`` (``run``, the only one, is another program's); ``unreadable`` (``error`` says why
    nobody can tell which of these).
    ``changed``: ``run`` has run an older text of the program. ``passed_over`` are the runs of the
    same parameters that are not the trial's, as they are another program's or to be run again;
    ``continues`` is a failed one of these from whose backup a new run goes on.
    """

    trial: Trial
    experiment: str
    run: RunRecord | None
    state: str
    changed: bool = False
    passed_over: tuple[RunRecord, ...] = ()
    continues: RunRecord | None = None
    error: TreeError | None = None


class RunChooser:
    """Says which of the runs with its parameters is a trial's, and what is to become of it."""

    def __init__(self, sweep: Sweep, tree: Tree, choices: Choices | None = None) -> None:
        self.choices = Choices.read(tree, sweep.sweep_name) if choices is None else choices
        self._sweep_name = sweep.sweep_name
        self._numbered = sweep.adaptive  # only then a run may be its trial's alone
        self._tree = tree
        self._program = ProgramCheck(Program.of(sweep))

    def plan(self, trial: Trial, experiment: str, runs: list[RunRecord]) -> PlannedTrial:
        """The trial, given the runs (oldest first) of its parameters."""
        mine, error = runs_of_replicate(runs, trial.replicate)
        try:
            planned = self._plan(trial, experiment, mine)
        except TreeError as why:  # of the texts of a program
            error = why
        else:
            if error is None or planned.state == "reused":
                return planned
        return PlannedTrial(trial, experiment, None, "unreadable", error=error)

    def _plan(self, trial: Trial, experiment: str, runs: list[RunRecord]) -> PlannedTrial:
        number = trial.index if self._numbered else None
        left = [run for run in runs if not self.choices.drop(self._tree, run)]
        mine = [run for run in left if not self.is_other(run)]
        state, run = trial_state(mine, self._sweep_name, number)
        if state == "new" and len(mine) < len(left):
            others = [run for run in left if run not in mine]
            there, run = trial_state(others, self._sweep_name, number)
            if there == "new" or str(self._program.today) in self.choices.beside:
                run = None
            else:
                state = "other"
        passed_over = tuple(run for run in runs if run not in mine)
        changed = run is not None and self.is_older(run)
        failed = [r for r in runs if r not in left and not self.is_other(r)][-1:]
        continues = next((r for r in failed if state == "new" and r.status in FAILED), None)
        return PlannedTrial(trial, experiment, run, state, changed, passed_over, continues)

    def is_other(self, run: RunRecord) -> bool:
        """Is the run another program's, and has nobody said that it is as good as the sweep's?"""
        other = self._program.belonging(run) == "other"
        return other and str(program_of(run)) not in self.choices.reuse

    def is_older(self, run: RunRecord) -> bool:
        """Has the run run another text than that of the program now?"""
        return self._program.belonging(run) != "same"


def plan_trials(sweep: Sweep, tree: Tree, choices: Choices | None = None) -> Iterator[PlannedTrial]:
    """Every trial of ``sweep`` in order, lazily; an endless sweep gives an endless plan.

    Of an adaptive sweep: what the tree holds of it and what is left of that to do; its searcher
    chooses the rest. ``choices`` are those that the tree keeps unless others are given. Raises
    UsageError if the parameters cannot be identified, TreeError if the tree cannot be read.
    """
    chooser = RunChooser(sweep, tree, choices)
    if sweep.adaptive:
        yield from _plan_chosen(sweep, tree, chooser)
        return
    seen: dict[tuple[Tree, str, int], RunRecord | None] = {}
    claims: dict[Tree, dict[str, bytes]] = {tree: {}, tree.debug: {}}
    for trial in sweep.trials():
        place = tree.of(trial.params)
        experiment, runs = place.find_runs(trial.params, sweep.monitored, claims[place])
        key = (place, experiment, trial.replicate)
        if key in seen:
            yield PlannedTrial(trial, experiment, seen[key], "reused")
            continue
        if runs:
            planned = chooser.plan(trial, experiment, runs)
        else:
            planned = PlannedTrial(trial, experiment, None, "new")
        seen[key] = planned.run
        yield planned


def plan_known(sweep: Sweep, tree: Tree, choices: Choices | None = None) -> Iterator[PlannedTrial]:
    """The trials of a plan that can have runs: of an endless sweep those up to the last one run.

    Of a sweep of too many to be listed (see :func:`listed`) those that have runs.
    """
    most = listed(sweep, tree)
    if most is None:
        return _plan_chosen(sweep, tree, RunChooser(sweep, tree, choices))
    return itertools.islice(plan_trials(sweep, tree, choices), most)


def listed(sweep: Sweep, tree: Tree) -> int | None:
    """How many trials one lists to tell how each stands; None: those with runs alone.

    A file can ask for any number, and so can one run that says that it is trial 10**12.
    """
    size = sweep.size()
    if not sweep.adaptive and size is None:
        size = next_trial(sweep, tree)
    return None if size is None or size > MOST_LISTED else size


def _plan_chosen(sweep: Sweep, tree: Tree, chooser: RunChooser) -> Iterator[PlannedTrial]:
    """The trials that have a run of the sweep's own, and of an adaptive one their other replicates.

    Without those that the file as it is now could not choose: they were of another search. Of the
    replicates that no run has begun as many as ``run_cap`` has room for. Where ``repeats`` has
    grown, dicts whose numbers would be those of others get new ones.
    """
    may_try, size = trials_of(sweep), sweep.size()
    wanted = range(sweep.repeats if sweep.adaptive and sweep.repeats <= MOST_LISTED else 0)
    found: dict[tuple[Path, str, int | None], list[RunRecord]] = {}
    for record in tree.runs_of(sweep.sweep_name):
        if record.trial is not None and record.params:
            # A child may have the parameters of another trial.
            child = record.trial if record.parent else None
            found.setdefault((record.base, record.experiment, child), []).append(record)
    known = [max(records, key=_first) for records in found.values()]
    dicts = sorted(zip(known, found.values(), strict=True), key=lambda pair: _first(pair[0]))
    chosen, unbegun = list[PlannedTrial](), list[PlannedTrial]()
    taken = set[int]()
    free = max((_first(one) + max(one.replicate + 1, len(wanted)) for one in known), default=0)
    for one, records in dicts:
        first = _first(one)
        if not may_try(one) or (size is not None and first >= size and not sweep.adaptive):
            continue
        numbers = sorted({*(record.replicate for record in records), *wanted})
        if sweep.adaptive and not taken.isdisjoint(first + number for number in numbers):
            first = free + -free % sweep.repeats
            free = first + numbers[-1] + 1
        taken.update(first + number for number in numbers)
        for number in numbers:
            if number >= sweep.repeats and not sweep.adaptive:
                continue
            runs = [record for record in records if record.replicate == number]
            trial = sweep.trial_of(first + number, one.params, number)
            (chosen if runs else unbegun).append(chooser.plan(trial, one.experiment, runs))
    if sweep.run_cap is not None:
        unbegun = unbegun[: max(0, sweep.run_cap - len(chosen))]
    yield from sorted(chosen + unbegun, key=lambda item: item.trial.index)


def _first(run: RunRecord) -> int:
    """The number of the first trial of the run's parameter dict."""
    return (run.trial or 0) - run.replicate


def trials_of(sweep: Sweep) -> Callable[[RunRecord], bool]:
    """Says of a run whether its parameters, but for those not monitored, are of the space.

    What was monitored when it ran counts, too: a parameter that the file has no more.
    """
    space, monitored = sweep.space, sweep.monitored

    def groups(params: dict[str, Any], by: Monitored = monitored) -> tuple[str, ...]:
        return tuple(group_canonicals(params, by))

    listed = {groups(space.listed_at(i)) for i in range(len(space.listed or ()))}

    def may_try(record: RunRecord) -> bool:
        params = record.params
        try:
            if record.replicate >= sweep.repeats and not sweep.adaptive:
                return False
            if listed:
                return groups(params) in listed
            its = space.rebuild(params)
            if its is not None and space.is_finite and not sweep.adaptive:
                its = space.decode([0.5 if u is None else u for u in space.encode(params)])
            return its is not None and all(
                groups(its, by) == groups(params, by) for by in (monitored, record.monitored)
            )
        except SweeperError:
            return False

    return may_try


def next_trial(sweep: Sweep, tree: Tree) -> int:
    """A number that no trial of the sweep has had yet, whatever its file said at the time."""
    numbers = (run.trial for run in tree.runs_of(sweep.sweep_name))
    return max((number for number in numbers if number is not None), default=-1) + 1


def runs_of_replicate(
    runs: list[RunRecord], replicate: int
) -> tuple[list[RunRecord], TreeError | None]:
    """Those of ``runs`` that are of the replicate; and why another, which may be, cannot be read.

    Only where one of the others is good does that not matter.
    """
    told = [run for run in runs if run.unreadable is None]
    hidden = next((run.unreadable for run in runs if run.unreadable is not None), None)
    return [run for run in told if run.replicate == replicate], hidden


def runs_of_trial(runs: list[RunRecord], sweep_name: str, trial: int | None) -> list[RunRecord]:
    """Those of ``runs`` that could be the trial's, whose parameters they have.

    A run with a parent is its own trial's alone: it is not what its parameters alone would give.
    """
    own = [r for r in runs if r.parent and r.sweep == sweep_name and r.trial == trial]
    return own or [r for r in runs if not r.parent]


def trial_state(
    runs: list[RunRecord], sweep_name: str, trial: int | None = None
) -> tuple[str, RunRecord | None]:
    """The state of a trial of ``sweep_name``, given the runs (oldest first) that could be its.

    ``trial`` is its number, needed in a sweep whose runs may begin from each other's backups.
    """
    runs = runs_of_trial(runs, sweep_name, trial)
    # Of a torn run.json the outcome still counts; without one there is nothing to continue.
    usable = [run for run in runs if run.provenance or run.outcome]
    for run in reversed(usable):
        if run.outcome and run.status == "finished":
            return "reused", run
    ours = [run for run in usable if run.sweep == sweep_name]
    if not ours:
        return "new", None
    latest = ours[-1]
    if latest.outcome is None:
        return "resumed", latest
    if latest.status in _DONE_HERE:
        return "reused", latest
    return "failed", latest
