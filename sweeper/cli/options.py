"""Arguments and options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sweeper.sweepfile import Sweep

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "json", "csv", "yaml", "md", "latex")


def _be_verbose(_context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        logging.getLogger("sweeper").setLevel(logging.DEBUG)
    return value


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator that applies ``decorators``, so that help lists them in this order."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    callback=_be_verbose,
    help="Say more; show the traceback of an error. SWEEPER_DEBUG=1 does the same.",
)

spec_argument = click.argument("spec", type=click.Path(path_type=Path))

target_argument = click.argument("target", metavar="SPEC|DIR", type=click.Path(path_type=Path))

targets_argument = click.argument(
    "targets", metavar="SPEC|DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)

overrides_argument = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")

place_options = together(
    click.option(
        "--storage",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where base directories live. [default: the sweep file's, else ./experiments]",
    ),
    click.option(
        "--name", metavar="NAME", help="The base directory's name. [default: the sweep file's]"
    ),
)
"""``--storage`` and ``--name``: where the tree is."""

target_options = together(target_argument, overrides_argument, place_options)
"""What a command reads: pass what click gives to ``open_target``."""

seed_option = click.option(
    "--seed", type=click.IntRange(min=0), help="Replaces the sweep file's seed."
)

max_trials_option = click.option(
    "-n",
    "--max-trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most N trials in all, over every launch of this sweep.",
)

parallel_option = click.option(
    "-j",
    "--parallel",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most N trials at a time. [default: what the resources allow]",
)


class _GpuPart(click.FloatRange):
    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if value == "auto" else super().convert(value, param, ctx)


sweep_options = together(
    spec_argument,
    overrides_argument,
    max_trials_option,
    parallel_option,
    click.option(
        "--cpus-per-trial",
        type=click.FloatRange(min=0),
        metavar="X",
        help="CPUs that one trial gets.",
    ),
    click.option(
        "--gpus-per-trial",
        type=_GpuPart(min=0),
        metavar="X",
        help="GPUs that one trial gets; 0.25 puts four on one, `auto` what its memory holds.",
    ),
    place_options,
    seed_option,
)
"""SPEC and all that changes it for one command; pass what click gives to :func:`load`."""

SWEEP_CHANGES = (
    *("max_trials", "parallel", "cpus_per_trial", "gpus_per_trial"),
    *("storage", "name", "seed"),
)

format_options = together(
    click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to print.",
    ),
    click.option("--json", "format_", flag_value="json", help="The same as --format json."),
)

metric_options = together(
    click.option("--metric", "metric_name", metavar="NAME", help="Rank by this metric instead."),
    click.option(
        "--goal", type=click.Choice(["minimize", "maximize"]), help="What --metric is to be."
    ),
)

select_options = together(
    click.option(
        "--where",
        metavar="EXPR",
        help="Only rows for which it holds: val_loss < 0.3 and model.units in [8, 16].",
    ),
    click.option("--sort", metavar="NAME", help="By this column; -NAME for the largest first."),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows."),
    click.option("--columns", metavar="NAME,…", help="These columns of the table."),
    click.option("--all-columns", is_flag=True, help="Every parameter that varies, every metric."),
)
"""Which rows and columns are shown; pass what click gives to ``Selection``."""


def load(
    spec: Path, /, overrides: Sequence[str] = (), text: str | None = None, **given: Any
) -> Sweep:
    """Load the sweep that a command line asks for; ``given`` may be all that click gives.

    ``text`` is what stands for a file where ``spec`` is a program.

    Raises UsageError, SpecError, click.UsageError.
    """
    from sweeper.results import load_target

    changes = {key: given[key] for key in SWEEP_CHANGES if given.get(key) is not None}
    return load_target(spec, check_overrides(overrides), text, **changes)


def check_overrides(overrides: Sequence[str]) -> Sequence[str]:
    """Raise click.UsageError for a word that is not ``KEY=VALUE``."""
    for word in overrides:
        key, equals, _ = word.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(
                f"{word!r}: expected KEY=VALUE, such as parameters.training.epochs.value=3"
            )
    return overrides
