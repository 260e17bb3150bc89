"""``python -m tests.benchmarks search``: how near the best, after how many trials."""

from __future__ import annotations

import heapq
import json
import math
import platform
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from sweeper.search import AdaptivePlan, searcher_for
from sweeper.space import canonical_json, draw
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.tree import PlannedTrial, Tree
from tests.benchmarks.measure import scratch
from tests.benchmarks.search_peers import PACKAGES, Peer, Space, install, installed
from tests.benchmarks.search_tasks import Task, chosen_on, tasks

AT = (25, 50, 100, 200)
CACHE = Path("~/.cache/sweeper-benchmarks").expanduser()
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
    parent, status = None, "finished"

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
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=sweep.seed))
        self._trials: dict[int, Any] = {}

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


def _flat(sweep: Sweep) -> Space:
    """The space as peers elsewhere are told of it."""
    found: Space = []
    for axis in sweep.space.axes:
        of = axis.parameters[0].distribution
        if of.kind == "categorical":
            found.append({"name": axis.name, "values": list(of.values)})
        else:
            whole = of.kind == "int_uniform"
            bounds = {"low": of.low, "high": of.high, "log": of.is_log, "whole": whole}
            found.append({"name": axis.name, **bounds})
    return found


class Elsewhere(Peer):
    """A peer in an environment of its own; its store is taken to outlive a kill."""

    def __init__(self, name: str, sweep: Sweep, trials: int, workers: int) -> None:
        super().__init__(name, _flat(sweep), sweep.seed, trials, workers, CACHE)
        self._space = sweep.space

    def ask(self) -> tuple[Any, Params]:
        key, point = super().ask()
        values = [v for axis in self._space.axes for v in [point[axis.name]]]
        return key, self._space.assembler.build(values)[0]

    def resume(self) -> None:
        """Nothing is lost."""


PEERS: dict[str, tuple[Callable[..., Any], str]] = {
    "bayes": (Ours, "bayes"),
    "tpe": (Ours, "tpe"),
    "Optuna": (OptunaPeer, "tpe"),
    "random": (RandomPeer, "random"),
    **{name: (partial(Elsewhere, name), "tpe") for name in PACKAGES},
}


def run_one(
    peer: str, task: Task, seed: int, workers: int, trials: int, resume: bool, directory: Path
) -> tuple[list[float], float]:
    """The regret of what looks best after each trial, and seconds of a processor per suggestion."""
    make, method = PEERS[peer]
    ours = make is Ours
    file = directory / "s.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "method": method, "metric": {"name": "loss", "goal": "minimize"}, "seed": seed,
                "storage": str(directory / "tree"), "program": "s.py", "run_cap": trials + workers,
                "parameters": task.parameters, "repeats": task.repeats if ours else 1,
                "constraints": list(task.constraints) if ours or make is RandomPeer else [],
            }
        )
    )  # fmt: skip
    allowed = load_sweep(file, [f"constraints={json.dumps(task.constraints)}"]).space.allows
    told = (trials + workers, workers) if peer in PACKAGES else ()
    searcher = make(load_sweep(file), *told)
    clock = Random(seed)
    running: list[tuple[float, int, int, Params]] = []
    seen: dict[str, tuple[Params, list[float]]] = {}
    regrets, spent, asked, now = [], 0.0, 0, 0.0
    while len(regrets) < trials:
        while len(running) < workers:
            before = time.process_time()
            found = searcher.ask()
            spent += time.process_time() - before
            if found is None:
                break
            asked += 1
            heapq.heappush(running, (now + clock.lognormvariate(0.0, 0.5), asked, *found))
        if not running:
            break
        now, _, key, params = heapq.heappop(running)
        good = allowed(params)
        value = task.value(params) + clock.gauss(0.0, task.noise) if good else task.worst
        searcher.tell(key, value)
        _, values = seen.setdefault(canonical_json(params), (params, []))
        values.append(value)
        whole = [one for one in seen.values() if not ours or len(one[1]) >= task.repeats]
        best, _ = min(whole or seen.values(), key=lambda one: math.fsum(one[1]) / len(one[1]))
        regrets.append((task.value(best) if allowed(best) else task.worst) - task.best)
        if resume and len(regrets) == trials // 2:
            searcher.resume()
            running.clear()
    if isinstance(searcher, Peer):
        searcher.close()
        spent = searcher.spent
    return regrets + regrets[-1:] * (trials - len(regrets)), spent / max(asked, 1)


def measure_search(
    trials: int,
    seeds: int,
    only: list[str],
    workers: list[int],
    tuning: bool,
    resume: bool,
    results: Path | None,
    make: bool,
) -> None:
    """Print the table: medians and quartiles of the regret, over the seeds.

    What ``results`` holds is not measured again; ``make`` makes the environments of peers first.
    """
    warnings.simplefilter("ignore")
    known = chosen_on() if tuning else tasks(CACHE)
    if make:
        install(CACHE, [name for name in only if name in PACKAGES])
    peers = [name for name in PEERS if name not in PACKAGES or installed(CACHE, name)]
    peers = [name for name in peers if name in only] or peers
    names = [name for name in known if name in only] or list(known)
    at = [count for count in AT if count <= trials]
    kind = f"{max(at)}{' resumed' * resume}"
    found: dict[str, list[float]] = {}
    if results and results.exists():
        found = dict(map(json.loads, results.read_text().splitlines()))
    cells = [(count, name, peer) for count in workers for name in names for peer in peers]
    for seed in range(seeds):
        for count, name, peer in cells:
            key = f"{name} {count} {peer} {seed} {kind}"
            if key in found:
                continue
            with scratch() as directory:
                row, spent = run_one(peer, known[name], seed, count, max(at), resume, directory)
            found[key] = [*(row[n - 1] for n in at), 1000 * spent]
            if results:
                with results.open("a") as file:
                    file.write(json.dumps([key, found[key]]) + "\n")
    packages = ", ".join(f"{name} {version(name)}" for name in ("optuna", "scipy", "numpy"))
    print(f"\nRegret, median (quartiles) of {seeds} seeds; {platform.machine()}, {packages}\n")
    print(f"| task | workers | searcher | {' | '.join(map(str, at))} | ms each |")
    print(f"|---|---|---|{'---|' * len(at)}---|")
    ranks: dict[tuple[int, str], list[float]] = defaultdict(list)
    for count, name in dict.fromkeys((count, name) for count, name, _ in cells):
        medians = {}
        for peer in peers:
            keys = (f"{name} {count} {peer} {seed} {kind}" for seed in range(seeds))
            rows = np.array([found[key] for key in keys])
            quarters = np.quantile(rows[:, :-1], (0.25, 0.5, 0.75), axis=0).T
            shown = " | ".join(f"{m:.2g} ({a:.2g}–{b:.2g})" for a, m, b in quarters)
            print(f"| {name} | {count} | {peer} | {shown} | {rows[:, -1].mean():.0f} |")
            medians[peer] = float(quarters[-1][1])
        for peer, value in medians.items():
            others = [round(one, 12) for one in medians.values()]
            below = sum(one < round(value, 12) for one in others)
            ranks[count, peer].append(below + (1 + others.count(round(value, 12))) / 2)
    print(f"\nMean rank over {len(names)} tasks by the median after {max(at)} trials\n")
    print(f"| searcher | {' | '.join(f'{count} workers' for count in workers)} |")
    print(f"|---|{'---|' * len(workers)}")
    for peer in peers:
        means = [np.mean(ranks[count, peer]) for count in workers]
        print(f"| {peer} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
