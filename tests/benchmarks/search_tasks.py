"""What searchers are measured on: functions, conditional spaces, real training kept in a table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """``parameters`` as in a sweep file; ``value`` is to be minimised; ``best`` is its least.

    What is seen of it has Gaussian ``noise``, against which ours has ``repeats``. Who knows no
    ``constraints`` is told ``worst`` where one is broken.
    """

    parameters: dict[str, Any]
    value: Callable[[Params], float]
    best: float = 0.0
    noise: float = 0.0
    repeats: int = 1
    constraints: tuple[str, ...] = ()
    worst: float = 0.0


def _cube(
    function: Callable[[Any], float], *bounds: tuple[float, float], best: float = 0.0
) -> Task:
    names = [f"x{number}" for number in range(len(bounds))]
    parameters = {
        name: {"distribution": "uniform", "min": low, "max": high}
        for name, (low, high) in zip(names, bounds, strict=True)
    }
    return Task(
        parameters, lambda params: function(np.array([params[name] for name in names])), best
    )


def branin(x: Any) -> float:
    wave = (x[1] - 5.1 * x[0] ** 2 / (4 * math.pi**2) + 5 * x[0] / math.pi - 6) ** 2
    return float(wave + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10)


_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(x: Any) -> float:
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(_A * (x - _P) ** 2).sum(1)))


def rosenbrock(x: Any) -> float:
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def ackley(x: Any) -> float:
    bowl = -20 * math.exp(-0.2 * math.sqrt(float((x * x).mean())))
    return bowl - math.exp(float(np.cos(2 * math.pi * x).mean())) + 20 + math.e


def _ackley_with_integers() -> Task:
    parameters: dict[str, Any] = {
        f"x{n}": {"min": -20, "max": 30} if n < 5
        else {"distribution": "uniform", "min": -20.0, "max": 30.0}
        for n in range(10)
    }  # fmt: skip
    return Task(parameters, lambda p: ackley(np.array([p[f"x{n}"] for n in range(10)], float)))


def _log(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"distribution": "log_uniform_values", "min": low, "max": high, **more}


def _conditional() -> Task:
    """Ten parameters, six of them of one optimizer, or of a kind of regularisation, alone."""
    parameters = {
        "optimizer": {"values": ["sgd", "adam", "rmsprop"]},
        "rate": _log(1e-5, 1.0),
        "momentum": {"min": 0.0, "max": 0.99, "when": "optimizer == 'sgd'"},
        "nesterov": {"values": [False, True], "when": "optimizer == 'sgd'"},
        "beta": {"min": 0.5, "max": 0.999, "when": "optimizer == 'adam'"},
        "rho": {"min": 0.5, "max": 0.999, "when": "optimizer == 'rmsprop'"},
        "layers": {"min": 1, "max": 6},
        "units": {"values": [16, 32, 64, 128, 256]},
        "regularise": {"values": ["no", "dropout", "l2"]},
        "dropout": {"min": 0.0, "max": 0.8, "when": "regularise == 'dropout'"},
        "l2": _log(1e-6, 1e-1, when="regularise == 'l2'"),
    }

    def value(p: Params) -> float:
        wanted = {"sgd": -1.3, "adam": -2.8, "rmsprop": -3.2}[p["optimizer"]]
        loss = {"sgd": 0.02, "adam": 0.0, "rmsprop": 0.05}[p["optimizer"]]
        loss += 0.05 * (math.log10(p["rate"]) - wanted) ** 2
        if p["optimizer"] == "sgd":
            loss += 0.3 * (p["momentum"] - 0.9) ** 2 + (0.0 if p["nesterov"] else 0.005)
        elif p["optimizer"] == "adam":
            loss += 0.4 * (p["beta"] - 0.9) ** 2
        else:
            loss += 0.4 * (p["rho"] - 0.8) ** 2
        loss += 0.01 * (p["layers"] - 3) ** 2 + 0.01 * (math.log2(p["units"]) - 7) ** 2
        if p["regularise"] == "dropout":
            return loss + 0.3 * (p["dropout"] - 0.35) ** 2
        if p["regularise"] == "l2":
            return loss + 0.01 + 0.01 * (math.log10(p["l2"]) + 3.5) ** 2
        return loss + 0.04

    return Task(parameters, value)


def _constrained() -> Task:
    """Townsend's function, whose best lies where the constraint ends."""
    task = _cube(
        lambda x: -(math.cos((x[0] - 0.1) * x[1]) ** 2) - x[0] * math.sin(3 * x[0] + x[1]),
        (-2.25, 2.5), (-2.5, 1.75), best=-3.1274241832763066
    )  # fmt: skip
    inside = "x0 * x0 + (x1 + 0.4) * (x1 + 0.4) <= 5.5"
    return replace(task, constraints=(inside,), worst=3.0)


# ------------------------------------------------------------------------------ real training

