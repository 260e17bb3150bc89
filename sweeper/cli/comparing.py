"""The commands that set trials and sweeps side by side: compare, importance, curves."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .messages import say, tell
from .reading import BEST_FIELDS, open_target, target_metric

if TYPE_CHECKING:
    from sweeper.results import Index, Ranked

BAR = 40  # cells of a bar of 1
SIGNS = "123456789abcdefghijk"  # the curves, the best first


@click.command()
@options.targets_argument
@options.place_options
@options.select_options
@options.format_options
@options.metric_options
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="N")
def compare(targets: tuple[Path, ...], format_: str, top: int, **given: Any) -> None:
    """Show several sweeps side by side, and the best trials of them all.

    Each SPEC|DIR is a sweep file, a base directory, or a sweeps/<name> directory in one. All are
    ranked by the metric of the first, or by --metric. Single runs: `sweeper diff`.
    """
    from sweeper.results import ParameterNames, best_row, nothing_to_rank, rank_together

    from . import formatting
    from .selection import Selection
    from .tables import Column

    indices = [open_target(target, given) for target in targets]
    metric = target_metric(indices[0], given)
    titles = _titles(indices)
    ranked = rank_together(indices, metric)
    if not ranked:
        say(f"{titles[0]}: {nothing_to_rank(indices[0], metric)}")
    sweeps = []
    for place, (title, index) in enumerate(zip(titles, indices, strict=True)):
        values = [one.value for of, one in ranked if of == place]
        counts = index.counts()
        sweeps.append(
            {
                "sweep": title,
                "trials": sum(counts.values()),
                "finished": counts["finished"],
                "failed": sum(entry.failed for entry in index.entries),
                "best": values[0] if values else None,
                "median": statistics.median(values) if values else None,
                "elapsed": sum(record.elapsed for record in index.records()),
                "base": str(index.base),
            }
        )
    rows = [
        {"sweep": titles[of], **best_row(one, repeated=True), "rank": place}
        for place, (of, one) in enumerate(ranked, 1)
    ]
    names = ParameterNames(entry.params for index in indices for entry in index.entries)
    found = Selection(rows, names, given)
    if format_ == "table":
        about = ("sweep", "trials", "finished", "failed", "best", "median", "elapsed")
        head = [formatting.column(name) for name in about]
        head[-1] = Column("time", lambda row: formatting.show_seconds(row["elapsed"]))
        formatting.print_rows("table", sweeps, {}, head, ())
        tell(f"\n{metric.name}, {metric.goal}:")
    columns = [formatting.column(key) for key in ("rank", "sweep", "trial")]
    columns += [formatting.column("value", metric.name), formatting.column("epoch")]
    columns = found.columns(columns)
    head_row = {"metric": metric.name, "goal": metric.goal, "sweeps": sweeps}
    fields = ("sweep", *BEST_FIELDS)
    formatting.print_rows(format_, found.rows()[:top], head_row, columns, fields, found.more)


def _titles(indices: Sequence[Index]) -> list[str]:
    """What each sweep is called: with its base directory where two have one name."""
    names = Counter(index.title for index in indices)
    return [f"{i.base}: {i.title}" if names[i.title] > 1 else i.title for i in indices]


@click.command()
@options.target_options
@options.metric_options
@options.format_options
def importance(target: Path, format_: str, **given: Any) -> None:
    """Show how much of the metric's variance each parameter explains.

    By fANOVA (Hutter et al., 2014): a random forest of the trials is looked at over the whole
    space; 1 in all. The worst tenth count as the best of them. With few trials it says little.
    """
    from sweeper.results import Figures

    from . import formatting
    from .tables import Column

    index = open_target(target, given)
    metric = target_metric(index, given)
    found = Figures([index], metric).weighed()
    rows = [{"name": name, "importance": value} for name, value in found.items()]
    columns = [formatting.column("name", "parameter"), formatting.column("importance")]
    columns.append(Column("", lambda row: "█" * round(BAR * row["importance"]) or "▏"))
    head = {"sweep": index.name, "metric": metric.name, "goal": metric.goal}
    fields = ("name", "importance")
    formatting.print_rows(format_, rows, head, columns, fields, key="parameters")


@click.command()
@options.target_options
@options.metric_options
@click.option("--top", type=click.IntRange(1, 20), default=5, show_default=True, metavar="N")
def curves(target: Path, top: int, **given: Any) -> None:
    """Draw the metric over the epochs, of the best trials, in the terminal."""
    from sweeper.results import curve_of, nothing_to_rank, rank

    from .tables import Screen

    index = open_target(target, given)
    metric = target_metric(index, given)
    ranked = rank(index.entries, metric, top)
    if not ranked:
        say(f"{index.title}: {nothing_to_rank(index, metric)}")
        return
    every = [(_name(one), one, curve_of(one.entry, metric)) for one in ranked]
    found = [item for item in every if item[2]]
    for name, _, curve in every:
        if not curve:
            say(f"{name}: no curve, for its training log has no {metric.name}")
    if not found:
        return
    screen = Screen.of(sys.stdout)
    width, height = min(screen.width or 80, 160), min(max(screen.height - len(found) - 4, 8), 24)
    for text in drawn([curve for _, _, curve in found], width, height):
        tell(text)
    for sign, (name, one, _) in zip(SIGNS, found, strict=False):
        tell(f"{sign}  {name}  {metric.name}={one.score.value:.5g} at epoch {one.score.epoch}")


def _name(ranked: Ranked) -> str:
    trial = ranked.entry.trial
    return ranked.record.experiment if trial is None else f"trial {trial}"


def drawn(lines: Sequence[Mapping[int, float]], width: int, height: int) -> list[str]:
    """Curves (x -> y) as rows of text, each drawn with its own sign, the first above the others."""
    numbers = [list(line.items()) for line in lines]
    xs, ys = [x for line in numbers for x, _ in line], [y for line in numbers for _, y in line]
    low, high, first, last = min(ys), max(ys), min(xs), max(xs)
    names = [f"{high:.5g}", f"{low:.5g}"]
    margin = max(map(len, names))
    columns = width - margin - 3
    grid = [[" "] * columns for _ in range(height)]
    for sign, line in reversed(list(zip(SIGNS, numbers, strict=False))):
        for column in range(columns):
            x = first + (last - first) * column / max(1, columns - 1)
            before = [point for point in line if point[0] <= x + 1e-9]
            after = [point for point in line if point[0] >= x - 1e-9]
            if before and after:
                (x0, y0), (x1, y1) = before[-1], after[0]
                y = y0 if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
                place = (high - y) / (high - low) if high > low else 0.5
                grid[round(place * (height - 1))][column] = sign
    names = [names[0], *[""] * (height - 2), names[1]]
    rows = [f"{n:>{margin}} ┤{''.join(r).rstrip()}" for n, r in zip(names, grid, strict=True)]
    axis = f"{first}{f'epoch {last}':>{columns - len(str(first))}}"
    return [*rows, f"{'':>{margin}} └{'─' * columns}", f"{'':>{margin}}  {axis}"]
