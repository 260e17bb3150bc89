"""The commands that read a sweep: plan, status, best. None loads Ray or TensorFlow."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from sweeper.results import Columns, Goal, Index
    from sweeper.sweepfile import Metric, Sweep, Trial
    from sweeper.tree import PlannedTrial, RunRecord

    from .formatting import Column

PARAM_COLUMNS = 6  # parameters that vary, shown in a table
LOOKED_AT = 10_000  # trials that decide which parameters a table shows

PLAN_FIELDS = ("trial", "replicate", "seed", "state", "experiment", "run")
STATUS_FIELDS = (
    *("trial", "replicate", "status", "epochs", "value", "epoch", "elapsed"),
    *("experiment", "run", "path", "error", "log"),
)
BEST_FIELDS = (
    *("rank", "trial", "replicate", "value", "epoch", "status", "elapsed"),
    *("experiment", "run", "checkpoint"),
)
MEAN_FIELDS = ("std", "runs", "values")  # too, where trials are repeated


def say(text: str) -> None:
    """Talk: to stderr, so that stdout holds data only."""
    print(text, file=sys.stderr)


@click.command()
@options.spec_argument
@options.overrides_argument
@options.max_trials_option
@options.place_options
@options.seed_option
@options.format_options
@click.option("--retry-failed", is_flag=True, help="Plan as `launch --retry-failed` would.")
@click.option(
    "--save-trials",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the trials to FILE (.csv, .json, .yaml), which `method: list` reads.",
)
def plan(spec: Path, format_: str, save_trials: Path | None, **given: Any) -> None:
    """Show SPEC's trials as a launch would find them: new, reused, resumed, failed.

    Nothing runs and nothing is written; the program need not exist.
    """
    from sweeper.sweepfile import save_trials as write_trials
    from sweeper.tree import Tree, plan_trials

    sweep = options.load(spec, **given)
    planned: Iterable[PlannedTrial] = plan_trials(
        sweep, Tree(sweep.base_dir).as_it_is(), given["retry_failed"]
    )
    planned = list(planned) if sweep.adaptive else planned
    print_plan(sweep, planned, format_)
    if save_trials is not None:
        shown = _shown(sweep, planned)
        count = write_trials(save_trials, (t.params for t in shown if t.replicate == 0))
        say(f"wrote {count} point{'' if count == 1 else 's'} to {save_trials}")


def print_plan(sweep: Sweep, planned: Iterable[PlannedTrial], format_: str = "table") -> int:
    """Print ``planned`` as it comes, its counts to stderr; returns the exit code, 0."""
    from sweeper.results import Columns, Estimator

    from . import costs, formatting

    for warning in sweep.warnings:
        say(f"sweeper: {warning}")
    say(f"{sweep.sweep_name}: {costs.space_in_words(sweep)}")
    size = sweep.size()
    if sweep.adaptive:
        planned = list(planned)
    trials = _shown(sweep, planned)
    if format_ != "csv":  # the header of a CSV file must name every parameter
        trials = itertools.islice(trials, LOOKED_AT)
    names = Columns(trial.params for trial in trials)
    columns = [formatting.column("trial"), formatting.column("state")]
    columns += param_columns(names)
    columns.append(formatting.Column("directory", _directory))
    head = {"sweep": sweep.sweep_name, "size": size, "points": sweep.points()}
    counts: Counter[str] = Counter()
    estimator, limit = Estimator(sweep), costs.shown_limit(sweep)
    with formatting.writer(format_, head, columns, PLAN_FIELDS, names.names) as writer:
        for item in itertools.islice(planned, limit):
            counts[item.state] += 1
            estimator.add(item)
            writer.add(_plan_row(item, format_ != "table"))
        left = costs.estimate_left(sweep, estimator)
        cost = left and {"seconds": round(left.seconds, 3), "bytes": left.bytes}
        writer.tail = {"estimate": cost}
    words = ", ".join(f"{number} {state}" for state, number in counts.items()) or "none"
    say(f"{sweep.sweep_name}: {_trials(counts.total())}: {words}; in {sweep.base_dir}")
    if sweep.adaptive:
        more = "further trials" if size is None else _trials(max(0, size - counts.total()))
        say(f"method {sweep.chooser} is to choose {more} as results come in")
    elif size is None:
        say(f"the sweep has no end; these are its first {limit}: -n shows more or fewer")
    elif not counts and sweep.constraints:
        say("no point of the space satisfies `constraints`: relax one of them")
    elif limit is not None:
        say(f"too many to launch; these are the first {limit}: -n shows more or fewer")
    if left is not None and left.seconds:
        say(costs.estimate_in_words(left))
    return 0


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"


def _shown(sweep: Sweep, planned: Iterable[PlannedTrial]) -> Iterable[Trial]:
    """The trials that a plan shows: all, but of an endless sweep the first ones only."""
    from .costs import shown_limit

    if sweep.adaptive:
        return (item.trial for item in planned)
    return itertools.islice(sweep.trials(), shown_limit(sweep))


def _plan_row(item: PlannedTrial, in_full: bool) -> dict[str, Any]:
    return {
        "trial": item.trial.index,
        "replicate": item.trial.replicate,
        "seed": item.trial.seed if in_full else None,
        "params": item.trial.params,
        "experiment": item.experiment,
        "run": item.run.run if item.run else None,
        "state": item.state,
    }


def _directory(row: Any) -> str | None:
    names = [name for name in (row["experiment"], row["run"]) if name]
    return "/".join(names) or None


@click.command()
@options.target_argument
@options.overrides_argument
@options.place_options
@options.seed_option
@options.format_options
def status(target: Path, format_: str, **given: Any) -> None:
    """Show how each trial of a sweep stands, from what lies in the tree.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    """
    from sweeper.results import trial_row

    from . import formatting

    index = open_target(target, given)
    say_torn(index.records())
    metric = index.metric or _watched(index)
    rows = [trial_row(entry, metric) for entry in index.entries]
    counts = index.counts()
    names = names_of(index)
    columns = [formatting.column(key) for key in ("trial", "status", "epochs")]
    if metric:
        columns += [formatting.column("value", metric.name), formatting.column("epoch", "at")]
    columns.append(formatting.Column("time", lambda row: formatting.show_seconds(row["elapsed"])))
    columns += [*param_columns(names), formatting.Column("directory", _directory)]
    head = {"sweep": index.name, "size": index.size, "counts": counts}
    if format_ == "table":
        words = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
        print(f"{index.name}: {_trials(len(rows))}: {words or 'none'}")
        if not rows:
            return
    with formatting.writer(format_, head, columns, STATUS_FIELDS, names.names) as writer:
        for row in rows:
            writer.add(row)
    if format_ == "table":
        for row in rows:
            if row["log"]:
                why = row["error"] or "no error recorded"
                print(f"trial {row['trial']} {row['status']}: {why}\n  {row['log']}")


@click.command()
@options.target_argument
@options.overrides_argument
@options.place_options
@options.seed_option
@options.format_options
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, metavar="N")
@click.option("--metric", "metric_name", metavar="NAME", help="Rank by this metric instead.")
@click.option("--goal", type=click.Choice(["minimize", "maximize"]), help="What --metric is to be.")
@click.option(
    "--copy-to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy the best run's hyperparameters, performances and checkpoint there.",
)
def best(target: Path, format_: str, top: int, copy_to: Path | None, **given: Any) -> None:
    """Show the best trials of a sweep: value, parameters, checkpoint.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    Failed trials are left out; a trial that is still running counts with what it has.
    Repeated trials are ranked by the mean of their runs; the run shown is the best of them.
    """
    from sweeper.results import best_row, check_metric, copy_best, rank

    from . import formatting

    index = open_target(target, given)
    metric = _metric_for(index, given["metric_name"], given["goal"])
    ranked = rank(index.entries, metric, top)
    if not ranked:
        check_metric(metric, index.records())
        say(f"{index.name}: no run has recorded {metric.name} yet")
    say_torn(item.entry.record for item in ranked if item.entry.record is not None)
    rows = [best_row(item, index.repeated) for item in ranked]
    names = names_of(index)
    columns = [formatting.column(key) for key in ("rank", "trial")]
    fields: tuple[str, ...] = BEST_FIELDS
    if index.repeated:
        columns.append(formatting.Column(f"{metric.name} (mean ± std)", _mean))
        columns.append(formatting.column("runs"))
        fields += MEAN_FIELDS
    else:
        columns.append(formatting.column("value", metric.name))
    columns.append(formatting.column("epoch"))
    columns += [formatting.column("status"), *param_columns(names)]
    columns.append(formatting.Column("directory", _directory))
    head = {"sweep": index.name, "metric": metric.name, "goal": metric.goal}
    with formatting.writer(format_, head, columns, fields, names.names) as writer:
        for row in rows:
            writer.add(row)
    if format_ == "table" and rows:
        _print_best(rows[0], metric.name)
    if copy_to is not None and ranked:
        for path in copy_best(ranked[0], copy_to):
            say(f"copied {path}")


def _mean(row: Any) -> str:
    from .formatting import show_mean

    return show_mean(row["value"], row["std"])


def _print_best(row: dict[str, Any], metric: str) -> None:
    """The best run in full."""
    from sweeper.results import flatten

    from .formatting import show

    print(f"\nbest: trial {show(row['trial'])}, epoch {row['epoch']}")
    if "runs" in row:
        print(
            f"  {metric}: {_mean(row)} (mean ± std of {row['runs']} runs; this is the best of them)"
        )
    for title, values in (("parameters", flatten(row["params"])), ("metrics", row["metrics"])):
        print(f"  {title}")
        width = max(map(len, values), default=0)
        for name, value in values.items():
            print(f"    {name.ljust(width)}  {show(value)}")
    print(f"  run         {row['path']}")
    print(f"  checkpoint  {row['checkpoint'] or 'none was kept'}")


def open_target(target: Path, given: dict[str, Any]) -> Index:
    """The index that a reading command's SPEC|DIR and options name."""
    from sweeper.results import open_index

    index = open_index(
        target,
        options.check_overrides(given.get("overrides") or ()),
        storage=given["storage"],
        name=given["name"],
        seed=given.get("seed"),
    )
    for note in index.notes:
        say(f"sweeper: {note}")
    return index


