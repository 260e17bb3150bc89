"""What our callbacks add to an epoch, beside a bare ``fit`` and Keras's own ``ModelCheckpoint``.

    python -m tests.benchmarks.callbacks FITS

runs it in this process, which Ray has not touched.
"""

from __future__ import annotations

import functools
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import ROOT, scratch

EPOCHS = 40  # the first backups come soon
SECONDS = (0.5,)  # an epoch, bare
BATCH = 32
MODELS = {"digits MLP": (64, 64), "50 MB": (2048, 2048, 2048, 2048)}  # units of its layers
PARAMS = {"model": {"units": 8}}
Took = tuple[float, float]  # seconds of the clock, seconds of the CPUs
THEIRS, LARGE = "ModelCheckpoint", ", large state"  # of another callback, beside either
OURS = ("ours", "ours" + LARGE)
KINDS = ("bare", THEIRS, "ours", THEIRS + LARGE, "ours" + LARGE)

# What ours spends where: function by function, as they are called in the training thread.
PARTS = (
    ("row, performances.json", "callbacks.Recorder.on_epoch_end"),
    ("checkpoint", "callbacks.Checkpoint.on_epoch_end"),
    ("backup, all of it", "resuming.Fit.end_epoch"),
    ("  walk", "variables.Variables.__init__"),
    ("  variables read", "variables.Variables.read"),
    ("  callbacks' state", "callback_state.CallbackStates.capture"),
    ("  written", "backup.BackupStore.save"),
    ("seeding", "backend.seed_epoch"),
)


def measure_callbacks(fits: int) -> None:
    """Print what an epoch takes with each kind of callbacks, from a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.callbacks", str(fits)]
    subprocess.run(command, cwd=ROOT, check=True)


def compare(fits: int) -> None:
    """Fit every model ``fits`` times with each kind, in turns, so that noise hits all alike."""
    import keras

    print(
        f"\nan epoch, ms of the clock and of the CPUs: median of {fits} fits of {EPOCHS} epochs "
        "(lowest to highest), beside ModelCheckpoint\n"
    )
    for name, units in MODELS.items():
        layers = [keras.layers.Dense(n, activation="relu") for n in units]
        model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        for seconds in SECONDS:
            for better in (True, False):
                _compare(name, model, _images(model, seconds), seconds, better, fits)


def _images(model: Any, seconds: float) -> int:
    """How many make an epoch of so many seconds."""
    _fit(model, BATCH, 2, [])
    batches, took = 1, 0.0
    while took < seconds / 2:
        batches *= 2
        took = min(_fit(model, batches * BATCH, 1, [])[0] for _ in range(3))
    return max(1, round(batches * seconds / took)) * BATCH


def _fit(model: Any, images: int, epochs: int, callbacks: list[Any]) -> Took:
    import numpy as np

    random = np.random.default_rng(0)
    x = random.random((images, 64), "float32")
    y = random.integers(0, 10, images)
    clock, cpu = time.perf_counter(), time.process_time()
    model.fit(x, y, batch_size=BATCH, epochs=epochs, callbacks=callbacks, verbose=0)
    return time.perf_counter() - clock, time.process_time() - cpu


def _compare(name: str, model: Any, images: int, seconds: float, better: bool, fits: int) -> None:
    took: dict[str, list[Took]] = {kind: [] for kind in KINDS}
    spent: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for _ in range(fits):
        for kind in KINDS:
            with scratch() as directory, _timed(spent[kind]):
                callbacks = [_score(better), *_callbacks(kind, directory)]
                took[kind].append(_fit(model, images, EPOCHS, callbacks))
    says = "each is the best so far" if better else "the first is the best"
    print(f"  {name}, {model.count_params() * 4 / 1e6:.1f} MB, {seconds} s; {says}")
    for kind, times in took.items():
        line = f"    {kind:<30}"
        base = took[THEIRS + LARGE if LARGE in kind else THEIRS]
        for what in (0, 1):  # seconds of the clock, seconds of the CPUs
            each = [pair[what] / EPOCHS * 1000 for pair in times]
            # Beside the fit of the same turn: the machine was the same.
            beside = zip(each, (pair[what] for pair in base), strict=True)
            ratio = statistics.median(mine / its / 1000 * EPOCHS for mine, its in beside)
            shown = f"{statistics.median(each):.0f} ({min(each):.0f} to {max(each):.0f})"
            line += f"{shown:>22}{ratio:>7.2f}"
        print(line)
    for part, _ in PARTS:
        row = [spent[kind][part] / fits / EPOCHS * 1000 for kind in OURS]
        print(f"      {part:<26}" + "".join(f"{value:>8.1f}" for value in row), flush=True)


def _score(better: bool) -> Any:
    """Comes first: makes every epoch better than all before, or worse."""
    import keras

    def score(epoch: int, logs: dict[str, float]) -> None:
        logs["score"] = float(epoch if better else -epoch)

    return keras.callbacks.LambdaCallback(on_epoch_end=score)


def _callbacks(kind: str, directory: Path) -> list[Any]:
    import keras

    from sweeper import ExperimentManager

    others = [_running_mean()] if LARGE in kind else []
    if kind == "bare":
        return []
    if kind.startswith(THEIRS):
        path = directory / "model.keras"
        return [
            *others,
            keras.callbacks.CSVLogger(str(directory / "log.csv")),
            keras.callbacks.ModelCheckpoint(path, "score", mode="max", save_best_only=True),
        ]
    given = {"monitor": "score", "mode": "max"}
    return [*others, *ExperimentManager(directory, checkpoint_params=given).prepare(PARAMS)]


def _running_mean() -> Any:
    """A callback with as much state as the model has weights."""
    import keras

    class RunningMean(keras.callbacks.Callback):  # type: ignore[misc]
        mean: Any = None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            now = self.model.get_weights()
            if self.mean is None:
                self.mean = now
            for mean, weight in zip(self.mean, now, strict=True):
                mean += (weight - mean) / (epoch + 1)

    return RunningMean()


@contextmanager
def _timed(spent: Counter[str]) -> Iterator[None]:
    """Within, count the seconds that each of the parts takes."""
    from sweeper.experiment import backend, backup, callback_state, callbacks, resuming, variables

    modules = {
        m.__name__.rpartition(".")[2]: m
        for m in (backend, backup, callback_state, callbacks, resuming, variables)
    }
    before: list[tuple[Any, str, Any]] = []
    for part, place in PARTS:
        module, *way, name = place.split(".")
        owner: Any = functools.reduce(getattr, way, modules[module])
        before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, _timing(getattr(owner, name), part, spent))
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def _timing(function: Callable[..., Any], part: str, spent: Counter[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        clock = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.perf_counter() - clock  # type: ignore[assignment]

    return timed


if __name__ == "__main__":
    compare(int(sys.argv[1]))
