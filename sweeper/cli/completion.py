"""``sweeper completion``: the shell's side of completing commands and options."""

from __future__ import annotations

import click


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
