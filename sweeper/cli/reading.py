"""The commands that read what came of a sweep: status, best. Neither loads Ray or TensorFlow."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeper.errors import TreeError
from sweeper.wording import counted, printable

from . import options
from .messages import say, say_notes, tell

if TYPE_CHECKING:
    from sweeper.results import Index
    from sweeper.sweepfile import Metric

STATUS_FIELDS = (
    *("trial", "replicate", "status", "epochs", "value", "epoch", "elapsed"),
    *("experiment", "run", "path", "error", "log"),
)
BEST_FIELDS = (
    *("rank", "trial", "replicate", "value", "epoch", "status", "elapsed"),
    *("experiment", "run", "checkpoint"),
)
MEAN_FIELDS = ("std", "runs", "values")  # too, where trials are repeated


@click.command()
@options.target_options
@options.seed_option
@options.select_options
@click.option("--sparkline", is_flag=True, help="A column with the metric over the epochs.")
@click.option("--watch", is_flag=True, help="What runs, drawn anew until all trials have ended.")
@options.format_options
def status(target: Path, format_: str, watch: bool, **given: Any) -> None:
    """Show how each trial of a sweep stands, from what lies in the tree.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    """
    from sweeper.results import curve_of, is_storage, metric_of, of_several, trial_row

    from . import formatting
    from .selection import Selection
    from .tables import Column, sparkline

    if is_storage(target):
        from .overview import list_sweeps

        if watch or given.pop("sparkline") or any(given.values()):
            raise click.UsageError(f"{target} is a storage of many sweeps: name one of them")
        return list_sweeps(target, format_)
    if watch:
        _watch(target, format_, given)
        return
    index = open_target(target, given)
    _say_torn(index.torn())
    metric = metric_of(index)
    counts = index.counts()
    names = index.parameters()
    found = Selection([trial_row(entry, metric) for entry in index.entries], names, given)
    rows = found.rows()
    entry_of = {str(entry.path): entry for entry in index.entries}

    def curve(row: Mapping[str, Any]) -> list[float]:
        return list(curve_of(entry_of[str(row["path"])], metric).values())

    columns = [formatting.column(key) for key in ("trial", "status", "epochs")]
    if metric:
        columns += [formatting.column("value", metric.name), formatting.column("epoch", "at")]
        if given["sparkline"]:
            columns.append(Column("curve", lambda row: sparkline(curve(row)) or None))
    columns.append(Column("time", lambda row: formatting.show_seconds(row["elapsed"])))
    columns = found.columns(columns)
    now = launches_of(index)
    asked = asked_of(index)
    head: dict[str, Any] = {"sweep": index.name, "size": index.size, "counts": counts}
    head |= {"launches": now, "asked": asked}
    if format_ == "table":
        many = counted(sum(counts.values()), "trial")
        tell(f"{index.title}: {many}: {index.counts_in_words()}")
        for one in now:
            tell(f"launched by {in_words(one)}")
        for line in asked:
            tell(line)
    left_out = formatting.print_rows(format_, rows, head, columns, STATUS_FIELDS, found.more)
    if format_ == "table":
        _tell_left_out(left_out)
        _tell_failures(row for row in rows if row["log"] or row["error"])
        for text in of_several(index, metric):
            tell(printable(text))


def _tell_failures(rows: Iterable[Mapping[str, Any]]) -> None:
    """Why they failed, those that differ in numbers alone together, with the log of the first."""
    from .tables import show

    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row["status"], re.sub("[0-9]+", "#", row["error"] or "no error recorded"))
        alike.setdefault(key, []).append(row)
    for first, *others in alike.values():
        trials = ", ".join(show(row["trial"]) for row in [first, *others][:20])
        who = f"trials {trials}{', …' if len(others) > 19 else ''}" if others else f"trial {trials}"
        log = f"\n  {first['log']}" if first["log"] else ""
        tell(f"{who} {first['status']}: {printable(first['error'] or 'no error recorded')}{log}")


def _watch(target: Path, format_: str, given: dict[str, Any]) -> None:
    from sweeper.results import metric_of

    from .display import LiveDisplay, PlainDisplay
    from .messages import is_terminal
    from .watching import watch

    chosen = [n for n in ("where", "sort", "limit", "columns", "all_columns") if given[n]]
    if format_ != "table" or chosen:
        what = f"--{chosen[0].replace('_', '-')}" if chosen else f"--format {format_}"
        raise click.UsageError(f"--watch shows the trials that run: leave out {what}")
    kind = LiveDisplay if is_terminal(sys.stdout) else PlainDisplay
    index = open_target(target, given)
    display = kind(metric_of(index), sys.stdout, index.repeated)
    index = watch(index, reader_of(target, given), display)
    tell(f"{index.title}: {index.counts_in_words()}")


@click.command()
@options.target_options
@options.seed_option
@options.select_options
@options.format_options
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, metavar="N")
@options.metric_options
@click.option("--pareto", is_flag=True, help="Of several goals: the front, by the first of them.")
@click.option(
    "--copy-to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy the best run's hyperparameters, performances and checkpoint there.",
)
def best(
    target: Path, format_: str, top: int, pareto: bool, copy_to: Path | None, **given: Any
) -> None:
    """Show the best trials of a sweep: value, parameters, checkpoint.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    Failed trials are left out; a trial that is still running counts with what it has.
    Repeated trials are ranked by the mean of their runs; the run shown is the best of them.
    Of several goals the first ranks; trials that break a limit come last.
    """
    from sweeper.results import (
        best_row,
        copy_best,
        front_of,
        nothing_to_rank,
        of_several,
        rank,
        wandb_differs,
    )

    from . import formatting
    from .selection import Selection
    from .tables import Column

    index = open_target(target, given)
    metric = target_metric(index, given)
    if pareto and not metric.others:
        raise click.UsageError("--pareto shows a front of several goals: `metrics` in a sweep file")
    # Each row costs a look into a directory: all are made only where others than the first matter.
    chooses = any(given[name] is not None for name in ("where", "sort", "columns"))
    every = pareto or chooses or given["all_columns"] or format_ == "csv"
    ranked = rank(index.entries, metric, None if every else top)
    if not ranked:
        say(f"{index.title}: {nothing_to_rank(index, metric)}")
    front = front_of(ranked, metric) if pareto else None
    ranked = front.ranked if front else ranked
    hidden = [entry for entry in index.entries if entry.unreadable is not None]
    say_notes(*(f"trial {entry.trial} is left out: {entry.unreadable}" for entry in hidden))
    names = index.parameters()
    found = Selection([best_row(item, index.repeated, metric) for item in ranked], names, given)
    rows = found.rows()[: None if pareto else top]
    shown = {row["path"] for row in rows}
    ranked = [item for item in ranked if str(item.record.path) in shown]
    _say_torn(path for item in ranked for path in item.record.torn)
    columns = [formatting.column(key) for key in ("rank", "trial")]
    fields: tuple[str, ...] = BEST_FIELDS
    if index.repeated:
        columns.append(Column(f"{metric.name} (mean ± std)", _mean))
        columns.append(formatting.column("runs"))
        fields += MEAN_FIELDS
    else:
        columns.append(formatting.column("value", metric.name))
    for name in metric.names[1:]:
        columns.append(Column(name, lambda row, name=name: row["objectives"][name]))  # type: ignore[misc]
        fields += ("objectives", "feasible") if name == metric.names[1] else ()
    columns.append(formatting.column("epoch"))
    columns = found.columns([*columns, formatting.column("status")])
    head: dict[str, Any] = {"sweep": index.name, "metric": metric.name, "goal": metric.goal}
    head |= {"hypervolume": front.hypervolume, "reference": front.reference} if front else {}
    left_out = formatting.print_rows(format_, rows, head, columns, fields, found.more)
    if format_ == "table" and (rows or front):
        _tell_left_out(left_out)
        if not front:
            _print_best(rows[0], metric.name)
        for text in of_several(index, metric):
            tell(printable(text))
        say_notes(wandb_differs(index, metric))
    if copy_to is not None and ranked:
        for path in copy_best(ranked[0], copy_to):
            say(f"copied {path}")


def launches_of(index: Index) -> list[dict[str, Any]]:
    """The launches of the sweep that live; none where its directory cannot be read."""
    from sweeper.tree import Tree, launches

    with contextlib.suppress(TreeError):
        return launches(Tree(index.base).home(index.name))
    return []


def asked_of(index: Index) -> list[str]:
    """What is asked of the launches of the sweep, but for their end, in words."""
    from sweeper.tree import Control, Tree

    control = Control()
    with contextlib.suppress(TreeError):
        control = Control.read(Tree(index.base).home(index.name))
    lines = [f"set: {key}={to} (the file: {was})" for key, was, to in control.set_by_hand()]
    if control.paused:
        since = control.asked["pause"].get("since")
        lines.append(printable(f"paused since {since}: `sweeper continue` goes on with it"))
    return lines


def in_words(launch: Mapping[str, Any]) -> str:
    slots = f"{launch['slots']} at a time" if launch["slots"] else "waiting for room"
    return printable(
        f"process {launch['pid']} on {launch['host']}, {slots}, since "
        f"{launch['since']}, last sign of life {launch['seen']}"
        + (f", asked to stop {launch['asked_to_stop']}" if launch["asked_to_stop"] else "")
    )


def _tell_left_out(columns: int) -> None:
    if columns:
        many = counted(columns, "parameter")
        tell(f"+{many}: --all-columns, or --columns NAME,…")


def _mean(row: Any) -> str:
    from .formatting import show_mean

    return show_mean(row["value"], row["std"])


def _print_best(row: Mapping[str, Any], metric: str) -> None:
    from sweeper.results import flatten

    from .tables import show

    tell(f"\nbest: trial {show(row['trial'])}, epoch {row['epoch']}")
    if "runs" in row:
        tell(
            f"  {show(metric)}: {_mean(row)} "
            f"(mean ± std of {row['runs']} runs; this is the best of them)"
        )
    for title, values in (("parameters", flatten(row["params"])), ("metrics", row["metrics"])):
        tell(f"  {title}")
        width = max((len(show(name)) for name in values), default=0)
        for name, value in values.items():
            tell(f"    {show(name).ljust(width)}  {show(value)}")
    tell(f"  run         {row['path']}")
    tell(f"  checkpoint  {row['checkpoint'] or 'none was kept'}")


def open_target(target: Path, given: dict[str, Any], notes: bool = True, **how: Any) -> Index:
    """The index that a reading command's SPEC|DIR and options name; its ``notes`` are said."""
    from sweeper.results import open_index

    index = open_index(
        target,
        options.check_overrides(given.get("overrides") or ()),
        storage=given["storage"],
        name=given["name"],
        seed=given.get("seed"),
        **how,
    )
    if notes:
        say_notes(*index.notes)
    return index


def reader_of(target: Path, given: dict[str, Any]) -> Callable[[], Index]:
    """What reads the same again and again, each time at the cost of what has changed."""
    from sweeper.tree import LiveTree

    tree = functools.cache(LiveTree)
    return lambda: open_target(target, given, notes=False, tree=tree)


def target_metric(index: Index, given: Mapping[str, Any]) -> Metric:
    """What to rank by: the metric that ``--metric`` and ``--goal`` name, else the sweep's own."""
    from sweeper.results import metric_to_rank_by

    return metric_to_rank_by(index, given["metric_name"], given["goal"])


def _say_torn(paths: Iterable[Path]) -> None:
    say_notes(*(f"torn: {path}" for path in paths))
