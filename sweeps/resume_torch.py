"""A PyTorch program that goes on where it was killed, bit for bit.

    python sweeps/resume_torch.py --lr 0.01

trains from the beginning; ``sweeper launch sweeps/resume_torch.yaml`` gives each trial the run
that ``sweeper.run`` stands for. What is saved is all that the next epoch depends on: model,
optimizer, scheduler and the state of the random numbers. Needs PyTorch, which sweeper does not.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

import sweeper


def main() -> None:
    parser = argparse.ArgumentParser(description="A small network on digits.")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    data = torch.utils.data.TensorDataset(x[:1200], y[:1200])
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(32, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), args.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4)
    kept = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    done = 0

    with sweeper.run() as run:
        saved = run.restore()
        if saved is not None:
            state = torch.load(saved / "state.pt", weights_only=True)
            for name, part in kept.items():
                part.load_state_dict(state[name])
            torch.set_rng_state(state["random"])
            done = state["done"]
        for epoch in range(done + 1, args.epochs + 1):
            model.train()
            for images, labels in torch.utils.data.DataLoader(data, 32, shuffle=True):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
            scheduler.step()
            model.eval()
            with torch.no_grad():
                loss = torch.nn.functional.cross_entropy(model(x[1200:]), y[1200:]).item()
            print(f"epoch {epoch}: loss {loss:.4f}", flush=True)
            run.report(epoch, val_loss=loss)
            with tempfile.TemporaryDirectory() as directory:
                state = {name: part.state_dict() for name, part in kept.items()}
                state |= {"random": torch.get_rng_state(), "done": epoch}
                torch.save(state, Path(directory, "state.pt"))
                run.save(directory)


if __name__ == "__main__":
    main()
