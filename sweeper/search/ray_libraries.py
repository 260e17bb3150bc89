"""The libraries behind Ray Tune's searchers: how each is made, and what it must be spared."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sweeper.errors import UsageError

Config = dict[str, float]


@dataclass(frozen=True)
class Library:
    """How one library is made and spoken to.

    ``build`` takes the number of dimensions, a seed below 2**32, the number of trials to plan for
    and the points known so far. ``failed`` is told for a point that gives no value; None: the
    wrapper is told of an error, and the library never hears of the point.
    """

    module: str
    package: str
    build: Callable[[int, int, int, list[Config]], Any]
    failed: float | None = None
    late: bool = False  # takes points after the start as well


def _space(dimensions: int) -> dict[str, Any]:
    from ray import tune

    return {f"x{axis}": tune.uniform(0, 1) for axis in range(dimensions)}


def _hyperopt(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from ray.tune.search.hyperopt import HyperOptSearch

    return HyperOptSearch(
        HyperOptSearch.convert_search_space(_space(dimensions)),
        metric="value",
        mode="min",
        points_to_evaluate=points or None,
        random_state_seed=seed,
    )


def _ax(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from ray.tune.search.ax import AxSearch

    class Search(AxSearch):  # type: ignore[misc]
        def _setup_experiment(self) -> None:
            # Ray's own asks Ax for these, by an attribute that Ax 1.3 no longer has.
            self._metric, self._mode = "value", "min"

    service = importlib.import_module("ax.service.ax_client")
    for name in [name for name in logging.Logger.manager.loggerDict if name.split(".")[0] == "ax"]:
        logging.getLogger(name).setLevel(logging.ERROR)  # they report every trial
    client = service.AxClient(
        random_seed=seed, enforce_sequential_optimization=False, verbose_logging=False
    )
    client.create_experiment(
        parameters=Search.convert_search_space(_space(dimensions)),
        objectives={"value": service.ObjectiveProperties(minimize=True)},
        # How many trials run at a time is not for the searcher to say; -1: any number.
        choose_generation_strategy_kwargs={"max_parallelism_override": -1},
    )
    return Search(ax_client=client, points_to_evaluate=points)


def _nevergrad(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from numpy.random import RandomState
    from ray.tune.search.nevergrad import NevergradSearch

    optimizers = importlib.import_module("nevergrad").optimizers
    space = NevergradSearch.convert_search_space(_space(dimensions))
    space.random_state = RandomState(seed)
    # Nevergrad's chooser of optimizers. NGOpt, the older one, fails with NumPy 2.4. With one
    # worker it chooses optimizers that wait for ever for a value that does not come.
    return NevergradSearch(
        optimizers.NgIohTuned,
        {"budget": trials, "num_workers": 8},
        space=space,
        metric="value",
        mode="min",
        points_to_evaluate=points,
    )


class BayesOpt:
    """bayesian-optimization, spoken to as the others' wrappers are.

    It has one of Ray Tune's too, which cannot work with its releases 2 and 3.
    """

    def __init__(self, dimensions: int, seed: int, points: list[Config]) -> None:
        library = importlib.import_module("bayes_opt")
        self._optimizer: Any = library.BayesianOptimization(
            None,
            {f"x{axis}": (0.0, 1.0) for axis in range(dimensions)},
            random_state=seed,
            verbose=0,
        )
        # Release 1, which Nevergrad pins, wants to be told what is the default of those after it.
        old = hasattr(library, "UtilityFunction")
        self._utility = [library.UtilityFunction("ucb", kappa=2.576, xi=0.0)] if old else []
        self._points = points
        self._live: dict[str, Config] = {}

    def suggest(self, key: str) -> Config:
        known = self._points
        config: Config = known.pop(0) if known else self._optimizer.suggest(*self._utility)
        self._live[key] = config
        return config

    def on_trial_complete(
        self, key: str, result: Config | None = None, error: bool = False
    ) -> None:
        config = self._live.pop(key, None)  # none of a search that was built before this one
        if config is not None and result is not None:
            self._optimizer.register(config, -result["value"])


def _bayesopt(dimensions: int, seed: int, trials: int, points: list[Config]) -> BayesOpt:
    return BayesOpt(dimensions, seed, points)


LIBRARIES = {
    "hyperopt": Library("hyperopt", "hyperopt", _hyperopt),
    # The wrapper has Ax abandon a trial without a number: it is neither learned nor tried again.
    "ax": Library("ax", "ax-platform", _ax, failed=math.nan, late=True),
    "nevergrad": Library("nevergrad", "nevergrad", _nevergrad),
    "bayesopt": Library("bayes_opt", "bayesian-optimization", _bayesopt),
}

UNUSABLE = {
    "bohb": (
        "its library, HpBandSter, has had no release since 2018",
        "`method: bayes` together with `early_terminate: {type: bohb, max_iter: …}`",
    ),
    "hebo": (
        "HEBO cannot be installed beside this TensorFlow: HEBO 0.3.5 and 0.3.6 need numpy<1.25, "
        "TensorFlow numpy>=1.26; HEBO 0.3.2 needs pandas<2 and pymoo<0.6, and that pandas does not "
        "work with NumPy 2",
        "`method: bayes` or `gp`",
    ),
    "zoopt": (
        "its library, ZOOpt, has had no release since 2022",
        "`method: cmaes` or `bayes`",
    ),
}
"""Methods of other sweepers that no launch can have here: why, and what is nearest to them."""


def check_installed(method: str) -> None:
    """Raise ``UsageError`` where the method's library is not there; imports none."""
    if method in UNUSABLE:
        why, instead = UNUSABLE[method]
        raise UsageError(f"method: {method}: {why}. Use {instead} instead.")
    library = LIBRARIES.get(method)
    if library is not None and importlib.util.find_spec(library.module) is None:
        raise UsageError(
            f"method: {method}: this searcher needs {library.package}: the module "
            f"{library.module} is not installed. Install it: pip install 'sweeper[{method}]'"
        )