_SPACES: dict[str, dict[str, list[Any]]] = {
    "small mlp": {
        "units": [2, 4, 8, 16, 32],
        "alpha": [1e-5, 1e-3, 1e-1],
        "rate": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
        "activation": ["relu", "tanh", "logistic"],
    },
    "regression": {
        "rate": [0.01, 0.03, 0.1, 0.3, 1.0],
        "depth": [1, 2, 3, 4],
        "subsample": [0.3, 0.5, 0.7, 1.0],
        "trees": [10, 30, 60],
    },
    "mlp": {
        "units": [8, 16, 32, 64],
        "alpha": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
        "rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
        "activation": ["relu", "tanh", "logistic"],
    },
    "boosting": {
        "rate": [0.01, 0.03, 0.1, 0.3, 1.0],
        "depth": [1, 2, 3, 4, 6],
        "subsample": [0.3, 0.5, 0.7, 1.0],
        "trees": [10, 30, 60],
    },
}
TABLES = {
    "mlp-digits": ("mlp", "digits"),
    "mlp-wine": ("small mlp", "wine"),
    "mlp-cancer": ("small mlp", "breast_cancer"),
    "boosting-cancer": ("boosting", "breast_cancer"),
    "boosting-diabetes": ("regression", "diabetes"),
}


def _train(kind: str, dataset: str, params: Params) -> float:
    """The log loss on a third of the data; of a regression, what of the variance is left."""
    import warnings

    from sklearn import datasets, ensemble, metrics, model_selection, neural_network, preprocessing

    x, y = getattr(datasets, f"load_{dataset}")(return_X_y=True)
    x = preprocessing.StandardScaler().fit_transform(x)
    train_x, test_x, train_y, test_y = model_selection.train_test_split(
        x, y, test_size=1 / 3, random_state=0, stratify=None if kind == "regression" else y
    )
    model: Any
    if kind == "regression":
        model = ensemble.GradientBoostingRegressor(
            learning_rate=params["rate"], max_depth=params["depth"], random_state=0,
            subsample=params["subsample"], n_estimators=params["trees"],
        )  # fmt: skip
        return 1 - float(model.fit(train_x, train_y).score(test_x, test_y))
    if kind.endswith("mlp"):
        model = neural_network.MLPClassifier(
            (params["units"],), alpha=params["alpha"], learning_rate_init=params["rate"],
            activation=params["activation"], max_iter=15, random_state=0,
        )  # fmt: skip
    else:
        model = ensemble.GradientBoostingClassifier(
            learning_rate=params["rate"], max_depth=params["depth"], random_state=0,
            subsample=params["subsample"], n_estimators=params["trees"],
        )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train_x, train_y)
    return float(metrics.log_loss(test_y, model.predict_proba(test_x), labels=model.classes_))


def tabular(name: str, cache: Path) -> Task:
    """All points of a space trained once, and kept in ``cache``."""
    import itertools

    kind, dataset = TABLES[name]
    space = _SPACES[kind]
    file = cache / f"{name}.json"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        rows = [
            dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())
        ]
        found = {json.dumps(row): _train(kind, dataset, row) for row in rows}
        file.write_text(json.dumps(found, indent=0))
    table = json.loads(file.read_text())
    parameters: dict[str, Any] = {key: {"values": values} for key, values in space.items()}
    return Task(
        parameters,
        lambda params: table[json.dumps({key: params[key] for key in space})],
        min(table.values()),
    )


def tasks(cache: Path) -> dict[str, Task]:
    """Those of the published table; nothing was tuned on them."""
    noisy = replace(_cube(hartmann, *[(0.0, 1.0)] * 6, best=-3.322368011391339), noise=0.2)
    return {
        "branin": _cube(branin, (-5.0, 10.0), (0.0, 15.0), best=0.39788735772973816),
        "hartmann-6": _cube(hartmann, *[(0.0, 1.0)] * 6, best=-3.322368011391339),
        "rosenbrock-5": _cube(rosenbrock, *[(-5.0, 10.0)] * 5),
        "log rosenbrock-5": _cube(
            lambda x: math.log(rosenbrock(x) + 1e-6), *[(-5.0, 10.0)] * 5, best=math.log(1e-6)
        ),
        "ackley-10, integers": _ackley_with_integers(),
        "conditional": _conditional(),
        "noisy hartmann-6": replace(noisy, repeats=3),
        "noisy hartmann-6, once": noisy,
        "constrained": _constrained(),
        **{name: tabular(name, cache) for name in TABLES},
    }


# -------------------------------------------------------------------- what choices were made on


def _styblinski(x: Any) -> float:
    return float((x**4 - 16 * x**2 + 5 * x).sum() / 2)


def _levy(x: Any) -> float:
    w = 1 + (x - 1) / 4
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
    end = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return float(math.sin(math.pi * w[0]) ** 2 + inner + end)


def _griewank(x: Any) -> float:
    return float((x**2).sum() / 4000 - np.cos(x / np.sqrt(np.arange(1, len(x) + 1))).prod() + 1)


