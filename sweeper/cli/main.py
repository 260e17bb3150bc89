"""The command ``sweeper``: its group, and the one place that turns errors into exit codes."""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from sweeper import __version__
from sweeper.errors import SweeperError, UsageError
from sweeper.wording import nearest

from .messages import nobody_reads, say
from .options import verbose_option

COMMANDS = {
    "launch": ("sweeper.cli.launch", "Run a sweep's trials; launch again to resume."),
    "stop": ("sweeper.cli.controlling", "End the launches of a sweep, or some of its trials."),
    "pause": ("sweeper.cli.controlling", "Have what runs end its epoch and wait."),
    "continue": ("sweeper.cli.controlling", "Go on with a sweep that is paused."),
    "set": ("sweeper.cli.controlling", "Change parallel, run_cap or a budget while it runs."),
    "plan": ("sweeper.cli.plan", "Show which trials a launch would run, and run nothing."),
    "status": ("sweeper.cli.reading", "Show how far a sweep is, trial by trial."),
    "best": ("sweeper.cli.reading", "Show the best trials, their parameters and checkpoints."),
    "ls": ("sweeper.cli.overview", "List every sweep below a storage."),
    "ui": ("sweeper.cli.overview", "Show sweeps live in a browser."),
    "report": ("sweeper.cli.exporting", "Write a page with all of it: figures, tables, failures."),
    "export": ("sweeper.cli.exporting", "Write it for CSV, Parquet, MLflow, W&B or Optuna."),
    "tensorboard": ("sweeper.cli.exporting", "Write TensorBoard's logs of it, as it goes."),
    "logs": ("sweeper.cli.runs", "Print what a trial wrote to its output."),
    "diff": ("sweeper.cli.runs", "Show in what runs differ."),
    "compare": ("sweeper.cli.comparing", "Show several sweeps side by side."),
    "importance": ("sweeper.cli.comparing", "Show which parameters matter."),
    "curves": ("sweeper.cli.comparing", "Draw the metric over the epochs of the best trials."),
    "pull": ("sweeper.cli.exporting", "Copy a tree from an object store to a directory."),
    "push": ("sweeper.cli.exporting", "Copy a tree from a directory to an object store."),
    "check": ("sweeper.cli.check", "Say all that is wrong with a sweep file and its program."),
    "init": ("sweeper.cli.authoring", "Write a sweep file and a train module to start from."),
    "schema": ("sweeper.cli.authoring", "Print the sweep file's JSON Schema, for editors."),
    "convert": ("sweeper.cli.authoring", "Print a sweep in W&B's form, or another tool's in ours."),
    "completion": ("sweeper.cli.authoring", "Print the completion script for your shell."),
}
"""Command -> the module that defines it under the same name, and its line in the help.

The line stands here so that ``sweeper --help`` imports no command.
"""

EPILOG = """\b
Examples:
  sweeper init my-sweep                     a sweep file and a train module to start from
  sweeper check sweeps/digits.yaml          is it all right?
  sweeper plan sweeps/digits.yaml           what would run
  sweeper launch sweeps/digits.yaml         run it; the same again resumes it
  sweeper launch sweeps/digits.yaml -j 2 parameters.training.epochs.value=3
  sweeper status sweeps/digits.yaml         how far it is
  sweeper best sweeps/digits.yaml --top 3   what came of it
  sweeper logs sweeps/digits.yaml 5 -f      what trial 5 prints
  sweeper best experiments/digits --json    the same from a directory, anywhere

\b
Exit codes: 0 all well, 1 an error, 2 a wrong request or sweep file, 3 some trials
failed, 4 stopped by a budget or the breaker, 129/130/131/143 interrupted."""


class _ReaderGone(Exception):
    """Nobody reads on (`sweeper plan … | head`). Of a BrokenPipeError click would exit with 1."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module = importlib.import_module(COMMANDS[cmd_name][0])
        word = cmd_name + "_" * (cmd_name in ("continue", "set"))  # Python's own
        command = getattr(module, word)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGone from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], COMMANDS)
            mend = f"did you mean {near[0]!r}?" if near else f"found none of {', '.join(COMMANDS)}"
            raise click.UsageError(f"no such command {args[0]!r}: {mend}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@verbose_option
def cli(verbose: bool) -> None:
    """Hyperparameter sweeps for Keras and TensorFlow on Ray Tune, kept as plain files."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line ``args`` (the process's own by default) and return its exit code."""
    _open_streams()
    gc.set_threshold(50_000)  # a tree of 10,000 runs is a million objects, and no garbage
    logger = _log_to_stderr(os.environ.get("SWEEPER_DEBUG", "") not in ("", "0"))
    try:
        for stream in (sys.stdout, sys.stderr):  # a name in the tree need not be UTF-8
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        _check_directory()
        result: Any = cli.main(args, "sweeper", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show(shown := io.StringIO())
        say(shown.getvalue().rstrip("\n"))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (BrokenPipeError, _ReaderGone):
        nobody_reads()
        return 0
    except Exception as error:
        verbose = logger.isEnabledFor(logging.DEBUG)
        if verbose:
            import traceback

            traceback.print_exc()
        say(f"sweeper: {_in_words(error)}")
        if not isinstance(error, (SweeperError, OSError)) and not verbose:
            say("sweeper: this is a bug; -v shows where it happened")
        return error.exit_code if isinstance(error, SweeperError) else 1
    return result if isinstance(result, int) else 0


def _open_streams() -> None:
    """What the caller has closed (`>&-`) goes nowhere, and no file of ours gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _check_directory() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        what = "expected a current directory, found that it was removed or renamed"
        raise UsageError(f"{what}: cd to one that is there") from None


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (SweeperError, OSError)):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"


def _log_to_stderr(verbose: bool) -> logging.Logger:
    class _Said(logging.Handler):  # on what is stderr then: a live display stands in for it
        def emit(self, record: logging.LogRecord) -> None:
            say(self.format(record))

    handler = _Said()
    handler.setFormatter(logging.Formatter("sweeper: %(levelname)s: %(message)s"))
    logger = logging.getLogger("sweeper")
    if not logger.handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    return logger
