"""``sweeper stop``, ``pause``, ``continue``, ``set``: from anywhere that sees a sweep's tree."""

from __future__ import annotations

import getpass
import shlex
import socket
import time
from collections.abc import Collection, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeper import store
from sweeper.errors import RunBusy, UsageError
from sweeper.wording import one_of

from . import options
from .messages import say, tell
from .reading import in_words, launches_of, open_target
from .rerun import check_trials

if TYPE_CHECKING:
    from sweeper.results import Index
    from sweeper.sweepfile import Sweep

WAIT_SECONDS = 30.0


@click.command()
@options.target_argument
@click.argument("words", nargs=-1, metavar="[TRIAL…] [KEY=VALUE]...")
@click.option("--now", is_flag=True, help="Interrupt what runs, with its backup. [default]")
@click.option("--after-current", is_flag=True, help="Let the trials that run end first.")
@options.place_options
def stop(target: Path, words: Sequence[str], now: bool, after_current: bool, **given: Any) -> int:
    """End every launch of SPEC, here or on other machines, or only the trials named.

    A launch that is stopped is taken up by the next. A trial is stopped for good: what it has
    reported counts; `sweeper launch SPEC --rerun TRIAL` runs it anew.
    """
    from sweeper.tree import ask

    trials = {int(word) for word in words if word.isdigit()}
    given["overrides"] = [word for word in words if not word.isdigit()]
    if after_current and (now or trials):
        what = "--now" if now else "a trial, which is stopped at once"
        raise click.UsageError(f"--after-current does not go together with {what}")
    index = _opened(target, given)
    if trials:
        return _stop_trials(index, trials)
    asked = launches_of(index)
    if not asked:
        say(f"sweeper: {index.title}: nobody launches it")
        return 0
    numbers = [one["number"] for one in asked]
    ask(_home(index), "stop", launches=numbers, after_current=after_current)
    deadline = time.monotonic() + (0 if after_current else WAIT_SECONDS)
    while True:
        left = [one for one in launches_of(index) if one["number"] in numbers]
        if not left or time.monotonic() >= deadline:
            break
        time.sleep(0.5)
    for one in asked:
        state = "asked" if one["number"] in {other["number"] for other in left} else "stopped"
        tell(f"{state}: {in_words(one)}")
    return 1 if left and not after_current else 0


def _stop_trials(index: Index, trials: Collection[int]) -> int:
    from sweeper.courier import sending

    if index.sweep is None:
        raise UsageError(f"{index.base}: expected a sweep, found runs of several: name one")
    with sending(index.base, index.name, lambda: True):
        _stop_each(index, index.sweep, trials)
    return 0


def _stop_each(index: Index, sweep: Sweep, trials: Collection[int]) -> None:
    from sweeper.experiment import end_trial
    from sweeper.tree import Choices, Claims, RunChooser, Tree, plan_known

    tree, home = Tree(index.base), _home(index)
    choices = Choices.read(tree, index.name)
    planned = {item.trial.index: item for item in plan_known(sweep, tree, choices)}
    check_trials(sweep, planned.values(), trials)
    chooser, claims = RunChooser(sweep, tree, choices), Claims(sweep, home)
    why = f"stopped by `sweeper stop` ({getpass.getuser()} on {socket.gethostname()})"
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        for trial in sorted(trials):
            item = planned[trial]
            while item.run is None and claims.take(item.trial) is None:  # it is about to have one
                if time.monotonic() > deadline:
                    why = "a launch has taken it, and it has no run yet: again"
                    raise RunBusy(f"trial {trial}: {why}")
                time.sleep(0.2)
                store.refresh(index.base)
                place = tree.of(item.trial.params)
                runs = place.find_runs(item.trial.params, sweep.monitored)
                item = chooser.plan(item.trial, *runs)
            if item.state in ("reused", "failed") and item.run is not None:
                say(f"trial {trial} has ended: {item.run.status}")
                continue
            run = end_trial(item, sweep, "stopped", by="user", why=why)
            tell(f"{run.status}: trial {trial}")
            claims.release(trial, run.path)
    finally:
        claims.release_all()


@click.command()
@options.target_options
def pause(target: Path, **given: Any) -> None:
    """Have the trials that run end their epoch and wait, and no other begin.

    Their processes go, and what they hold of the machine: `sweeper continue` takes them up from
    there. One without a backup goes on to its end. Later launches wait, too.
    """
    from sweeper.tree import ask

    index = _opened(target, given)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    ask(_home(index), "pause", since=now)
    _tell_who(index, "paused")


@click.command("continue")
@options.target_options
def continue_(target: Path, **given: Any) -> None:
    """Go on with what `sweeper pause` has paused."""
    from sweeper.tree import take_back

    index = _opened(target, given)
    take_back(_home(index), "pause")
    _tell_who(index, "continued")


@click.command("set")
@options.target_argument
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@options.place_options
def set_(target: Path, settings: Sequence[str], **given: Any) -> None:
    """Change parallel, run_cap, budget.wall, budget.trials or budget.disk while SPEC is launched.

    \b
    sweeper set sweep.yaml parallel=4 run_cap=200 budget.wall=+4h

    The launches that run heed it within seconds. Later ones do, too, but for `parallel`, until
    the sweep file says something else than it does now.
    """
    from sweeper.sweepfile import load_sweep
    from sweeper.tree import SETTABLE, Control, ask, value_of

    index = _opened(target, given)
    home = _home(index)
    file = target if target.is_file() else home / "sweep.yaml"
    raw = load_sweep(file)
    now = Control.read(home).on(raw)
    found = []
    for text in options.check_overrides(settings):
        key, _, value = (part.strip() for part in text.partition("="))
        if key not in SETTABLE:
            raise UsageError(f"{key}: expected {one_of(SETTABLE)}: the rest is fixed by the file")
        to = value_of(load_sweep(file, [f"{key}={value.removeprefix('+')}"]), key)
        before = value_of(now, key)
        if value.startswith("+"):
            if before is None:
                raise UsageError(f"{text}: {key} has no value to add to: give {key}=VALUE")
            to += before
        found.append((key, before, to))
    for key, before, to in found:
        ask(home, key, was=value_of(raw, key), to=to)
        tell(f"{key}: {before} -> {to}")
    _tell_who(index, "told")


def _opened(target: Path, given: dict[str, Any]) -> Index:
    """The sweep that is asked for; what is asked must not go to a tree that is not there."""
    from sweeper.results import storages_elsewhere

    index = open_target(target, given)
    others = storages_elsewhere(index.sweep) if index.sweep and not index.base.is_dir() else []
    if others:
        raise UsageError(
            f"{index.base}: expected the sweep's tree, found none here, but one in {others[0]}: "
            f"add --storage {shlex.quote(str(others[0]))}"
        )
    return index


def _tell_who(index: Index, what: str) -> None:
    found = launches_of(index)
    for one in found:
        tell(f"{what}: {in_words(one)}")
    if not found:
        say(f"sweeper: {index.title}: {what}; nobody launches it")


def _home(index: Index) -> Path:
    from sweeper.tree import Tree

    store.connect(index.base)
    return Tree(index.base).home(index.name)
