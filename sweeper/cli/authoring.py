"""The commands that write a sweep file or help to: schema, init, convert, completion."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sweeper.errors import UsageError

from . import options
from .messages import say, say_notes

SCHEMA_NAME = "sweeper.schema.json"


@click.command()
def schema() -> None:
    """Print the JSON Schema of the sweep file, by which editors complete and check.

    \b
    sweeper schema > sweeper.schema.json
    and as the first line of the sweep file:
    # yaml-language-server: $schema=sweeper.schema.json
    """
    from sweeper.sweepfile import schema_json

    sys.stdout.write(schema_json())


@click.command()
@click.argument(
    "directory", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]"
)
def init(directory: Path) -> None:
    """Write a sweep file and a train module that run as they are, to start from.

    DIR is made if it is not there; the default is the current directory. What is there already is
    never overwritten.
    """
    from sweeper.sweepfile import schema_json

    templates = Path(__file__).parent / "templates"
    written = {
        "sweep.yaml": (templates / "sweep.yaml").read_text(encoding="utf-8"),
        "train.py": (templates / "train.py.txt").read_text(encoding="utf-8"),
        SCHEMA_NAME: schema_json(),
    }
    # A schema is never anybody's own work: one that is the same may be there.
    taken = [name for name, text in written.items() if not _free(directory / name, text)]
    if taken:
        raise UsageError(
            f"{directory}: {' and '.join(taken)} {'is' if len(taken) == 1 else 'are'} there "
            "already: name another directory (`sweeper init DIR`), or move what is there"
        )
    for name, text in written.items():
        _write(directory / name, text)
    file = directory / "sweep.yaml"
    say(
        f"wrote {', '.join(written)} in {directory}\n"
        f"next:\n"
        f"  sweeper check {file}      is it all right?\n"
        f"  sweeper launch {file}     8 small networks, in about a minute\n"
        f"  sweeper best {file}       the best of them\n"
        f"then make both files yours."
    )


def _free(path: Path, text: str) -> bool:
    if path.is_symlink() or path.exists():
        return path.name == SCHEMA_NAME and path.is_file() and path.read_text() == text
    return True


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.overrides_argument
@click.option("--to", type=click.Choice(["wandb"]), help="Whose form to write.")
@click.option(
    "--from",
    "tool",
    type=click.Choice(["tune", "keras-tuner", "nni", "determined", "seml", "hydra", "guild"]),
    help="Whose form FILE has.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to OUT instead of standard output.",
)
def convert(
    file: Path, overrides: Sequence[str], to: str | None, tool: str | None, output: Path | None
) -> None:
    """Print a sweep in another form, what is lost or yet to be done on stderr.

    \b
    sweeper convert sweep.yaml --to wandb -o wandb.yaml     W&B's form of a sweep file
    sweeper convert --from nni config.yml -o sweep.yaml     a sweep file of another tool's
    """
    from sweeper.sweepfile import from_tool, to_wandb_yaml

    if (to is None) == (tool is None) or (tool and overrides):
        raise click.UsageError("expected FILE [KEY=VALUE]... --to wandb, or --from TOOL FILE")
    if tool is None:
        text, notes = to_wandb_yaml(options.load(file, overrides))
    else:
        text, notes = from_tool(file, tool)
    say_notes(*notes)
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists() and file.exists() and output.samefile(file):
        raise UsageError(f"{output}: would replace the sweep file itself: name another file")
    _write(output, text)
    say(f"wrote {output}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and paths.

    \b
    bash:  echo 'eval "$(sweeper completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(sweeper completion zsh)"' >> ~/.zshrc
    fish:  sweeper completion fish > ~/.config/fish/completions/sweeper.fish
    """
    from click.shell_completion import get_completion_class

    from .main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "sweeper", "_SWEEPER_COMPLETE").source())
