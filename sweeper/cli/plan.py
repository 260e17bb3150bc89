"""``sweeper plan``: the trials of a sweep as a launch would find them. Loads no Ray."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeper import store
from sweeper.wording import counted, tally

from . import options
from .messages import say, say_notes
from .rerun import RerunCommand, choices_of, rerun_options

if TYPE_CHECKING:
    from sweeper.results import Estimate
    from sweeper.sweepfile import Sweep, Trial
    from sweeper.tree import PlannedTrial

LOOKED_AT = 10_000  # trials that decide which parameters a table shows
ENDLESS_SHOWN = 100  # trials of an endless sweep that are shown without -n
FACTORS = 4  # of a space's size that are named

PLAN_FIELDS = ("trial", "replicate", "seed", "state", "experiment", "run")


@click.command(cls=RerunCommand)
@options.spec_argument
@options.overrides_argument
@options.max_trials_option
@options.parallel_option
@options.place_options
@options.seed_option
@options.format_options
@rerun_options
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
    store.refresh(sweep.base_dir)
    tree = Tree(sweep.base_dir).as_it_is()
    planned: Iterable[PlannedTrial] = plan_trials(sweep, tree, choices_of(sweep, tree, given))
    planned = list(planned) if sweep.adaptive else planned
    print_plan(sweep, planned, format_)
    if save_trials is not None:
        shown = _shown(sweep, planned)
        count = write_trials(save_trials, (t.params for t in shown if t.replicate == 0))
        say(f"wrote {counted(count, 'point')} to {save_trials}")


def print_plan(sweep: Sweep, planned: Iterable[PlannedTrial], format_: str = "table") -> None:
    """Print ``planned`` as it comes, and its counts to stderr.

    Raises UsageError where a launch would not start, for runs of another program are there.
    """
    from sweeper.results import (
        Estimator,
        ParameterNames,
        older_text_note,
        plan_row,
        refuse_other_programs,
        runs_elsewhere,
    )
    from sweeper.search import remarks

    from . import formatting

    say_notes(*sweep.warnings, *remarks(sweep))
    say(f"{sweep.title}: {_space_in_words(sweep)}")
    size = sweep.size()
    if sweep.adaptive:
        planned = list(planned)
    trials = _shown(sweep, planned)
    if format_ != "csv":  # the header of a CSV file must name every parameter
        trials = itertools.islice(trials, LOOKED_AT)
    names = ParameterNames(trial.params for trial in trials)
    columns = [formatting.column("trial"), formatting.column("state")]
    columns += [*formatting.param_columns(names), formatting.DIRECTORY]
    head = {"sweep": sweep.sweep_name, "size": size, "points": sweep.points()}
    counts: Counter[str] = Counter()
    made_by_others, older, unreadable = [], [], []
    estimator, limit = Estimator(sweep), _shown_limit(sweep)
    tail: dict[str, Any] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for item in itertools.islice(planned, limit):
            counts[item.state] += 1
            if item.state == "other":
                made_by_others.append(item)
            elif item.error is not None:
                unreadable.append(f"trial {item.trial.index} unreadable: {item.error}")
            elif item.changed and item.run is not None:
                older.append((item.trial.index, item.run))
            estimator.add(item)
            yield plan_row(item, with_seed=format_ != "table")
        left = estimator.estimate()
        tail["estimate"] = left and {"seconds": round(left.seconds, 3), "bytes": left.bytes}

    titles = [f"params.{name}" for name in names.all]
    left_out = formatting.print_rows(format_, rows(), head, columns, PLAN_FIELDS, titles, tail=tail)
    if left_out:
        say(f"+{counted(left_out, 'parameter')}: a wider terminal, or --format csv")
    left = estimator.estimate()
    say(
        f"{sweep.title}: {counted(counts.total(), 'trial')}: {tally(counts) or 'none'}; in "
        f"{store.named(sweep.base_dir)}"
    )
    say_notes(runs_elsewhere(sweep))
    if sweep.adaptive:
        more = "further trials" if size is None else counted(max(0, size - counts.total()), "trial")
        say(f"method {sweep.chooser} is to choose {more} as results come in")
    elif size is None:
        say(f"the sweep has no end; these are its first {limit}: -n shows more or fewer")
    elif not counts and sweep.space.constraints:
        say("no point of the space satisfies `constraints`: relax one of them")
    elif limit is not None:
        say(f"too many to launch; these are the first {limit}: -n shows more or fewer")
    if left is not None and left.seconds:
        say(_estimate_in_words(left))
    say_notes(*unreadable, older_text_note(sweep, older))
    refuse_other_programs(sweep, made_by_others)


def _shown(sweep: Sweep, planned: Iterable[PlannedTrial]) -> Iterable[Trial]:
    """The trials that a plan shows: all, but of an endless sweep the first ones only."""
    if sweep.adaptive:
        return (item.trial for item in planned)
    return itertools.islice(sweep.trials(), _shown_limit(sweep))


def _shown_limit(sweep: Sweep) -> int | None:
    """How many trials a plan shows; None: all, as they are not more than any launch takes."""
    from sweeper.sweepfile import MOST_LAUNCHED_TRIALS

    size = sweep.size()
    if sweep.adaptive:
        return None
    return ENDLESS_SHOWN if size is None or size > MOST_LAUNCHED_TRIALS else None


def _space_in_words(sweep: Sweep) -> str:
    """The size of the search space, and what makes it large."""
    points = sweep.points()
    if points is None:
        return f"a space without end, method {sweep.method}"
    most = "at most " if sweep.space.size_is_bound else ""
    found = f"a space of {most}{points:,} point{'' if points == 1 else 's'}"
    factors = [f"{name} {n:,}" for name, n in sweep.space.factors() if n is not None and n > 1]
    if factors and sweep.space.listed is None:
        more = " x …" if len(factors) > FACTORS else ""
        found += f" ({' x '.join(factors[:FACTORS])}{more})"
    return f"{found}, method {sweep.method}"


def _estimate_in_words(estimate: Estimate) -> str:
    from sweeper.wording import show_bytes

    from .formatting import show_seconds

    runs = counted(estimate.runs, "finished run")
    return (
        f"left to spend, by the mean of {runs}: {show_seconds(estimate.seconds)} with "
        f"{estimate.parallel} at a time, {show_bytes(estimate.bytes)} of disk"
    )
