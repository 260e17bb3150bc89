"""Whether more or less of a metric is better: a Keras metric says it of itself, others by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sweeper.tree import mode_of

_DIRECTIONS = {"up": "max", "down": "min"}


def metric_mode(model: Any, name: str) -> str | None:
    """``max`` or ``min`` for a metric as ``model`` logs it; None if nothing says it."""
    plain = name.removeprefix("val_")
    for wanted in (plain, re.sub(r"_\d+$", "", plain)):  # of equal names Keras numbers the later
        said = {direction for known, direction in _directions(model) if known == wanted}
        if len(said) == 1:
            return _DIRECTIONS.get(*said) or mode_of(name)
    return mode_of(name)


def _directions(model: Any) -> Iterator[tuple[str, str]]:
    """The names of the model's metrics in its logs, and what each says of itself."""
    for metric in getattr(model, "metrics", ()):
        outputs = [
            *getattr(metric, "_flat_metrics", ()),
            *getattr(metric, "_flat_weighted_metrics", ()),
        ]
        for output in filter(None, outputs):
            prefix = f"{output.output_name}_" if output.output_name else ""
            for one in output.metrics:
                for name in (one.name, f"weighted_{one.name}"):
                    yield prefix + name, str(getattr(one, "_direction", None))
        if not outputs:
            yield metric.name, str(getattr(metric, "_direction", None))
