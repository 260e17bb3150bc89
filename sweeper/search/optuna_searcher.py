"""Optuna's samplers as searchers: `method: tpe`, `cmaes`, and what `bayes` uses for large ones."""

from __future__ import annotations

import warnings
from typing import Any

from sweeper.space import Space

from .dimensions import Dimension, Point, dimension
from .searcher import Curve, clip_to_unit, fill


class OptunaSearcher:
    """A :class:`~sweeper.search.Searcher` that asks a sampler of Optuna.

    ``tpe`` counts a running trial as a bad one (constant liar), so that trials at the same time
    differ. It is asked for, and told, the active parameters of a point alone, axis by axis in the
    order of the conditions. ``cmaes`` knows numbers only, all of them always, and starts from the
    best point known when it is first asked. Sources: Bergstra et al., "Algorithms for
    Hyper-Parameter Optimization", NeurIPS 2011; Optuna's documentation of its samplers.
    """

    def __init__(
        self, name: str, space: Space, seed: int, goals: int = 1, limits: int = 0, **options: Any
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._name, self._space, self._seed, self._options = name, space, seed, options
        self._dimensions = [dimension(axis) for axis in space.axes]
        if name == "cmaes":
            self._dimensions = [Dimension()] * len(space.axes)
        self._distributions = [_distribution(of) for of in self._dimensions]
        self._known, self._goals, self._limits = 0, goals, limits
        self._excess: dict[int, list[float]] = {}  # trial -> of each limit
        self._study: Any = optuna.create_study(
            sampler=optuna.samplers.RandomSampler(seed), directions=["minimize"] * goals
        )
        if limits:  # it is the sampler that notes them of what it is told
            self._study.sampler = self._sampler()
        self._has_sampler = False

    def ask(self) -> tuple[str, Point]:
        whole = self._name == "cmaes"
        point: list[float | None] = [None] * len(self._dimensions)
        if not self._has_sampler:
            self._study.sampler = self._sampler()
            self._has_sampler = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna still calls experimental
            fixed = {f"x{place}": of for place, of in enumerate(self._distributions)}
            trial = self._study.ask(fixed if whole else None)
            for place in self._space.order:
                if whole or self._space.is_active_at(place, point):
                    point[place] = self._suggest(trial, place)
        self._known += 1
        return str(trial.number), point

    def take(self, point: Point) -> str:
        from optuna.trial import TrialState, create_trial

        known = fill(point) if self._name == "cmaes" else point
        numbers = {
            place: of.level(u) if of.levels else u
            for place, (u, of) in enumerate(zip(known, self._dimensions, strict=True))
            if u is not None
        }
        running = create_trial(
            state=TrialState.RUNNING,
            params={f"x{place}": number for place, number in numbers.items()},
            distributions={f"x{place}": self._distributions[place] for place in numbers},
        )
        self._study.add_trial(running)
        self._known += 1
        return str(self._known - 1)

    def tell(self, key: str, value: float | None, *more: float, curve: Curve | None = None) -> None:
        from optuna.trial import TrialState

        if value is None:
            self._study.tell(int(key), state=TrialState.FAIL)
        else:
            values = [value, *more]
            self._excess[int(key)] = values[self._goals :]
            self._study.tell(int(key), values[: self._goals])

    def _suggest(self, trial: Any, place: int) -> float:
        name, of = f"x{place}", self._dimensions[place]
        if not of.levels:
            return clip_to_unit(trial.suggest_float(name, 0.0, 1.0))
        last = len(of.levels) - 1
        if of.ordered:
            level: int = trial.suggest_int(name, 0, last)
        else:
            level = trial.suggest_categorical(name, range(last + 1))
        return of.levels[level]

    def _sampler(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is experimental, or has another name in 5
            return self._new_sampler()

    def _new_sampler(self) -> Any:
        from optuna import samplers
        from optuna.trial import TrialState

        # With the seed alone a second launch would draw its first points as the first one did.
        seed = (self._seed + self._known) % 2**32
        if self._name == "cmaes":
            ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            best = min(ended, key=lambda trial: trial.value, default=None)
            return samplers.CmaEsSampler(seed=seed, x0=best.params if best else None)
        names = {"startup_trials": "n_startup_trials", "ei_candidates": "n_ei_candidates"}
        given = {names.get(name, name): value for name, value in self._options.items()}
        options = {"multivariate": True, **given}
        if self._limits:
            options["constraints_func"] = lambda trial: self._excess[trial.number]
        # Not `group`, which models apart what occurs together: it is worse with conditions.
        return samplers.TPESampler(constant_liar=True, seed=seed, **options)


def _distribution(of: Dimension) -> Any:
    from optuna import distributions

    if not of.levels:
        return distributions.FloatDistribution(0.0, 1.0)
    if of.ordered:
        return distributions.IntDistribution(0, len(of.levels) - 1)
    return distributions.CategoricalDistribution(range(len(of.levels)))
