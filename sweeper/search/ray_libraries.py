"""The libraries behind Ray Tune's searchers: how each is made, and what it must be spared."""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Config = dict[str, float]


@dataclass(frozen=True)
class Library:
    """How one library is made and spoken to.

    ``build`` takes the number of dimensions, a seed below 2**32, the number of trials to plan for
    and the points known so far. ``failed`` is told for a point that gives no value; None: the
    wrapper is told of an error, and the library never hears of the point.
    """

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


LIBRARIES = {
    "hyperopt": Library(_hyperopt),
    # The wrapper has Ax abandon a trial without a number: it is neither learned nor tried again.
    "ax": Library(_ax, failed=math.nan, late=True),
    "nevergrad": Library(_nevergrad),
}
