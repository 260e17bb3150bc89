"""What a trial may leave open or changed in libraries that it has loaded; imports none of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def _figures() -> list[int]:
    """pyplot's open figures: what the next trial draws would go into the last one."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot is not None else []


def _close_figures(before: list[int]) -> None:
    for number in {*_figures()} - {*before}:
        sys.modules["matplotlib.pyplot"].close(number)


def _style() -> dict[str, Any]:
    """In what matplotlib's parameters differ from those of its import."""
    found = sys.modules.get("matplotlib")
    if found is None:
        return {}
    given = found.rcParamsOrig
    now = found.rcParams.copy()  # which does not choose a backend, as looking at it does
    return {k: v for k, v in dict.items(now) if k != "backend" and v != dict.get(given, k)}


def _put_style(before: dict[str, Any]) -> None:
    found = sys.modules["matplotlib"]
    given = {k: v for k, v in dict.items(found.rcParamsOrig) if k != "backend"}
    dict.update(found.rcParams, {**given, **before})


def _tracked() -> list[bool]:
    """Whether a run of MLflow's or W&B's is open: the next trial could not open its own."""
    mlflow, wandb = sys.modules.get("mlflow"), sys.modules.get("wandb")
    return [
        mlflow is not None and mlflow.active_run() is not None,
        getattr(wandb, "run", None) is not None,
    ]


def _end_tracked(before: list[bool]) -> None:
    """End them as they would be at the end of their process."""
    now = _tracked()
    while _tracked()[0] > before[0]:
        sys.modules["mlflow"].end_run()
    if now[1] > before[1]:
        sys.modules["wandb"].finish()


PARTS: list[tuple[Callable[[], Any], Callable[[Any], None]]] = [
    (_figures, _close_figures),
    (_style, _put_style),
    (_tracked, _end_tracked),
]
"""How each is read and put back."""
