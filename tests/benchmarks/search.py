"""``python -m tests.benchmarks search``: how near the best, after how many trials."""

from __future__ import annotations

import heapq
import importlib.util
import math
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from sweeper.search import AdaptivePlan, searcher_for
from sweeper.space import draw
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import PlannedTrial, Tree
from tests.benchmarks.measure import scratch
from tests.benchmarks.search_tasks import Task, chosen_on, tasks

AT = (25, 50, 100, 200)
Params = dict[str, Any]


class Ours:
    """The plan of an adaptive sweep, as a launch has it; its tree stays empty."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._started: dict[int, PlannedTrial] = {}
        self._values: dict[int, float] = {}
        self._begin([])

    def _begin(self, planned: list[PlannedTrial]) -> None:
        sweep = self._sweep
        self._plan = AdaptivePlan(
            sweep, Tree(sweep.base_dir), searcher_for(sweep), planned, self._score
        )

    def _score(self, run: Any) -> tuple[float]:
        return (self._values[run.trial],)

    def ask(self) -> tuple[int, Params] | None:
        item = next(self._plan, None)
        if item is None:
            return None
        self._started[item.trial.index] = item
        return item.trial.index, item.trial.params

    def tell(self, key: int, value: float) -> None:
        self._values[key] = value
        self._plan.ended(key, (value,))

    def resume(self) -> None:
        """As after a kill: what has ended is known, what ran is begun anew."""
        planned: list[Any] = []
        for key, item in self._started.items():
            if key in self._values:
                planned.append(_Ended(item, _Run(key)))
        self._begin(planned)


class _Run:
    parent = None

    def __init__(self, trial: int) -> None:
        self.trial = trial


class _Ended:
    state = "reused"

    def __init__(self, item: PlannedTrial, run: _Run) -> None:
        self.trial, self.experiment, self.run = item.trial, item.experiment, run


class OptunaPeer:
    """Optuna as its documentation shows it: define by run, its default sampler."""

    def __init__(self, sweep: Sweep) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sweep = sweep
        self._study = optuna.create_study(sampler=self._sampler(sweep.seed))
        self._trials: dict[int, Any] = {}

    def _sampler(self, seed: int) -> Any:
        import optuna

        return optuna.samplers.TPESampler(seed=seed)

    def ask(self) -> tuple[int, Params]:
        space = self._sweep.space
        trial = self._study.ask()
        point: list[float | None] = [None] * len(space.axes)
        for place in space.order:
            if space.is_active_at(place, point):
                axis = space.axes[place]
                of = axis.parameters[0].distribution
                if of.kind == "categorical":
                    value = trial.suggest_categorical(axis.name, of.values)
                elif of.kind == "int_uniform":
                    value = trial.suggest_int(axis.name, of.min, of.max)
                else:
                    value = trial.suggest_float(axis.name, of.low, of.high, log=of.is_log)
                point[place] = axis.encode([value])
        self._trials[trial.number] = trial
        params = space.decode([0.5 if u is None else u for u in point])
        assert params is not None
        return trial.number, params

    def tell(self, key: int, value: float) -> None:
        self._study.tell(self._trials.pop(key), value)

    def resume(self) -> None:
        """Its study lies in a database: nothing is lost."""


class OptunaGp(OptunaPeer):
    def _sampler(self, seed: int) -> Any:
        import optuna

        return optuna.samplers.GPSampler(seed=seed)


class RandomPeer:
    def __init__(self, sweep: Sweep) -> None:
        self._draws: Iterator[Params] = draw(sweep.space, sweep.seed)

    def ask(self) -> tuple[int, Params] | None:
        params = next(self._draws, None)
        return None if params is None else (0, params)

    def tell(self, key: int, value: float) -> None:
        """Nothing to learn."""

    def resume(self) -> None:
        """Nothing to lose."""


PEERS: dict[str, tuple[Callable[[Sweep], Any], str]] = {
    "bayes": (Ours, "bayes"),
    "tpe": (Ours, "tpe"),
    "Optuna": (OptunaPeer, "tpe"),
    "Optuna GP": (OptunaGp, "tpe"),
    "random": (RandomPeer, "random"),
}


def run_one(
    peer: str, task: Task, seed: int, workers: int, trials: int, resume: bool, directory: Path
) -> tuple[list[float], float]:
    """The regret after each trial that ended, and seconds of a processor per suggestion."""
    make, method = PEERS[peer]
    file = directory / "s.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "method": method, "metric": {"name": "loss", "goal": "minimize"}, "seed": seed,
                "storage": str(directory / "tree"), "program": "s.py", "run_cap": trials + workers,
                "parameters": task.parameters,
            }
        )
    )  # fmt: skip
    searcher = make(load_sweep(file))
    clock = Random(seed)
    running: list[tuple[float, int, int, float]] = []
    best, regrets, spent, asked, now = math.inf, [], 0.0, 0, 0.0
    while len(regrets) < trials:
        while len(running) < workers:
            before = time.process_time()
            found = searcher.ask()
            spent += time.process_time() - before
            if found is None:
                break
            asked += 1
            end = now + clock.lognormvariate(0.0, 0.5)
            heapq.heappush(running, (end, asked, found[0], task.value(found[1])))
        if not running:
            break
        now, _, key, value = heapq.heappop(running)
        searcher.tell(key, value)
        best = min(best, value)
        regrets.append(best - task.best)
        if resume and len(regrets) == trials // 2:
            searcher.resume()
            running.clear()
    return regrets + regrets[-1:] * (trials - len(regrets)), spent / max(asked, 1)


def measure_search(
    trials: int, seeds: int, only: list[str], workers: list[int], tuning: bool, resume: bool
) -> None:
    """Print the table: medians and quartiles of the regret, over the seeds."""
    warnings.simplefilter("ignore")
    packages = ", ".join(f"{name} {version(name)}" for name in ("optuna", "scipy", "numpy"))
    print(f"\nRegret, median (quartiles) of {seeds} seeds; {platform.machine()}, {packages}\n")
    at = [count for count in AT if count <= trials]
    heads = " | ".join(str(count) for count in at)
    print(f"| task | workers | searcher | {heads} | ms each |")
    print(f"|---|---|---|{'---|' * len(at)}---|", flush=True)
    peers = [name for name in PEERS if name != "Optuna GP" or importlib.util.find_spec("torch")]
    known = chosen_on() if tuning else tasks(Path("~/.cache/sweeper-benchmarks").expanduser())
    for count in workers:
        for task_name, task in known.items():
            if set(only) & set(known) and task_name not in only:
                continue
            for peer in peers:
                if set(only) & set(peers) and peer not in only:
                    continue
                rows, times = [], []
                for seed in range(seeds):
                    with scratch() as directory:
                        row, seconds = run_one(peer, task, seed, count, max(at), resume, directory)
                    rows.append(row)
                    times.append(seconds)
                found = np.quantile(
                    np.array(rows)[:, [n - 1 for n in at]], (0.25, 0.5, 0.75), axis=0
                )
                cells = " | ".join(f"{m:.2g} ({a:.2g}–{b:.2g})" for a, m, b in found.T)
                milliseconds = 1000 * sum(times) / len(times)
                print(
                    f"| {task_name} | {count} | {peer} | {cells} | {milliseconds:.0f} |", flush=True
                )
