"""``python -m tests.benchmarks stopping``: epochs to 99 % of the best, by ``early_terminate``."""

from __future__ import annotations

import heapq
import json
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from sweeper.search import stopping_rule
from sweeper.sweepfile import load_sweep
from tests.benchmarks.measure import scratch
from tests.benchmarks.search import CACHE

EPOCHS, CURVES, TRIALS, WORKERS = 30, 120, 80, 4
ROWS = 600  # of a dataset
MEASURED = ("digits", "breast_cancer", "diabetes")
TUNED_ON = ("wine", "moons", "circles", "classes", "hastie")
"""What the words of early_terminate mean was chosen there."""
Curve = list[float]
Judge = Callable[[str, int, float], bool]


def _data(name: str) -> tuple[Any, Any]:
    from sklearn import datasets

    made = {
        "moons": partial(datasets.make_moons, noise=0.3),
        "circles": partial(datasets.make_circles, noise=0.15, factor=0.6),
        "classes": partial(datasets.make_classification, n_informative=8, n_classes=4, flip_y=0.05),
        "hastie": datasets.make_hastie_10_2,
    }
    if name in made:
        return made[name](ROWS, random_state=0)  # type: ignore[no-any-return]
    return getattr(datasets, f"load_{name}")(return_X_y=True)  # type: ignore[no-any-return]


def curves(name: str, cache: Path) -> list[Curve]:
    """The validation loss after each epoch of 120 networks drawn at random, trained once."""
    file = cache / f"curves-{name}.json"
    if not file.exists():
        random = Random(name)
        found = [train(name, _drawn(random)) for _ in range(CURVES)]
        cache.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))
    return json.loads(file.read_text())  # type: ignore[no-any-return]


def _drawn(random: Random) -> dict[str, Any]:
    return {
        "units": random.choice((8, 16, 32, 64)), "layers": random.choice((1, 2)),
        "solver": random.choice(("adam", "sgd")), "rate": 10 ** random.uniform(-4, -0.5),
        "alpha": 10 ** random.uniform(-6, 0), "batch": random.choice((32, 64, 128)),
        "activation": random.choice(("relu", "tanh", "logistic")),
    }  # fmt: skip


def train(name: str, of: Mapping[str, Any]) -> Curve:
    """The validation loss after each epoch of a network on a dataset."""
    from sklearn import metrics, model_selection, neural_network, preprocessing

    x, y = (of[:ROWS] for of in _data(name))
    regression = name == "diabetes"
    x = preprocessing.StandardScaler().fit_transform(x)
    y = (y - y.mean()) / y.std() if regression else y
    train_x, test_x, train_y, test_y = model_selection.train_test_split(
        x, y, test_size=1 / 3, random_state=0, stratify=None if regression else y
    )
    kind = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
    model = kind(
        hidden_layer_sizes=(of["units"],) * of["layers"], solver=of["solver"],
        learning_rate_init=of["rate"], alpha=of["alpha"], batch_size=of["batch"],
        activation=of["activation"], random_state=0,
    )  # fmt: skip
    more = {} if regression else {"classes": sorted(set(y))}
    found = []
    for _ in range(EPOCHS):
        try:
            model.partial_fit(train_x, train_y, **more)
            if regression:
                loss = metrics.mean_squared_error(test_y, model.predict(test_x))
            else:
                loss = metrics.log_loss(test_y, model.predict_proba(test_x))
        except ValueError as error:
            if not any(word in str(error) for word in ("finite", "infinity", "NaN")):
                raise
            loss = math.nan
        found.append(float(loss))
    return found


def _ours(early: Any) -> Judge:
    with scratch() as directory:
        file = directory / "s.yaml"
        document = {
            "method": "random", "run_cap": 1, "program": "s.py", "parameters": {"a": {"value": 1}},
            "metric": {"name": "loss", "goal": "minimize"}, "early_terminate": early,
        }  # fmt: skip
        file.write_text(yaml.safe_dump(document))
        rule = stopping_rule(load_sweep(file))
    assert rule is not None
    return rule.should_stop


