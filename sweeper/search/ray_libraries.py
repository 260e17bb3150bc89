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

    modules: tuple[str, ...]
    packages: tuple[str, ...]
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


def _bohb(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from ray.tune.search.bohb import TuneBOHB

    space = importlib.import_module("ConfigSpace")
    # Not by the wrapper's own conversion: it calls a method that ConfigSpace 1 has dropped.
    cube = space.ConfigurationSpace(seed=seed)
    for axis in range(dimensions):
        cube.add(space.UniformFloatHyperparameter(f"x{axis}", 0.0, 1.0))
    return TuneBOHB(cube, metric="value", mode="min", points_to_evaluate=points, seed=seed)


def _ax(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from ray.tune.search.ax import AxSearch

    service = importlib.import_module("ax.service.ax_client")
    for name in [name for name in logging.Logger.manager.loggerDict if name.split(".")[0] == "ax"]:
        logging.getLogger(name).setLevel(logging.ERROR)  # they report every trial
    client = service.AxClient(
        random_seed=seed, enforce_sequential_optimization=False, verbose_logging=False
    )
    client.create_experiment(
        parameters=AxSearch.convert_search_space(_space(dimensions)),
        objectives={"value": service.ObjectiveProperties(minimize=True)},
        # How many trials run at a time is not for the searcher to say; -1: any number.
        choose_generation_strategy_kwargs={"max_parallelism_override": -1},
    )
    return AxSearch(ax_client=client, points_to_evaluate=points)


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


def _bayesopt(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from ray.tune.search.bayesopt import BayesOptSearch

    # The wrapper's own random steps end only when each of them has given a value, and its patience
    # ends the search: both are off.
    return BayesOptSearch(
        dict.fromkeys(_space(dimensions), (0.0, 1.0)),
        metric="value",
        mode="min",
        points_to_evaluate=points,
        random_state=seed,
        random_search_steps=0,
        skip_duplicate=False,
        patience=2**31,
        repeat_float_precision=17,
    )


def _zoopt(dimensions: int, seed: int, trials: int, points: list[Config]) -> Any:
    from ray.tune.search.zoopt import ZOOptSearch

    class Search(ZOOptSearch):  # type: ignore[misc]
        def suggest(self, trial_id: str) -> Any:
            suggested = super().suggest(trial_id)
            # ZOOpt expects to be asked again before the last of its first points has its value;
            # else it takes them for unfinished and never suggests again. The call gives nothing.
            optimizer = self.optimizer
            if optimizer.init_num == optimizer.get_parameters().get_train_size():
                super().suggest(trial_id)
            return suggested

    search = Search(
        budget=max(trials, 4),
        dim_dict=Search.convert_search_space(_space(dimensions)),
        metric="value",
        mode="min",
        parallel_num=2**31,  # as for Ax
    )
    # Not as the wrapper's points_to_evaluate: it makes tuples of them, to which ZOOpt then assigns.
    if points:
        lists = [list(point.values()) for point in points]
        search.optimizer.get_parameters().set_init_samples(lists)
    return search


LIBRARIES = {
    "hyperopt": Library(("hyperopt",), ("hyperopt",), _hyperopt),
    "bohb": Library(("hpbandster", "ConfigSpace"), ("hpbandster", "ConfigSpace"), _bohb, late=True),
    # The wrapper has Ax abandon a trial without a number: it is neither learned nor tried again.
    "ax": Library(("ax",), ("ax-platform",), _ax, failed=math.nan, late=True),
    "nevergrad": Library(("nevergrad",), ("nevergrad",), _nevergrad),
    "bayesopt": Library(("bayes_opt",), ("bayesian-optimization",), _bayesopt),
    # ZOOpt compares values, no more. Its first points must all have one.
    "zoopt": Library(("zoopt",), ("zoopt",), _zoopt, failed=math.inf),
}

UNUSABLE = {
    "hebo": "HEBO cannot be installed beside this TensorFlow: HEBO 0.3.5 and 0.3.6 need "
    "numpy<1.25, TensorFlow numpy>=1.26; HEBO 0.3.2 needs pandas<2 and pymoo<0.6, and that pandas "
    "does not work with NumPy 2. Use another method, such as bayes or gp"
}

NAMES = (*LIBRARIES, *UNUSABLE)


def check_installed(method: str) -> None:
    """Raise ``UsageError`` where the method's library is not there; imports none."""
    if method in UNUSABLE:
        raise UsageError(f"method: {method}: {UNUSABLE[method]}.")
    if method not in LIBRARIES:
        return
    library = LIBRARIES[method]
    missing = [module for module in library.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"method: {method}: this searcher needs {' and '.join(library.packages)}: the module "
            f"{', '.join(missing)} is not installed. Install it: pip install 'sweeper[{method}]'"
        )
