"""How fast a large grid streams out of a sweep file, and in how much memory.

    python -m tests.benchmarks.points POINTS

runs it in this process, which has imported nothing else.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from tests.benchmarks.measure import ROOT, scratch

GRID = """
name: points
program: train.py
method: grid
metric: {{name: val_loss, goal: minimize}}
parameters:
  training:
    parameters:
      learning-rate: {{values: {rates}}}
      batch: {{values: [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]}}
      epochs: {{value: 10}}
  model:
    parameters:
      width: {{values: {widths}}}
      layers: {{values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}
"""


def measure_points(points: int) -> None:
    """Print points per second and the growth of peak memory, from a fresh process."""
    print(f"\n{points} grid points streamed from a sweep file\n", flush=True)
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.points", str(points)], cwd=ROOT, check=True
    )


def stream(points: int) -> None:
    """Write a sweep file of at least ``points`` points and go through the first ``points``."""
    from sweeper.sweepfile import load_sweep

    side = 1
    while side * side * 100 < points:
        side += 1
    with scratch() as directory:
        path = directory / "points.yaml"
        rates = json.dumps([round(0.0001 * (i + 1), 4) for i in range(side)])
        path.write_text(GRID.format(rates=rates, widths=list(range(8, 8 + side))))
        clock = time.perf_counter()
        sweep = load_sweep(path)
        size = sweep.size()
        loaded = time.perf_counter() - clock
        before = _peak()
        clock = time.perf_counter()
        streamed = 0
        for _ in sweep.trials():
            streamed += 1
            if streamed == points:
                break
        seconds = time.perf_counter() - clock
        grown = _peak() - before
    print(f"  loaded in {loaded:.2f} s: {size} points, peak memory {before / 1e6:.1f} MB")
    print(
        f"  {streamed} points in {seconds:.2f} s: {streamed / seconds:,.0f} points per second; "
        f"peak memory grew by {grown / 1e6:.1f} MB"
    )


def _peak() -> int:
    """This process's highest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    stream(int(sys.argv[1]))
