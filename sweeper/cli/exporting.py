"""The commands export and tensorboard: what came of a sweep, for the tools that people have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options
from .messages import answer, say
from .reading import open_target, target_metric

TO = ("csv", "json", "parquet", "mlflow", "wandb", "optuna")


@click.command()
@click.argument(
    "targets", nargs=-1, required=True, metavar="SPEC|DIR...", type=click.Path(path_type=Path)
)
@options.place_options
@click.option("--to", type=click.Choice(TO), required=True, help="What is to read it.")
@click.option(
    "-o",
    "--output",
    metavar="FILE|DIR|URL",
    help="A file; for wandb a directory; for mlflow a file or its server. "
    "[default of csv and json: print it]",
)
@click.option("--epochs", is_flag=True, help="csv, json, parquet: a row for each epoch.")
@options.metric_options
def export(
    targets: tuple[Path, ...], to: str, output: str | None, epochs: bool, **given: Any
) -> None:
    """Write every run of sweeps for other tools. Exporting again brings up to date.

    \b
    sweeper export sweep.yaml --to csv -o runs.csv
    sweeper export sweep.yaml --to mlflow -o mlflow.db
    sweeper export sweep.yaml --to mlflow -o http://mlflow.example:5000
    sweeper export sweep.yaml --to wandb -o offline
    sweeper export a.yaml b.yaml --to optuna -o sweeps.db
    """
    from sweeper.tools import export as write

    indices = [open_target(target, given) for target in targets]
    metric = target_metric(indices[0], given) if given["metric_name"] else None
    printed, said = write(indices, metric, to, output, epochs)
    if printed:
        answer(printed.removesuffix("\n"))
    if said:
        say(said)
