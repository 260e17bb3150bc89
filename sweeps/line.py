"""A script as it was before there were sweeps, and one line more: ``sweeper.report``.

    python sweeps/line.py --rate 0.1

fits a line to points by gradient descent. ``sweeper launch sweeps/line.yaml`` runs it with other
arguments, one process per trial.
"""

from __future__ import annotations

import argparse
import random

import sweeper


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a line to noisy points.")
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.1)
    args = parser.parse_args()

    draw = random.Random(1)
    xs = [draw.uniform(-1, 1) for _ in range(100)]
    points = [(x, 2 * x + 1 + draw.gauss(0, args.noise)) for x in xs]
    slope = offset = 0.0
    for epoch in range(1, args.epochs + 1):
        for x, y in points:
            error = slope * x + offset - y
            slope -= args.rate * error * x
            offset -= args.rate * error
        loss = sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)
        print(f"epoch {epoch}: y = {slope:.3f} x + {offset:.3f}, loss {loss:.5f}")
        sweeper.report(epoch=epoch, loss=loss)  # does nothing outside a sweep


if __name__ == "__main__":
    main()
