"""Optuna's samplers as searchers: `method: bayes`, `tpe`, `gp`, `cmaes`."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

from .searcher import clip_to_unit


class OptunaSearcher:
    """A :class:`~sweeper.search.Searcher` that asks a sampler of Optuna.

    ``bayes`` is the multivariate TPE, ``tpe`` looks at each parameter alone; both count a running
    trial as a bad one (constant liar), so that trials at the same time differ. ``cmaes`` starts
    from the best point known when it is first asked. Sources: Bergstra et al., "Algorithms for
    Hyper-Parameter Optimization", NeurIPS 2011; Optuna's documentation of its samplers.

    ``choices`` has one item per axis: how many values without an order it has, each as likely as
    the others, or None for a number in (0, 1). CMA-ES knows numbers only.
    """

    def __init__(self, name: str, choices: Sequence[int | None], seed: int) -> None:
        import optuna

        if name == "gp":
            importlib.import_module("torch")  # Optuna would import it only when it is asked
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._name, self._seed = name, seed
        self._choices = [None] * len(choices) if name == "cmaes" else list(choices)
        self._distributions: dict[str, Any] = {
            f"x{place}": (
                optuna.distributions.FloatDistribution(0.0, 1.0)
                if count is None
                else optuna.distributions.CategoricalDistribution(range(count))
            )
            for place, count in enumerate(self._choices)
        }
        self._study: Any = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        self._known = 0
        self._has_sampler = False

    def ask(self) -> tuple[str, list[float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna still calls experimental
            if not self._has_sampler:
                self._study.sampler = self._sampler()
                self._has_sampler = True
            trial = self._study.ask(self._distributions)
        self._known += 1
        numbers = [trial.params[name] for name in self._distributions]
        return str(trial.number), [
            clip_to_unit(number) if count is None else (number + 0.5) / count
            for number, count in zip(numbers, self._choices, strict=True)
        ]

    def take(self, point: Sequence[float]) -> str:
        from optuna.trial import TrialState, create_trial

        pairs = zip(point, self._choices, strict=True)
        numbers = [u if count is None else min(int(u * count), count - 1) for u, count in pairs]
        running = create_trial(
            state=TrialState.RUNNING,
            params=dict(zip(self._distributions, numbers, strict=True)),
            distributions=self._distributions,
        )
        self._study.add_trial(running)
        self._known += 1
        return str(self._known - 1)

    def tell(self, key: str, value: float | None) -> None:
        from optuna.trial import TrialState

        if value is None:
            self._study.tell(int(key), state=TrialState.FAIL)
        else:
            self._study.tell(int(key), value)

    def _sampler(self) -> Any:
        from optuna import samplers
        from optuna.trial import TrialState

        # With the seed alone a second launch would draw its first points as the first one did.
        seed = (self._seed + self._known) % 2**32
        if self._name == "gp":
            return samplers.GPSampler(seed=seed)
        if self._name == "cmaes":
            ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            best = min(ended, key=lambda trial: trial.value, default=None)
            return samplers.CmaEsSampler(seed=seed, x0=best.params if best else None)
        return samplers.TPESampler(
            multivariate=self._name == "bayes", constant_liar=True, seed=seed
        )
