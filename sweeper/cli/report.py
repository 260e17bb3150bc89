"""The command report: a sweep as one page. It loads neither Ray nor TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options
from .messages import browse, say
from .reading import open_target, target_metric


@click.command()
@options.target_options
@options.seed_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="report.html",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page; one that is there is replaced.",
)
@options.metric_options
@click.option("--open", "open_", is_flag=True, help="Open it in a browser.")
def report(target: Path, output: Path, open_: bool, **given: Any) -> None:
    """Write what came of a sweep as one HTML file that opens offline: figures, tables, failures.

    SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one.
    """
    from sweeper.web import write_report

    index = open_target(target, given)
    write_report(index, target_metric(index, given), output)
    say(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    if open_:
        browse(output.resolve().as_uri())
