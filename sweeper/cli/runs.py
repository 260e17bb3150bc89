"""The commands about single runs: logs, diff. Neither loads Ray or TensorFlow."""

from __future__ import annotations

import codecs
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeper.wording import printable

from . import options
from .messages import say, tell
from .reading import open_target

if TYPE_CHECKING:
    from sweeper.tree import RunRecord

FOLLOW_SECONDS = 0.3  # between two looks at a log that grows


@click.command()
@options.target_argument
@click.argument("trial")
@options.place_options
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run ends.")
def logs(target: Path, trial: str, follow: bool, **given: Any) -> None:
    """Print the output of a trial: its number, or its experiment's name.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    """
    from sweeper.errors import UsageError
    from sweeper.results import find_entry
    from sweeper.tree import files

    entry = find_entry(open_target(target, given), trial)
    if entry.record is None:
        if entry.unreadable is not None:
            raise entry.unreadable
        raise UsageError(f"trial {trial}: pending, so it has no output yet; `sweeper status` shows")
    path = entry.record.paths.output
    if not follow and not files.exists(path):
        raise UsageError(f"{path}: not there: run {entry.run} has written no output")
    safe = Safe() if sys.stdout.isatty() else bytes
    for data in _output(entry.record, follow):
        sys.stdout.buffer.write(safe(data))
        sys.stdout.buffer.flush()


class Safe:
    """Makes a program's output safe for a terminal, piece by piece: colours pass, and what moves
    within a line or begins one; the rest of what a terminal obeys is written out.
    """

    _PASSES = re.compile(r"(\x1b\[[0-9;:]*[mK])")
    _UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:]{0,30})?\Z")

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._rest = ""

    def __call__(self, data: bytes) -> bytes:
        text = self._rest + self._decode(data)
        unfinished = self._UNFINISHED.search(text)
        self._rest = unfinished[0] if unfinished else ""
        parts = self._PASSES.split(text[: len(text) - len(self._rest)])
        parts[::2] = [printable(part, "\n\r\t\b") for part in parts[::2]]
        return "".join(parts).encode(errors="backslashreplace")


def _output(record: RunRecord, follow: bool) -> Iterator[bytes]:
    """The bytes of a run's output.log; with ``follow`` until the run is running no more."""
    from sweeper.tree import RunRecord, files

    place = 0
    while True:
        # Asked before reading: what a run wrote before it ended is then always printed.
        now = RunRecord(record.base, record.experiment, record.run)
        running = follow and now.status == "running"
        path = record.paths.output
        if files.exists(path):
            with files.tree_errors("read", path), os.fdopen(files.open_file(path), "rb") as file:
                file.seek(place)
                while data := file.read(1 << 16):
                    place += len(data)
                    yield data
        if not running:
            return
        time.sleep(FOLLOW_SECONDS)


@click.command()
@click.argument("left", metavar="RUN")
@click.argument("right", metavar="[RUN]", required=False)
@options.place_options
@options.format_options
def diff(
    left: str, right: str | None, storage: Path | None, name: str | None, format_: str
) -> None:
    """Show in what two runs differ: parameters, metrics, versions, the program's text.

    RUN is a run's or an experiment's directory (as it stands, or below --storage/--name), or
    SPEC:TRIAL, such as sweeps/digits.yaml:3. With one alone: how the program's text has changed
    since that run.
    """
    from sweeper.results import changes_since, difference, find_run, text_difference, text_of
    from sweeper.tree import Program

    from . import formatting

    one, sweep = find_run(left, storage, name)
    other = None if right is None else find_run(right, storage, name)[0]
    head = {"left": str(one.path), "right": "now" if other is None else str(other.path)}
    rows = [] if other is None else difference(one, other)
    if other is None:
        lines = changes_since(one, None if sweep is None else Program.of(sweep))
    else:
        lines = list(text_difference(text_of(one), text_of(other)))
    fields = ("name", "left", "right")
    columns = [formatting.column(key) for key in fields]
    tail = {"text": lines}
    formatting.print_rows(format_, rows, head, columns, fields, key="differences", tail=tail)
    if format_ == "table":
        for line in lines:
            tell(line)
    if not rows and not lines:
        say("no difference")