def _ray() -> Judge:
    """Ray's ASHA with its defaults, told of the epochs of a whole trial."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

    scheduler = AsyncHyperBandScheduler(max_t=EPOCHS)
    scheduler.set_search_properties("loss", "min")
    trials: dict[str, Any] = {}

    def judge(run: str, epoch: int, value: float) -> bool:
        if run not in trials:
            trials[run] = SimpleNamespace(trial_id=run)
            scheduler.on_trial_add(None, trials[run])
        result = {"training_iteration": epoch, "loss": value}
        return bool(scheduler.on_trial_result(None, trials[run], result) == TrialScheduler.STOP)

    return judge


RULES: dict[str, Callable[[], Judge]] = {
    "none": lambda: lambda run, epoch, value: False,
    "cautious": lambda: _ours("cautious"),
    "standard": lambda: _ours("standard"),
    "aggressive": lambda: _ours("aggressive"),
    "Ray's ASHA": _ray,
}


def search(table: list[Curve], judge: Judge, seed: int) -> tuple[int | None, int, float]:
    """Of a random search of 80 trials: the epochs until 99 % of what it could find, or None; those
    of all; and how far from the best it ended, of what lies between that and the median.
    """
    random = Random(seed)
    order = random.sample(range(len(table)), TRIALS)
    bests = [float(np.nanmin([math.inf, *table[index]])) for index in order]
    best, middle = min(bests), float(np.median(bests))
    waiting = list(reversed(order))
    running: list[tuple[float, int, int, float]] = []
    spent, found, reached, now = 0, math.inf, None, 0.0
    while waiting or running:
        while waiting and len(running) < WORKERS:
            pace = random.lognormvariate(0.0, 0.5)
            heapq.heappush(running, (now + pace, waiting.pop(), 0, pace))
        now, index, epoch, pace = heapq.heappop(running)
        value = table[index][epoch]
        spent += 1
        found = min(found, value) if math.isfinite(value) else found
        if reached is None and found - best <= 0.01 * (middle - best):
            reached = spent
        stopped = judge(f"exp-{index}/run", epoch + 1, value)
        if epoch + 1 < EPOCHS and not stopped:
            heapq.heappush(running, (now + pace, index, epoch + 1, pace))
    return reached, spent, (found - best) / (middle - best)


def measure_stopping(seeds: int, tuning: bool, rules: dict[str, Callable[[], Judge]]) -> None:
    """Print the table: of each task and rule the medians over the seeds."""
    warnings.simplefilter("ignore")
    packages = f"scikit-learn {version('scikit-learn')}, ray {version('ray')}"
    print(f"\n{seeds} seeds, {TRIALS} trials of {EPOCHS} epochs, {WORKERS} workers; {packages}\n")
    print("| task | rule | to 99 % | seeds that reach it | all trials | left at the end |")
    print("|---|---|---|---|---|---|")
    shares: dict[str, list[float]] = {}
    for task in TUNED_ON if tuning else MEASURED:
        table = curves(task, CACHE)
        for name, rule in rules.items():
            rows = [search(table, rule(), seed) for seed in range(seeds)]
            never = TRIALS * EPOCHS  # what it takes without a rule, at the most
            epochs = [never if row[0] is None else row[0] for row in rows]
            reached = sum(row[0] is not None for row in rows)
            left = sorted(row[2] for row in rows)
            print(
                f"| {task} | {name} | {np.median(epochs):.0f} | {reached} | "
                f"{np.median([row[1] for row in rows]):.0f} | {np.median(left):.3f}, at most "
                f"{left[-1]:.3f} |",
                flush=True,
            )
            shares.setdefault(name, []).append(float(np.median(epochs)))
    print("\nOf what it takes without a rule to 99 %, the mean over the tasks\n")
    for name, values in shares.items():
        share = np.mean([one / none for one, none in zip(values, shares["none"], strict=True)])
        print(f"* {name}: {share:.2f}")
