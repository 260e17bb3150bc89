"""Which runs belong to a sweep, and how each of its trials stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweeper.errors import TreeError
from sweeper.sweepfile import Metric, Sweep
from sweeper.tree import (
    Choices,
    PlannedTrial,
    RunChooser,
    RunRecord,
    Tree,
    listed,
    plan_known,
    trials_of,
)
from sweeper.wording import counted, tally

from .entry import STATUSES, Entry, is_good
from .flat import ParameterNames
from .programs import older_text_note, other_program_note


@dataclass
class Index:
    """The trials of a sweep, or all runs of a base directory, as the tree has them.

    ``sweep`` is None for a directory without a stored sweep. ``size`` counts the trials that the
    sweep enumerates, None if they are endless; ``pending`` those of them that have no run and are
    too many to be among the entries; ``unreadable`` are runs whose sweep nobody can tell, as their
    run.json is torn, ``hidden`` how many cannot be read at all. Reading the tree again means a new
    index.
    """

    name: str
    base: Path
    entries: list[Entry]
    sweep: Sweep | None = None
    metric: Metric | None = None
    size: int | None = None
    pending: int = 0
    notes: list[str] = field(default_factory=list)
    unreadable: list[RunRecord] = field(default_factory=list)
    hidden: int = 0

    def counts(self) -> dict[str, int]:
        """Status -> number of trials that the file lists; those of the common kind even if 0."""
        found = Counter(entry.status for entry in self.entries if entry.listed)
        found["pending"] += self.pending
        always = STATUSES[:6]
        return {name: found[name] for name in STATUSES if name in always or found[name]}

    def counts_in_words(self) -> str:
        """The same for people, and apart from it the trials that the file no longer lists."""
        words = tally(self.counts()) or "none"
        gone = sum(not entry.listed for entry in self.entries)
        return f"{words}, and {gone} that the file no longer lists" if gone else words

    @property
    def title(self) -> str:
        """What people call it: the sweep's title, or the directory's name."""
        return self.sweep.title if self.sweep is not None else self.name

    @property
    def repeated(self) -> bool:
        """Whether experiments have several runs with different seeds, as ``repeats`` asks."""
        if self.sweep is not None and self.sweep.repeats > 1:
            return True
        return any(entry.replicate and entry.sweep is not None for entry in self.entries)

    def parameters(self) -> ParameterNames:
        """The parameters of the trials, and which of them vary."""
        return ParameterNames(entry.params for entry in self.entries)

    def settled(self) -> list[Entry]:
        """The entries whose value is final: with ``mode: last`` a run has none before it ends.

        Of replicates all are here: ``target_reached`` waits for their mean.
        """
        if self.metric is None or self.metric.mode == "best" or self.repeated:
            return self.entries
        return [entry for entry in self.entries if entry.succeeded]

    def torn(self) -> list[Path]:
        """Every file of these runs that is cut or garbled."""
        records = {record.path: record for record in [*self.records(), *self.unreadable]}
        return [path for record in records.values() for path in record.torn]

    def records(self) -> Iterator[RunRecord]:
        """The runs, each once: two trials with equal parameters share one."""
        seen: set[Path] = set()
        for entry in self.entries:
            if entry.record is not None and entry.record.path not in seen:
                seen.add(entry.record.path)
                yield entry.record


def index_sweep(sweep: Sweep, tree: Tree | None = None) -> Index:
    """The trials of ``sweep`` with their runs in ``tree`` (the sweep's own base by default).

    First what the sweep enumerates, in its order; then the runs it made for trials that it no
    longer enumerates. Of an endless sweep only the trials up to the last that was run, of a very
    large one those with runs. Runs of another program are left out, and a note says so.
    """
    tree = (tree or Tree(sweep.base_dir)).as_it_is()
    name, unread = sweep.sweep_name, None
    try:
        choices = Choices.read(tree, name)
    except TreeError as error:  # a launch would not start, but the runs can be shown
        choices, unread = Choices(), f"what --rerun and --reuse said is not known: {error}"
    chooser = RunChooser(sweep, tree, choices)
    plan = list(plan_known(sweep, tree, chooser.choices))
    entries = [_planned_entry(item, name) for item in plan]
    known = {(entry.experiment, entry.replicate) for entry in entries}
    seen = {entry.record for entry in entries}
    rest, hidden = _told(record for record in tree.all_runs() if record not in seen)
    others = [item.run for item in plan if item.state == "other" and item.run is not None]
    lists_all = sweep.adaptive or listed(sweep, tree) is not None
    may_try = None if lists_all else trials_of(sweep)
    unlisted: list[RunRecord] = []
    shared: list[RunRecord] = []
    for record in rest:
        if (record.experiment, record.replicate) in known:
            continue
        if record.sweep != name and not (may_try and is_good(record) and may_try(record)):
            continue
        try:
            mine = unlisted if record.sweep == name else shared
            (others if chooser.is_other(record) else mine).append(record)
        except TreeError:  # of the text of its program
            hidden.append(record)
    made = _newest(unlisted)
    entries += made
    entries += [replace(entry, trial=None, sweep=name) for entry in _newest(shared, listed=True)]
    older: list[tuple[int | None, RunRecord]]
    older = [(i.trial.index, i.run) for i in plan if i.run and i.changed and i.state != "other"]
    older += [(e.trial, e.record) for e in made if e.record and chooser.is_older(e.record)]
    shown = {entry.experiment for entry in entries}
    hidden = [record for record in hidden if record.experiment not in shown]
    notes = (
        unread,
        _inexact_note(entries),
        other_program_note(sweep, others),
        older_text_note(sweep, older),
        _hidden_note(hidden),
    )
    unreadable = [r for r in rest if not r.provenance and _error(r) is None]
    there = sum(entry.listed for entry in entries)
    return Index(
        name,
        tree.base,
        entries,
        sweep,
        sweep.metric,
        sweep.size(),
        0 if lists_all else max(0, (sweep.size() or 0) - there),
        notes=[note for note in notes if note],
        unreadable=unreadable,
        hidden=len(hidden),
    )


def _inexact_note(entries: Iterable[Entry]) -> str | None:
    found = [(e.trial, e.record.inexact) for e in entries if e.record and e.record.inexact]
    if not found:
        return None
    shown = "; ".join(f"trial {trial}: {', '.join(why)}" for trial, why in found[:3])
    more = f"; and {len(found) - 3} more, see run.json" if len(found) > 3 else ""
    return f"resumed, and not exactly what they would have been undisturbed: {shown}{more}"


def _planned_entry(item: PlannedTrial, sweep_name: str) -> Entry:
    """With what the run was given, if there is one: the file may say other than it trained with."""
    trial, run = item.trial, None if item.state == "other" else item.run
    params = (run.params if run is not None else None) or trial.params
    entry = Entry(trial.index, trial.replicate, params, item.experiment, run, sweep=sweep_name)
    return _readable(entry, item.error)


def _readable(entry: Entry, error: TreeError | None = None) -> Entry:
    """The entry, without its run where that cannot be read."""
    if error is None and entry.record is not None:
        error = _error(entry.record)
    return entry if error is None else replace(entry, record=None, unreadable=error)


def _error(record: RunRecord) -> TreeError | None:
    """What keeps one from reading all that a run is shown with."""
    try:
        for read in ("status", "torn"):
            getattr(record, read)
    except TreeError as error:
        return error
    return None


def _told(records: Iterable[RunRecord]) -> tuple[list[RunRecord], list[RunRecord]]:
    """The runs of which one can tell whose they are, and the others."""
    every = list(records)
    hidden = [record for record in every if record.unreadable is not None]
    return [record for record in every if record.unreadable is None], hidden


def _hidden_note(hidden: Sequence[RunRecord]) -> str | None:
    if not hidden:
        return None
    many = counted(len(hidden), "run")
    return f"{many} cannot be read, perhaps of this sweep: {hidden[0].unreadable}"


def index_directory(tree: Tree, name: str, sweep_name: str | None = None) -> Index:
    """All runs of ``tree``, or those that say they belong to ``sweep_name``, in order of trial."""
    records, hidden = _told(tree.all_runs())
    if sweep_name is None:
        entries = [_entry(record, listed=True) for record in records]
    else:
        entries = _newest((r for r in records if r.sweep == sweep_name), listed=True)
    unreadable = [r for r in records if not r.provenance and _error(r) is None]
    notes = [note for note in (_hidden_note(hidden),) if note]
    return Index(name, tree.base, entries, notes=notes, unreadable=unreadable)


def _entry(record: RunRecord, listed: bool) -> Entry:
    names = record.trial, record.replicate, record.params, record.experiment
    return _readable(Entry(*names, record, listed, record.sweep))


def _newest(records: Iterable[RunRecord], listed: bool = False) -> list[Entry]:
    """One entry per trial: the good run if there is one, else the newest."""
    chosen: dict[tuple[str, int, int | None], RunRecord] = {}
    for record in records:
        key = (record.experiment, record.replicate, record.trial if record.parent else None)
        before = chosen.get(key)
        if before is None or not is_good(before) or is_good(record):
            chosen[key] = record
    ordered = sorted(chosen.values(), key=lambda r: (r.trial is None, r.trial or 0, r.experiment))
    return [_entry(record, listed) for record in ordered]
