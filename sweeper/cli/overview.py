"""The commands that look at all sweeps of a storage: ls, ui. Neither loads Ray or TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from . import options
from .messages import browse, say, tell


@click.command()
@click.argument("storage", default="experiments", type=click.Path(path_type=Path))
@options.format_options
def ls(storage: Path, format_: str) -> None:
    """List every sweep below STORAGE (./experiments): how far it is, its best, who launches it."""
    list_sweeps(storage, format_)


def list_sweeps(storage: Path, format_: str) -> None:
    from sweeper.results import OVERVIEW_FIELDS, overview_row, sweeps_below
    from sweeper.wording import counted, show_bytes, tally

    from .formatting import column, print_rows
    from .tables import Column

    rows = [overview_row(place) for place in sweeps_below(storage)]
    columns = [
        column("sweep"),
        column("trials"),
        Column("state", lambda row: tally(row["counts"]) or None),
        Column("best", _best),
        column("launcher", "launched by", optional=True),
        column("modified", "last activity", optional=True),
        Column("disk", lambda row: row["bytes"] and show_bytes(row["bytes"]), optional=True),
        Column("path", _path, path=True),
    ]
    head = {"storage": str(storage.absolute())}
    left_out = print_rows(format_, rows, head, columns, OVERVIEW_FIELDS, key="sweeps")
    if left_out:
        tell(f"+{counted(left_out, 'column')}: a wider terminal, or --json")
    if not rows:
        say(f"sweeper: {storage}: no sweep lies here")
    for row in rows:
        if row["error"]:
            say(f"sweeper: {row['path']}: {row['error']}")


def _path(row: Mapping[str, Any]) -> str:
    path = Path(row["path"])
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _best(row: Mapping[str, Any]) -> str | None:
    from .formatting import show_mean

    if row["best"] is None:
        return None
    return f"{row['metric']}={show_mean(row['best'], row['std'])}"


@click.command()
@click.argument("storages", metavar="[STORAGE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True)
@click.option("--open", "open_", is_flag=True, help="Open it in a browser.")
def ui(storages: tuple[Path, ...], port: int, open_: bool) -> None:
    """Show sweeps live in a browser: all below STORAGE (./experiments), or the sweeps it names.

    It is served to this machine alone, to who has the address with its token; nothing can be
    changed there. From elsewhere: ssh -L 8642:127.0.0.1:8642 HOST, and the same address.
    Ctrl-C ends it, with exit code 0.
    """
    from sweeper.results import sweeps_below
    from sweeper.web import serve

    targets = storages or (Path("experiments"),)
    for target in targets:
        sweeps_below(target)  # is it there?

    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:

        def ready(address: str) -> None:
            tell(address)
            say("sweeper: Ctrl-C ends it")
            if open_:  # by a file of the user's own: everybody sees what a browser is started with
                file.write(f'<meta http-equiv="refresh" content="0;url={address}">')
                file.flush()
                browse(Path(file.name).as_uri())

        try:
            serve(targets, port, ready)
        except KeyboardInterrupt:
            say("sweeper: ended")
