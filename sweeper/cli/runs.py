"""The commands about single runs: logs, diff. Neither loads Ray or TensorFlow."""

from __future__ import annotations

import codecs
import collections
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeper import store
from sweeper.wording import printable

from . import options
from .messages import say, tell
from .reading import open_target

if TYPE_CHECKING:
    from sweeper.errors import SweeperError
    from sweeper.results import Entry
    from sweeper.tree import RunRecord

FOLLOW_SECONDS = 0.3  # between two looks at a log that grows
FAILED_LINES = 20  # that `logs --failed` shows of each
MOST_TAIL = 1 << 20  # bytes in which the last lines are looked for


@click.command()
@options.target_argument
@click.argument("trials", metavar="[TRIAL]...", nargs=-1)
@options.place_options
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run ends.")
@click.option("--failed", is_flag=True, help="The trials that failed: the last 20 lines of each.")
@click.option("--grep", metavar="REGEX", help="Only lines in which it is found; in all trials.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
def logs(target: Path, trials: tuple[str, ...], follow: bool, failed: bool, **given: Any) -> None:
    """Print the output of a trial: its number, or its experiment's name.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    """
    from sweeper.results import find_entry

    pattern, tail = _regex(given["grep"]), given["tail"]
    if not trials and not failed and pattern is None:
        raise click.UsageError("expected a TRIAL, --failed or --grep, found none of them")
    index = open_target(target, given)
    found = [find_entry(index, trial) for trial in trials] or index.entries
    if failed:
        found = [entry for entry in found if entry.failed]
        tail = FAILED_LINES if tail is None and pattern is None else tail
        if not found:
            say(f"{index.title}: no trial has failed")
    if follow and len(found) != 1:
        raise click.UsageError(f"--follow: expected one trial, found {len(found)}")
    safe = Safe() if sys.stdout.isatty() else bytes
    alone = len(trials) == 1
    for entry in found:
        record, missing = entry.record, _no_output(entry, follow)
        if missing is not None and alone:
            raise missing
        if missing is not None or record is None:
            if trials or failed:
                say(f"trial {entry.trial} {entry.status}: no output")
            continue
        pieces = _chosen(_output(record, follow, tail if pattern is None else None), pattern)
        if pattern is not None and tail is not None:
            pieces = iter(collections.deque(pieces, maxlen=tail))
        for number, data in enumerate(pieces):
            if not number and not alone:
                reason = f": {entry.error}" if entry.failed and entry.error else ""
                tell(f"==> trial {entry.trial} {entry.status}{reason}  {record.paths.output}")
            sys.stdout.buffer.write(safe(data))
            sys.stdout.buffer.flush()


def _no_output(entry: Entry, follow: bool) -> SweeperError | None:
    """Why there is nothing to print of a trial; None if there is, or ``follow`` waits for it."""
    from sweeper.errors import UsageError
    from sweeper.tree import files

    if entry.unreadable is not None:
        return entry.unreadable
    if entry.record is None:
        name = entry.experiment if entry.trial is None else f"trial {entry.trial}"
        return UsageError(f"{name}: pending, so it has no output yet; `sweeper status` shows")
    path = entry.record.paths.output
    store.bring(path)
    if follow or files.exists(path):
        return None
    return UsageError(f"{path}: not there: run {entry.run} has written no output")


def _regex(text: str | None) -> re.Pattern[bytes] | None:
    try:
        return None if text is None else re.compile(text.encode())
    except re.error as error:
        raise click.UsageError(
            f"--grep: {error}: expected a regular expression of Python"
        ) from error


def _chosen(pieces: Iterator[bytes], pattern: re.Pattern[bytes] | None) -> Iterator[bytes]:
    """The pieces as they are, or those of their lines in which ``pattern`` is found."""
    if pattern is None:
        yield from pieces
        return
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines if pattern.search(line))
        if len(rest) > MOST_TAIL:
            rest = b""
    if rest and pattern.search(rest):
        yield rest + b"\n"


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


def _output(record: RunRecord, follow: bool, tail: int | None) -> Iterator[bytes]:
    """The bytes of a run's output.log; with ``follow`` until the run is running no more.

    From the last ``tail`` lines on, of at most :data:`MOST_TAIL` bytes, if it is given.
    """
    from sweeper.tree import RunRecord, files

    place = 0
    if tail is not None and files.exists(record.paths.output):
        place, end = files.read_end(record.paths.output, MOST_TAIL)
        lines = end.splitlines(keepends=True)
        yield b"".join(lines[max(0, len(lines) - tail) :])
    while True:
        # Asked before reading: what a run wrote before it ended is then always printed.
        now = RunRecord(record.base, record.experiment, record.run)
        store.refresh(record.path)
        running = follow and now.status == "running"
        path = record.paths.output
        store.bring(path)
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
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@options.place_options
@options.format_options
def diff(runs: tuple[str, ...], storage: Path | None, name: str | None, format_: str) -> None:
    """Show in what runs differ: parameters, metrics, versions, the program's text.

    RUN is a run's or an experiment's directory (as it stands, or below --storage/--name), or
    SPEC:TRIAL, such as sweeps/digits.yaml:3. With one alone: how the program's text has changed
    since that run; with more than two, what of their parameters and results is not the same in all.
    """
    from sweeper.results import changes_since, differing_facts, find_run, text_difference, text_of
    from sweeper.tree import Program

    from . import formatting

    (one, sweep), *others = [find_run(run, storage, name) for run in runs]
    records = [one, *(record for record, _ in others)]
    titles = (
        ["left", "right"] if len(records) < 3 else [f"run {n + 1}" for n in range(len(records))]
    )
    head = {title: str(record.path) for title, record in zip(titles, records, strict=False)}
    rows = [
        {"name": fact, **dict(zip(titles, values, strict=True))}
        for fact, values in (differing_facts(records) if others else {}).items()
    ]
    lines: list[str] = []
    if not others:
        head["right"] = "now"
        lines = changes_since(one, None if sweep is None else Program.of(sweep))
    elif len(records) == 2:
        lines = list(text_difference(text_of(one), text_of(records[1])))
    fields = ("name", *titles)
    columns = [formatting.column(key) for key in fields]
    tail = {"text": lines}
    if format_ == "table" and len(records) > 2:
        for title, path in head.items():
            tell(f"{title}  {path}")
    formatting.print_rows(format_, rows, head, columns, fields, key="differences", tail=tail)
    if format_ == "table":
        for line in lines:
            tell(line)
    if not rows and not lines:
        say("no difference")
