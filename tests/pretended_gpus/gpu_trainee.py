"""Takes the gigabytes of its GPU that `do` gives for its `x`, or 2, and trains for a while."""

from __future__ import annotations

import os
import time
from typing import Any

import pynvml


def train(params: dict[str, Any], callbacks: list[Any], run: Any) -> None:
    do, x = params["do"], params["x"]
    pynvml.take(os.environ["CUDA_VISIBLE_DEVICES"], do["gb"].get(str(x), 2) * pynvml.GB)
    time.sleep(do["seconds"] + x % 4)
    run.report(loss=float(x))
