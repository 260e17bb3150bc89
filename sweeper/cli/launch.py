"""``sweeper launch``: run what the tree says is not finished yet."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from sweeper import store
from sweeper.errors import TreeError
from sweeper.results import (
    Index,
    index_sweep,
    of_several,
    older_text_note,
    rank,
    read_warm_start,
    refuse_other_programs,
    run_values,
    runs_elsewhere,
    target_reached,
    wandb_differs,
    without_number,
    write_summary,
)
from sweeper.sweepfile import Metric, Sweep, check_launchable, check_program
from sweeper.tree import (
    Choices,
    Control,
    PlannedTrial,
    Tree,
    files,
    launches,
    living_owners,
    plan_known,
    plan_trials,
    remove_left,
)
from sweeper.wording import counted

from . import messages, options
from .display import FramesDisplay, LiveDisplay, PlainDisplay
from .plan import print_plan
from .progress import LaunchProgress
from .reading import in_words, launches_of
from .rerun import RerunCommand, choices_of, rerun_options, words_to_go_on
from .submitting import hand_over, request_for, submit_options

if TYPE_CHECKING:
    from sweeper.raytune import Ending, LaunchSignals

LARGE = 1000  # trials: ask first
_STATES = ("new", "resumed", "reused", "failed", "unreadable")


@click.command(cls=RerunCommand)
@options.sweep_options
@click.option("--address", metavar="HOST:PORT", help="A running Ray cluster's address, or `auto`.")
@click.option("--join", is_flag=True, help="Share the sweep with other launches of it.")
@click.option("--wait", is_flag=True, help="Begin when others leave room on this machine.")
@click.option("--dry-run", is_flag=True, help="Show the plan and run nothing.")
@submit_options
@rerun_options
@click.option("-y", "--yes", is_flag=True, help=f"Do not ask before more than {LARGE} trials.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result only.")
@options.verbose_option
def launch(**given: Any) -> int:
    """Run SPEC's trials on this machine or a Ray cluster; again = resume.

    \b
    sweeper launch sweep.yaml
    sweeper launch sweep.yaml -j 4 --gpus-per-trial 0.25
    sweeper launch sweep.yaml parameters.training.epochs.value=3 -n 10

    SPEC may be a Python script that calls wandb.sweep(dict) and wandb.agent(id, function).
    """
    if given["dry_run"] or given["on"] or given["detach"]:
        return _launch(given, None)
    from sweeper.raytune import LaunchSignals

    with LaunchSignals() as signals:
        return _launch(given, signals)


def _launch(given: dict[str, Any], signals: LaunchSignals | None) -> int:
    """Plan and, given ``signals``, run."""
    asked = None
    if given["spec"].suffix == ".py":
        from sweeper.from_python import sweep_of_script

        asked = sweep_of_script(given["spec"])
    sweep = options.load(given["spec"], text=asked and asked[0], **given)
    if signals is None:
        store.refresh(sweep.base_dir)
        return _launch_sweep(sweep, asked, given, None)
    from sweeper.courier import sending

    with sending(sweep.base_dir, sweep.sweep_name, lambda: bool(signals.received)):
        return _launch_sweep(sweep, asked, given, signals)


def _launch_sweep(
    sweep: Sweep,
    asked: tuple[str, str] | None,
    given: dict[str, Any],
    signals: LaunchSignals | None,
) -> int:
    from sweeper.search import remarks

    tree = Tree(sweep.base_dir)
    before = Control.read(tree.home(sweep.sweep_name))
    choices = choices_of(sweep, tree, given)
    plan: Iterable[PlannedTrial] = plan_trials(sweep, tree, choices)
    request = request_for(sweep, given)
    if given["dry_run"]:
        if request is not None:
            messages.answer(request.text.rstrip("\n"))
            return 0
        print_plan(sweep, plan)
        return 0
    check_launchable(sweep)
    check_program(sweep)
    if request is not None and given["on"] == "kuberay":  # whose tree is not here
        return hand_over(request, sweep, given, choices)
    warm_start, learned = read_warm_start(sweep)
    size = sweep.size()
    endless = size is None and not sweep.adaptive
    known = list(plan_known(sweep, tree, choices) if endless else plan)
    refuse_other_programs(sweep, known)
    if signals is None:
        assert request is not None
        return hand_over(request, sweep, given, choices)
    from sweeper.raytune import Ending, Launch, check_request, run_launch

    say = messages.say_nothing if given["quiet"] else messages.say
    say_notes = partial(messages.say_notes, say=say)
    say_notes(asked and asked[1], *sweep.warnings, *remarks(sweep), *learned)
    counts = Counter(item.state for item in known)
    unchosen = max(0, size - len(known)) if size is not None and sweep.adaptive else 0
    total = None if size is None else counts["new"] + counts["resumed"] + unchosen
    display, told = None, None
    best, reached = _earlier(sweep) if total != 0 else (None, False)
    if total != 0 and not reached:
        check_request(sweep, given["address"], given["join"])
        display = _display(sweep, given)
        display.best = best if sweep.repeats == 1 else None
        for item in known[:LARGE]:
            display.names.add(item.trial.params)
        if sweep.notify or sweep.tensorboard:
            from .told import Told

            told = Told(sweep, display)
    note = older_text_note(sweep, [(i.trial.index, i.run) for i in known if i.run and i.changed])
    say_notes(note)
    if not endless:
        plan = known
        words = [f"{counts[s]} {s}" for s in _STATES if counts[s]]
        if sweep.adaptive and (unchosen or size is None):
            words.append(f"{'more' if size is None else unchosen} to be chosen by {sweep.chooser}")
        many = counted(len(known), "trial")
        say(f"{sweep.title}: {many}: {', '.join(words)} -> {store.named(sweep.base_dir)}")
        others = launches(tree.home(sweep.sweep_name)) if total else ()
        say_notes(runs_elsewhere(sweep), *(f"beside {in_words(other)}" for other in others))
        if total and total > LARGE and not given["yes"] and messages.is_terminal(sys.stdin):
            click.confirm(f"Run {total} trials?", abort=True, err=True)
    ending = Ending()  # of one that has nothing to run
    metric = sweep.metric
    if reached and metric is not None:
        say(f"{metric.name} has reached its target of {metric.target:g}: nothing more to run")
    if display is not None:
        display.since = time.monotonic()  # the question may have been answered late
        asked_for = Launch(
            sweep,
            iter(plan),
            score=partial(run_values, metric=metric),
            choices=choices,
            warm_start=warm_start,
            total=total,
            address=given["address"],
            join=given["join"],
            verbose=given["verbose"],
        )
        ending = run_launch(asked_for, told or display, signals, wait=given["wait"])
    else:
        from sweeper.worker import remove_abandoned

        remove_abandoned()  # as a launch does that trains
        _store(sweep, tree)
        if choices != Choices.read(tree, sweep.sweep_name):
            choices.write(tree, sweep.sweep_name)
    now = Control.read(tree.home(sweep.sweep_name)).on(sweep, before)
    code = _conclude(now, ending, choices, say, said=note)
    if told:
        told.ended(code, say)
    return code


def _earlier(sweep: Sweep) -> tuple[tuple[int, float] | None, bool]:
    """The trial and the value of the best run that has ended, and whether the target is reached.

    The others go on and count when they end: a script begins from nothing.
    """
    if sweep.metric is None or not sweep.base_dir.is_dir():
        return None, False
    entries = index_sweep(sweep).settled()
    best = None
    ranked = [entry for entry in entries if entry.ended]
    for first in rank(ranked, sweep.metric, top=1, apart=True):
        if first.entry.trial is not None and not first.excess(sweep.metric):
            best = first.entry.trial, first.score.value
    return best, target_reached(entries, sweep.metric)


def _store(sweep: Sweep, tree: Tree) -> None:
    """Keep the sweep as launched where nothing is to be run, if this storage can be written."""
    home = tree.home(sweep.sweep_name)
    if not living_owners(home):
        with contextlib.suppress(TreeError):
            files.make_directory(home, parents=True)
            files.write_bytes(home / "sweep.yaml", sweep.to_yaml().encode())
            remove_left(home)


def _display(sweep: Sweep, given: dict[str, Any]) -> LaunchProgress:
    repeated = sweep.repeats > 1
    frames = os.environ.pop("SWEEPER_FRAMES", "")  # `sweeper.launch` in a notebook
    if given["quiet"]:
        return LaunchProgress(sweep.metric, repeated)
    if frames.isdecimal():
        return FramesDisplay(sweep.metric, sys.stderr, int(frames), repeated)
    if messages.is_terminal(sys.stderr) and not given["verbose"]:
        return LiveDisplay(sweep.metric, sys.stderr, repeated)
    return PlainDisplay(sweep.metric, sys.stderr, repeated)


def _conclude(
    sweep: Sweep,
    ending: Ending,
    choices: Choices,
    say: Callable[[str], None],
    said: str | None,
) -> int:
    """Write the summaries, say how it went and what to do next; the exit code is the tree's.

    ``said`` is what the user has been told of the runs already.
    """
    index = index_sweep(sweep)
    try:
        if index.base.is_dir() or (ending.began and not ending.signum):
            write_summary(index)  # else nothing was run
    except TreeError as error:  # on storage that can only be read, all else is still told
        say(f"sweeper: {error}")
        if not index.base.is_dir():
            return 1  # what has been run was there a moment ago
    for entry in index.entries:
        if entry.listed and (entry.failed or entry.unreadable):
            log = f"\n    {entry.log}" if entry.log else ""
            say(f"trial {entry.trial} {entry.status}: {entry.error}{log}")
    say(index.counts_in_words() if index.entries else "nothing run")
    messages.say_notes(
        *(text for text in index.notes if text != said),
        *(f"still at it: {in_words(other)}" for other in launches_of(index)),
        say=say,
    )
    if index.metric is not None:
        _say_of_metric(index, index.metric, say)
    if ending.reason:
        say(f"stopped: {ending.reason}")
    asked = [entry for entry in index.entries if entry.listed]
    if target_reached(index.settled(), index.metric):
        asked = [entry for entry in asked if entry.ended]
    unchosen = sweep.adaptive and index.size is not None and len(asked) < index.size
    unchosen = unchosen or index.pending > 0
    # Where some cannot be read one of those runs may be a trial's.
    cut_off = ending.cut_off is not None or (unchosen and index.hidden > 0)
    if cut_off or (ending.early and unchosen) or not all(entry.ended for entry in asked):
        if ending.again:
            kept = Choices.read(Tree(sweep.base_dir), sweep.sweep_name) == choices
            say(f"to go on: {shlex.join(words_to_go_on(said=kept))}")
        else:
            say("to go on: raise budget.disk, or remove runs, and launch again")
    if any(entry.failed for entry in asked) and "--retry-failed" not in sys.argv:
        words = [*words_to_go_on(said=True), "--retry-failed"]
        say(f"to run the failed trials again: {shlex.join(words)}")
    if ending.signum:
        return 128 + ending.signum
    undone = unchosen and (ending.early or cut_off)
    if all(entry.succeeded for entry in asked) and not undone:
        return 0
    return 4 if ending.early else 3


def _say_of_metric(index: Index, metric: Metric, say: Callable[[str], None]) -> None:
    """The best, which good trials cannot be ranked, and what is to say of several goals."""
    entries = without_number(index, metric)
    found = [str(entry.trial) for entry in entries if entry.listed and entry.succeeded]
    if found:
        shown = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        name = metric.name
        say(f"{counted(len(found), 'trial')} ended with NaN or infinity alone for {name}: {shown}")
    for first in rank(index.entries, metric, top=1):
        path = first.checkpoint or first.entry.path
        where = path and store.named(path)
        if index.repeated:
            spread = "" if first.std is None else f" ± {first.std:.2g}"
            how = (
                f"{spread} (mean ± std of {len(first.values)} runs; this one "
                f"{first.score.value:.5g} at epoch {first.score.epoch})"
            )
        else:
            how = f" (epoch {first.score.epoch})"
        messages.answer(
            f"best: trial {first.entry.trial}  {metric.name}={first.value:.5g}{how}  {where}"
        )
    for text in of_several(index, metric):
        messages.answer(text)
    messages.say_notes(wandb_differs(index, metric), say=say)
