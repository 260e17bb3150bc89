"""``sweeper pull`` and ``push``: trees to and from an object store."""

from __future__ import annotations

from pathlib import Path

import click

from sweeper.wording import counted

from .messages import tell


@click.command()
@click.argument("address")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def pull(address: str, directory: Path) -> None:
    """Copy what is at ADDRESS (s3://BUCKET/PREFIX, gs://…, az://…) and not yet in DIRECTORY."""
    from sweeper import store

    tell(f"{counted(store.pull(address, directory), 'file')} brought")


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("address")
def push(directory: Path, address: str) -> None:
    """Copy what is in DIRECTORY and not yet at ADDRESS (s3://BUCKET/PREFIX, gs://…, az://…)."""
    from sweeper import store

    tell(f"{counted(store.push(directory, address), 'file')} sent")