def say_torn(records: Iterable[RunRecord]) -> None:
    """Name the files of these runs that are cut or garbled."""
    for record in records:
        for path in record.torn:
            say(f"sweeper: torn: {path}")


def _watched(index: Index) -> Metric | None:
    from sweeper.results import monitored_metric

    return monitored_metric(index.records())


def _metric_for(index: Index, name: str | None, goal: Goal | None) -> Metric:
    """The metric to rank by. Raises UsageError if neither sweep nor runs nor options tell."""
    from sweeper.errors import UsageError
    from sweeper.results import metric_names, named_metric

    if name is not None:
        return named_metric(name, goal, index.metric)
    metric = index.metric or _watched(index)
    if metric is None:
        found = ", ".join(metric_names(index.records())) or "nothing yet"
        raise UsageError(
            f"{index.name}: expected one metric to rank by, found none that the sweep or all runs "
            f"name; pass --metric NAME (the runs have recorded {found})"
        )
    return metric


def names_of(index: Index) -> Columns:
    """The parameters of an index's trials, and which vary."""
    from sweeper.results import Columns

    return Columns(entry.params for entry in index.entries)


def param_columns(names: Columns) -> list[Column]:
    """Table columns for the first parameters that vary."""
    from sweeper.results import short_names

    from .formatting import param_column

    short = short_names(names.names)
    return [param_column(name, short[name]) for name in names.varying[:PARAM_COLUMNS]]
