"""``python -m tests.benchmarks levels``: is it worth to know how far stopped trials have come?"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import warnings
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from sweeper.results import run_values
from sweeper.search import AdaptivePlan, searcher_for, stopping_rule
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import PlannedTrial, Tree
from tests.benchmarks.measure import scratch
from tests.benchmarks.search import CACHE
from tests.benchmarks.stopping import EPOCHS, MEASURED, TUNED_ON, WORKERS, curves, train

AT = (2, 4, 8, 12)  # times the epochs of a whole trial
SPACE: dict[str, Any] = {
    "units": {"values": [8, 16, 32, 64]},
    "layers": {"values": [1, 2]},
    "solver": {"values": ["adam", "sgd"]},
    "rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 10**-0.5},
    "alpha": {"distribution": "log_uniform_values", "min": 1e-6, "max": 1.0},
    "batch": {"values": [32, 64, 128]},
    "activation": {"values": ["relu", "tanh", "logistic"]},
}
"""From which ``stopping`` draws its networks at random."""
ASHA = {"type": "asha", "min_iter": 1, "max_iter": EPOCHS, "eta": 3}
EARLY: dict[str, Any] = {"asha": ASHA, "median": "cautious"}
CONTENDERS = ("bayes", "bayes, no level")


class _Run:
    """A run as it would lie in the tree."""

    parent, performances = None, None

    def __init__(self, losses: list[float], status: str) -> None:
        self.rows = [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses, 1)]
        self.status = status


class Learner:
    """A sweep's plan; ``with_levels``: it is told how far each trial has come."""

    def __init__(self, sweep: Sweep, with_levels: bool) -> None:
        self._sweep, self._with_levels = sweep, with_levels
        self._plan = AdaptivePlan(sweep, Tree(sweep.base_dir), searcher_for(sweep), [], self._score)

    def _score(self, run: Any, upto: int | None = None) -> tuple[float, ...] | None:
        return run_values(run, self._sweep.metric, upto)

    def ask(self) -> PlannedTrial:
        item = next(self._plan)
        assert item is not None
        return item

    def tell(self, item: PlannedTrial, run: Any) -> None:
        self._plan.ended(item.trial.index, self._score(run), run if self._with_levels else None)


def search(task: str, early: str, contender: str, seed: int, directory: Path) -> list[float]:
    """The least loss after the epochs of so many whole trials, whichever have trained them."""
    file = directory / "s.yaml"
    document = {
        "method": "bayes", "run_cap": 2000, "program": "s.py", "parameters": SPACE, "seed": seed,
        "metric": {"name": "loss", "goal": "minimize"}, "early_terminate": EARLY[early],
        "storage": str(directory / "tree"),
    }  # fmt: skip
    file.write_text(yaml.safe_dump(document))
    sweep = load_sweep(file)
    searcher, rule, clock = Learner(sweep, contender == "bayes"), stopping_rule(sweep), Random(seed)
    assert rule is not None
    running: list[tuple[float, int, float, Any, list[float], int]] = []
    found, best, now, begun = [], math.inf, 0.0, 0
    while len(found) < max(AT) * EPOCHS:
        while len(running) < WORKERS:
            item = searcher.ask()
            pace = clock.lognormvariate(0.0, 0.5)
            losses = train(task, item.trial.params)
            heapq.heappush(running, (now + pace, begun, pace, item, losses, 1))
            begun += 1
        now, number, pace, item, losses, epoch = heapq.heappop(running)
        loss = losses[epoch - 1]
        best = min(best, loss) if math.isfinite(loss) else best
        found.append(best)
        stopped = rule.should_stop(f"exp-{number}/run", epoch, loss)
        if stopped or epoch == EPOCHS:
            searcher.tell(item, _Run(losses[:epoch], "stopped" if stopped else "finished"))
        else:
            heapq.heappush(running, (now + pace, number, pace, item, losses, epoch + 1))
    return [found[count * EPOCHS - 1] for count in AT]


def measure_levels(seeds: int, tuning: bool, only: list[str], results: Path | None) -> None:
    """Print the table: means and standard errors of the regret, over the seeds.

    What ``results`` holds is not measured again.
    """
    warnings.simplefilter("ignore")
    tasks = TUNED_ON[:2] if tuning else MEASURED
    tasks = tuple(name for name in tasks if name in only) or tasks
    rules = [name for name in EARLY if name in only] or list(EARLY)
    known: dict[str, list[float]] = {}
    if results and results.exists():
        known = dict(map(json.loads, results.read_text().splitlines()))
    print(f"\nRegret, mean ± error of {seeds} seeds; scikit-learn {version('scikit-learn')}\n")
    print(f"| task | early_terminate | searcher | {' | '.join(map(str, AT))} |")
    print(f"|---|---|---|{'---|' * len(AT)}")
    every: dict[tuple[str, str], list[Any]] = {}
    for task in tasks:
        bests = [float(np.nanmin([math.inf, *losses])) for losses in curves(task, CACHE)]
        best, middle = min(bests), float(np.median(bests))
        for early, contender in itertools.product(rules, CONTENDERS):
            rows = []
            for seed in range(seeds):
                key = f"{task} {early} {contender} {seed}"
                if key not in known:
                    with scratch() as directory:
                        known[key] = search(task, early, contender, seed, directory)
                    if results:
                        with results.open("a") as file:
                            file.write(json.dumps([key, known[key]]) + "\n")
                rows.append((np.array(known[key]) - best) / (middle - best))
            _print_row(task, early, contender, np.array(rows))
            every.setdefault((early, contender), []).append(rows)
    for (early, contender), found in every.items():
        _print_row("mean of all", early, contender, np.mean(found, axis=0))


def _print_row(task: str, early: str, contender: str, rows: Any) -> None:
    errors = rows.std(0, ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else rows[0] * math.nan
    shown = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(rows.mean(0), errors, strict=True)]
    print(f"| {task} | {early} | {contender} | {' | '.join(shown)} |", flush=True)