def _michalewicz(x: Any) -> float:
    return -float((np.sin(x) * np.sin(np.arange(1, len(x) + 1) * x**2 / math.pi) ** 20).sum())


def _zakharov(x: Any) -> float:
    other = (0.5 * np.arange(1, len(x) + 1) * x).sum()
    return float((x**2).sum() + other**2 + other**4)


def _off_the_middle(function: Callable[[Any], float]) -> Task:
    """Ten parameters, every other one whole, with the best at 0 of what ``function`` is given."""
    best = [3.1, -7, 5.2, -1, 8.8, -4, 0.7, -9, 6.3, 2]
    parameters: dict[str, Any] = {
        f"x{n}": {"min": -25, "max": 30} if n % 2
        else {"distribution": "uniform", "min": -25.0, "max": 30.0}
        for n in range(10)
    }  # fmt: skip
    return Task(parameters, lambda p: function(np.array([p[f"x{n}"] - best[n] for n in range(10)])))


def _rastrigin(z: Any) -> float:
    return float((z * z / 10 - 3 * np.cos(math.pi * z / 2) + 3).sum())


def _funnel(z: Any) -> float:
    return 10 * (1 - math.exp(-0.15 * math.sqrt((z * z).mean()))) + float((1 - np.cos(z)).mean())


def _models() -> Task:
    parameters = {
        "model": {"values": ["svm", "forest", "knn"]},
        "c": _log(1e-3, 1e3, when="model == 'svm'"),
        "gamma": _log(1e-4, 1e1, when="model == 'svm'"),
        "depth": {"min": 1, "max": 20, "when": "model == 'forest'"},
        "features": {"min": 0.1, "max": 1.0, "when": "model == 'forest'"},
        "k": {"min": 1, "max": 50, "when": "model == 'knn'"},
        "scale": {"values": [True, False]},
        "weight": {"min": 0.0, "max": 1.0},
    }

    def value(p: Params) -> float:
        loss = 0.1 * (p["weight"] - 0.6) ** 2 + (0.0 if p["scale"] else 0.03)
        if p["model"] == "svm":
            return (
                loss
                + 0.02 * (math.log10(p["c"]) - 1) ** 2
                + 0.03 * (math.log10(p["gamma"]) + 2) ** 2
            )
        if p["model"] == "forest":
            return loss + 0.02 + 0.002 * abs(p["depth"] - 12) + 0.1 * (p["features"] - 0.4) ** 2
        return loss + 0.04 + 0.0005 * (p["k"] - 7) ** 2

    return Task(parameters, value)


def _layers() -> Task:
    """A network of one to three layers and its schedule: what each needs differs with the rest."""
    parameters = {
        "layers": {"min": 1, "max": 3},
        "activation": {"values": ["relu", "tanh", "gelu"]},
        "rate": _log(1e-5, 1e-1),
        "units1": {"min": 8, "max": 256},
        "units2": {"min": 8, "max": 256, "when": "layers >= 2"},
        "units3": {"min": 8, "max": 256, "when": "layers >= 3"},
        "schedule": {"values": ["constant", "cosine", "step"]},
        "warm": {"min": 0.0, "max": 0.5, "when": "schedule == 'cosine'"},
        "gamma": {"min": 0.1, "max": 0.99, "when": "schedule == 'step'"},
    }

    def value(p: Params) -> float:
        loss = 0.04 * (math.log10(p["rate"]) + 2.6) ** 2
        loss += {"relu": 0.01, "tanh": 0.03, "gelu": 0.0}[p["activation"]]
        loss += {1: 0.05, 2: 0.0, 3: 0.006}[p["layers"]]
        for layer in range(1, p["layers"] + 1):
            loss += 0.01 * (math.log2(p[f"units{layer}"]) - 7.5 + 0.7 * layer) ** 2
        if p["schedule"] == "cosine":
            return loss + 0.3 * (p["warm"] - 0.1) ** 2
        if p["schedule"] == "step":
            return loss + 0.008 + 0.2 * (p["gamma"] - 0.7) ** 2
        return loss + 0.03

    return Task(parameters, value)


def chosen_on() -> dict[str, Task]:
    return {
        "styblinski-3": _cube(_styblinski, *[(-5.0, 5.0)] * 3, best=-39.16616570377142 * 3),
        "levy-4": _cube(_levy, *[(-10.0, 10.0)] * 4),
        "griewank-2": _cube(_griewank, *[(-30.0, 40.0)] * 2),
        "michalewicz-5": _cube(_michalewicz, *[(0.0, math.pi)] * 5, best=-4.687658),
        "zakharov-6": _cube(_zakharov, *[(-5.0, 10.0)] * 6),
        "rastrigin-10, integers": _off_the_middle(_rastrigin),
        "funnel-10, integers": _off_the_middle(_funnel),
        "models": _models(),
        "layers": _layers(),
    }
