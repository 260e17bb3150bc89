"""A program without Keras that goes on where it was killed: gradient descent in NumPy.

    python sweeps/resume_numpy.py --rate 0.1

trains from the beginning; ``sweeper launch sweeps/resume_numpy.yaml`` gives each trial the run
that ``sweeper.run`` stands for. What is saved is all that the next epoch depends on: the weights,
how many epochs are done, and the state of the random numbers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import sweeper


def main() -> None:
    parser = argparse.ArgumentParser(description="Logistic regression on digits.")
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    images, held, labels, held_labels = images[:1200], images[1200:], labels[:1200], labels[1200:]
    random = np.random.default_rng(1)
    weights, done = np.zeros((64, 10)), 0

    with sweeper.run() as run:
        state = run.restore()
        if state is not None:
            weights = np.load(state / "weights.npy")
            kept = json.loads((state / "state.json").read_text())
            done, random.bit_generator.state = kept["done"], kept["random"]
        for epoch in range(done + 1, args.epochs + 1):
            order = random.permutation(len(images))
            for batch in np.split(order, 24):
                error = softmax(images[batch] / 16 @ weights) - np.eye(10)[labels[batch]]
                weights -= args.rate * images[batch].T / 16 @ error / len(batch)
            found = softmax(held / 16 @ weights)
            loss = -np.log(found[np.arange(len(held)), held_labels]).mean()
            print(f"epoch {epoch}: loss {loss:.4f}", flush=True)
            run.report(epoch, val_loss=loss)
            with tempfile.TemporaryDirectory() as directory:
                np.save(Path(directory, "weights.npy"), weights)
                kept = {"done": epoch, "random": random.bit_generator.state}
                Path(directory, "state.json").write_text(json.dumps(kept))
                run.save(directory)


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    main()
