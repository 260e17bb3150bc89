"""``--rerun`` and ``--reuse``: what a launch is to make of the runs that are there already."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep
    from sweeper.tree import Choices, PlannedTrial, RunRecord, Tree

_WHICH = re.compile(r"changed|failed|all|\d{1,18}")


class RerunCommand(click.Command):
    """A command whose ``--rerun`` takes the words after it that say which trials, if any."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_joined(args)))


def _joined(args: Sequence[str]) -> Iterator[str]:
    """``--rerun 3 5`` as ``--rerun=3 --rerun=5``, and a bare ``--rerun`` as ``--rerun=changed``."""
    left = list(args)
    while left:
        word = left.pop(0)
        if word != "--rerun":
            yield word
            continue
        which = []
        while left and _WHICH.fullmatch(left[0]):
            which.append(left.pop(0))
        yield from (f"--rerun={item}" for item in which or ["changed"])


def _check_which(_context: Any, _parameter: Any, value: Sequence[str]) -> Sequence[str]:
    for word in value:
        if not _WHICH.fullmatch(word):
            raise click.BadParameter(f"expected changed, failed, all or trials, found {word!r}")
    return value


rerun_options = options.together(
    click.option(
        "--rerun",
        multiple=True,
        metavar="[changed|failed|all|TRIAL…]",
        callback=_check_which,
        help="Run these trials again, as new runs: those that ran another text of the program "
        "(changed, the default), those that failed, all, or those with these numbers.",
    ),
    click.option("--retry-failed", is_flag=True, help="The same as --rerun failed."),
    click.option("--reuse", is_flag=True, help="Take another program's runs as the sweep's own."),
)


def choices_of(sweep: Sweep, tree: Tree, given: dict[str, Any]) -> Choices:
    """What this command line, and the launches before it, say of the runs that are there.

    Raises click.UsageError for a trial that there is not.
    """
    from sweeper.tree import Choices, Program, plan_known, program_of

    choices = Choices.read(tree, sweep.sweep_name)
    which = {int(word) if word.isdigit() else word for word in given["rerun"]}
    which |= {"failed"} if given["retry_failed"] else set()
    if not which and not given["reuse"]:
        return choices
    planned = list(plan_known(sweep, tree, choices))
    if given["reuse"]:
        others = (item.run for item in planned if item.state == "other")
        return choices.also(tree, reuse=(str(program_of(run)) for run in others if run))
    check_trials(sweep, planned, (one for one in which if isinstance(one, int)), "--rerun ")
    chosen = [item for item in planned if _is_chosen(item, which)]
    runs = (run for item in chosen if item.state != "other" for run in _runs(sweep, tree, item))
    beside = [str(Program.of(sweep))] if any(item.state == "other" for item in chosen) else []
    return choices.also(tree, rerun=runs, beside=beside)


def _is_chosen(item: PlannedTrial, which: Collection[str | int]) -> bool:
    if item.run is None:
        return False
    return (
        "all" in which
        or item.trial.index in which
        or ("failed" in which and item.state == "failed")
        or ("changed" in which and item.changed)
    )


def _runs(sweep: Sweep, tree: Tree, item: PlannedTrial) -> list[RunRecord]:
    """Every run that could be the trial's: without its newest an older one would be."""
    from sweeper.tree import runs_of_trial

    found = tree.of(item.trial.params).runs(item.experiment)
    found = [run for run in found if run.replicate == item.trial.replicate]
    number = item.trial.index if sweep.adaptive else None
    return runs_of_trial(found, sweep.sweep_name, number)


def check_trials(
    sweep: Sweep, planned: Iterable[PlannedTrial], trials: Iterable[int], option: str = ""
) -> None:
    """Raise click.UsageError for a trial that is not ``planned``."""
    known = {item.trial.index for item in planned}
    if unknown := sorted(set(trials) - known):
        there = f"0 to {max(known)}" if known else "none yet"
        raise click.UsageError(
            f"{option}{unknown[0]}: expected a trial of {sweep.title} ({there}); "
            "`sweeper status` lists them"
        )


def words_to_go_on(*, said: bool) -> list[str]:
    """The command line that goes on; without what it ``said`` of earlier runs if that is kept."""
    words = list(_joined(sys.argv[1:]))
    if said:
        words = [w for w in words if w not in ("--retry-failed", "--reuse") and w[:8] != "--rerun="]
    return ["sweeper", *words]
