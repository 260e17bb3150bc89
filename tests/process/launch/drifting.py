"""A train function whose best rate changes while it trains: no constant one is good throughout."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def train(params: Mapping[str, Any], callbacks: list[Any], run: Any) -> None:
    """Report a loss that shrinks by a half in an epoch with the right rate, hardly with another.

    The right rate goes from 0.1 to 0.0001 over ``epochs``, one each ``delay`` seconds.
    """
    saved = run.restore()
    loss, first = 1.0, 1
    history: list[str] = []
    if saved:
        history = (saved / "history").read_text().splitlines()
        first, loss = len(history) + 1, float(history[-1].split()[1])
    epochs = params["epochs"]
    for epoch in range(first, epochs + 1):
        time.sleep(params["delay"])
        right = -1 - 3 * (epoch - 1) / (epochs - 1)
        distance = abs(math.log10(params["rate"]) - right)
        loss *= 1 - 0.5 * math.exp(-((distance / 0.4) ** 2))
        history.append(f"{params['rate']!r} {loss!r}")
        state = Path(run.path / "aside-state")
        state.mkdir(exist_ok=True)
        (state / "history").write_text("\n".join(history))
        run.report(epoch=epoch, loss=loss)
        run.save(state)
