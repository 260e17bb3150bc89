"""The commands report, export, tensorboard, pull, push: what came of a sweep, taken elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sweeper import store
from sweeper.wording import counted

from . import options
from .messages import answer, browse, say, tell
from .reading import open_target, reader_of, target_metric

TO = ("csv", "json", "parquet", "mlflow", "wandb", "optuna")


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


@click.command()
@options.targets_argument
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


@click.command()
@options.target_options
@options.seed_option
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to. [default: sweeps/<sweep>/tensorboard in the tree]",
)
@click.option("-f", "--follow", is_flag=True, help="Go on as runs go, until all have ended.")
def tensorboard(target: Path, output: Path | None, follow: bool, **given: Any) -> None:
    """Write TensorBoard's logs of every run: scalars, and the parameters for HParams.

    Again = what is new. SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> in one.
    """
    import time

    from sweeper.results import metric_of
    from sweeper.tools import EventFiles, how_to_look, tensorboard_directory

    index = open_target(target, given)
    read_again = reader_of(target, given)
    if output is None:
        if index.sweep is None:
            raise click.UsageError(f"{target}: holds no sweep, or several: say where to with -o")
        output = tensorboard_directory(index.sweep, index.base)
    logs = EventFiles(output, metric_of(index))
    began = time.process_time()
    say(f"{output}: {counted(logs.write_all(index), 'run')} brought up to date")
    say(how_to_look(output))
    while follow and not all(entry.ended for entry in index.entries):
        time.sleep(max(2.0, 20 * (time.process_time() - began)))  # a twentieth of a core at most
        began = time.process_time()
        index = read_again()
        logs.write_all(index)


@click.command()
@click.argument("address")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def pull(address: str, directory: Path) -> None:
    """Copy what is at ADDRESS (s3://BUCKET/PREFIX, gs://…, az://…) and not yet in DIRECTORY."""
    tell(f"{counted(store.pull(address, directory), 'file')} brought")


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("address")
def push(directory: Path, address: str) -> None:
    """Copy what is in DIRECTORY and not yet at ADDRESS (s3://BUCKET/PREFIX, gs://…, az://…)."""
    tell(f"{counted(store.push(directory, address), 'file')} sent")
