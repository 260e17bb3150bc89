"""``sweeper stop``: end the launches of a sweep, from anywhere that sees its tree."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from . import options
from .messages import say, tell
from .reading import in_words, launches_of, open_target

WAIT_SECONDS = 30.0


@click.command()
@options.target_argument
@options.overrides_argument
@click.option("--after-current", is_flag=True, help="Let the trials that run end first.")
@options.place_options
def stop(target: Path, after_current: bool, **given: Any) -> int:
    """End every launch of SPEC, here or on other machines; `sweeper launch` goes on with it.

    As Ctrl-C does, it interrupts what runs, with its backup.
    """
    from sweeper import store
    from sweeper.tree import Tree, ask_to_stop

    index = open_target(target, given)
    store.connect(index.base)
    asked = ask_to_stop(Tree(index.base).home(index.name), after_current)
    if not asked:
        say(f"sweeper: {index.title}: nobody launches it")
        return 0
    deadline = time.monotonic() + (0 if after_current else WAIT_SECONDS)
    numbers = {one["number"] for one in asked}
    while True:
        left = [one for one in launches_of(index) if one["number"] in numbers]
        if not left or time.monotonic() >= deadline:
            break
        time.sleep(0.5)
    for one in asked:
        state = "asked" if one["number"] in {other["number"] for other in left} else "stopped"
        tell(f"{state}: {in_words(one)}")
    return 1 if left and not after_current else 0
