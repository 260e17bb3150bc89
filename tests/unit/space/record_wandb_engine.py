"""Ask W&B's own engine (`sweeps` 0.3.0) what it does, and keep the answers beside this file.

    python -m venv V && V/bin/pip install sweeps==0.3.0 && V/bin/python record_wandb_engine.py

It needs an environment of its own: it pins NumPy below 2, which TensorFlow's requirements exclude.
"""

import json
import math
import random
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

from sweeps.grid_search import grid_search_next_runs  # noqa: E402
from sweeps.hyperband_stopping import hyperband_stop_runs  # noqa: E402
from sweeps.params import HyperParameter, HyperParameterSet  # noqa: E402
from sweeps.run import RunState, SweepRun  # noqa: E402

US = [0.001, 0.0137, 0.1, 0.25, 0.333, 0.4999, 0.5001, 0.62, 0.75, 0.9, 0.9871, 0.999]

BODIES = [
    {"value": 7},
    {"values": ["a", "b", "c", "a"]},
    {"values": [1, 2, 3], "probabilities": [0.5, 0.0, 0.5]},
    {"values": ["x", "y"], "probabilities": [0.1, 0.9]},
    {"min": 0, "max": 1},
    {"min": -52, "max": 10},
    {"min": 3, "max": 1000003},
    {"min": 3.0, "max": 5.0},
    {"min": 0, "max": 1.5},
    {"distribution": "uniform", "min": 1, "max": 2},
    {"distribution": "q_uniform", "min": 0, "max": 100, "q": 10},
    {"distribution": "q_uniform", "min": 0.0, "max": 100.0, "q": 0.1},
    {"distribution": "q_uniform", "min": 0, "max": 100},
    {"distribution": "log_uniform", "min": 1.6, "max": 4.6},
    {"distribution": "log_uniform_values", "min": 5, "max": 100},
    {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1},
    {"distribution": "inv_log_uniform", "min": 0, "max": 6},
    {"distribution": "inv_log_uniform_values", "min": 1e-15, "max": 1e20},
    {"distribution": "q_log_uniform", "min": 0, "max": 6, "q": 1},
    {"distribution": "q_log_uniform_values", "min": 1, "max": 1000, "q": 1},
    {"distribution": "q_log_uniform_values", "min": 0.5, "max": 64, "q": 0.5},
    {"distribution": "normal"},
    {"distribution": "normal", "mu": 3, "sigma": 0.5},
    {"distribution": "q_normal", "mu": 100, "sigma": 20, "q": 10},
    {"distribution": "q_normal", "q": 0.1},
    {"distribution": "log_normal"},
    {"distribution": "log_normal", "mu": 2, "sigma": 3},
    {"distribution": "q_log_normal", "mu": 3.4, "sigma": 0.8, "q": 1},
    {"distribution": "beta"},
    {"distribution": "beta", "a": 2, "b": 5},
    {"distribution": "q_beta", "a": 2, "b": 5, "q": 0.1},
]
GRIDS = [
    {"v1": {"values": [1, 2, 3]}, "v2": {"values": [4, 5]}},
    {"b": {"values": ["a", "b", "c", "a"]}, "c": {"values": [1, 2, 3]}},
    {"x": {"values": [None, 2, 3, "a", [2, 3], 3]}, "y": {"values": ["1", "a", "2"]}},
    {
        "x": {"values": [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}]},
        "k": {"value": [1, {"z": 2}]},
    },
    {"x": {"values": [3000000, 3000000.0, True, 1, 1.0, False, 0]}},
    {"n": {"min": -3, "max": 4}, "a": {"values": [0.1, 0.01]}},
    {"q": {"distribution": "q_uniform", "min": -9.211, "max": 23.23, "q": 2.341}},
    {"q": {"distribution": "q_uniform", "min": 0.05, "max": 1.02, "q": 0.1}},
    {"only": {"value": 1}, "constants": {"value": "x"}},
    {
        "z": {"values": [1, 2]},
        "a": {"parameters": {"b": {"values": [1, 2]}, "c": {"parameters": {"d": {"value": 1}}}}},
        "b": {"values": [5, 6]},
        "a.b": {"values": [7, 8]},
        "A": {"values": [9, 10]},
    },
    {
        "opt": {
            "parameters": {
                "z-last": {"values": [1, 2]},
                "lr": {"values": [0.1, 0.2]},
                "sub": {"parameters": {"m": {"values": [0.8, 0.9]}, "k": {"values": ["u", "v"]}}},
            }
        },
        "model.width": {"values": [8, 16]},
    },
]
BANDS = [
    {"max_iter": 81, "eta": 3, "s": 3},
    {"max_iter": 18, "eta": 3, "s": 2},
    {"max_iter": 9, "eta": 3, "s": 2},
    {"max_iter": 5, "eta": 2, "s": 2},
    {"max_iter": 27, "s": 2},
    {"max_iter": 27, "eta": 3, "s": 2, "min_iter": 5},
    {"min_iter": 3},
    {"min_iter": 30, "eta": 1.5},
    {"min_iter": 1, "eta": 2},
]
STOPS = [
    {"min_iter": 1, "eta": 2},
    {"min_iter": 2},
    {"min_iter": 3, "eta": 4, "strict": False},
    {"max_iter": 12, "s": 2, "eta": 2},
    {"max_iter": 12, "s": 3, "eta": 2, "strict": False},
]
# What the engine refuses, by method.
BAD = [
    ("random", {"a": {"min": 5, "max": 3}}),
    ("random", {"a": {"max": 0, "min": 1}}),
    ("random", {"a": {"min": 1, "max": 1}}),
    ("random", {"a": {"min": True, "max": 3}}),
    ("random", {"a": {"min": "1e-4", "max": 1}}),
    ("random", {"a": {"distribution": "int_uniform", "min": 0.0, "max": 1.0}}),
    ("random", {"a": {"distribution": "log_uniform_values", "min": 2, "max": 1}}),
    ("random", {"a": {"distribution": "log_uniform_values", "min": 0, "max": 1}}),
    ("random", {"a": {"distribution": "inv_log_uniform_values", "min": 0, "max": 1}}),
    ("random", {"a": {"distribution": "q_log_uniform_values", "min": -1, "max": 1}}),
    ("random", {"a": {"distribution": "normal", "sigma": -0.1}}),
    ("random", {"a": {"distribution": "normal", "min": 0, "max": 1}}),
    (
        "random",
        {"a": {"distribution": "q_log_normal", "mu": 3.4, "sigma": 0.8, "min": 1, "max": 5}},
    ),
    ("random", {"a": {"distribution": "uniform", "values": [1]}}),
    ("random", {"a": {"distribution": "int_uniform", "values": [1]}}),
    ("random", {"a": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}}),
    (
        "random",
        {"a": {"distribution": "categorical", "values": [1, 2], "probabilities": [0.5, 0.5]}},
    ),
    ("random", {"a": {"values": [1, 2, 3], "probabilities": [0.5, 0.5]}}),
    ("random", {"a": {"values": [1, 2], "probabilities": [0.3, 0.3]}}),
    ("random", {"a": {"values": []}}),
    ("random", {"a": {"values": 3}}),
    ("random", {"a": {"invalid": 3}}),
    ("random", {"a": {"value": 3, "min": 1}}),
    ("random", {"a": {"min": 1}}),
    ("random", {"a": [1, 2]}),
    ("random", {"a": {"parameters": {"b": {"oops": 1}}}}),
    ("random", {"a": {"parameters": {"b": [1]}}}),
    ("random", {"a": {}}),
    ("grid", {"a": {"min": 0.0, "max": 1.0}}),
    ("grid", {"a": {"distribution": "normal"}}),
    ("grid", {"a": {"values": [1, 2], "probabilities": [0.5, 0.5]}}),
    ("grid", {"a": {"distribution": "q_normal"}}),
    ("grid", {"a": {"values": [1]}, "b": {"parameters": {"c": {"min": 0.5, "max": 2}}}}),
]


def plain(value):
    return value.item() if hasattr(value, "item") else value


def ppf(body):
    random.seed(1)
    return [plain(HyperParameter("p", body).ppf(u)) for u in US]


def grid(parameters):
    config = {"method": "grid", "parameters": parameters}
    runs = grid_search_next_runs([], config, n=10_000)
    points = [run.config for run in runs if run is not None]
    return [{name: entry["value"] for name, entry in point.items()} for point in points]


def bands(early_terminate):
    run = SweepRun(name="r", state=RunState.running, history=[{"loss": 1}])
    config = {
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"a": {"values": [1]}},
        "early_terminate": {"type": "hyperband", **early_terminate},
    }
    hyperband_stop_runs([run], config)
    return run.early_terminate_info["bands"][:12]


def histories(seed):
    """What six runs have logged: coarse values, so that some are equal, and a few NaN."""
    rng = random.Random(seed)
    logged = []
    for _ in range(6):
        level = rng.randrange(4)
        values = [
            math.nan if rng.random() < 0.05 else level + rng.randrange(16) / 8
            for _ in range(rng.randint(1, 12))
        ]
        logged.append(" ".join(map(str, values)))
    return logged


def stops(early_terminate, goal, logged):
    """The numbers of the runs that the engine would stop, if all were running."""
    runs = [
        SweepRun(
            name=str(i), state=RunState.running, history=[{"loss": float(v)} for v in line.split()]
        )
        for i, line in enumerate(logged)
    ]
    config = {
        "method": "grid",
        "metric": {"name": "loss", "goal": goal},
        "parameters": {"a": {"values": [1]}},
        "early_terminate": {"type": "hyperband", **early_terminate},
    }
    return sorted(int(run.name) for run in hyperband_stop_runs(runs, config))


def stop_case(seed):
    early = STOPS[seed % len(STOPS)]
    goal = ("minimize", "maximize")[seed // len(STOPS) % 2]
    logged = histories(seed)
    return {
        "early_terminate": early,
        "goal": goal,
        "histories": logged,
        "stopped": stops(early, goal, logged),
    }


def refuses(method, parameters):
    try:
        if method == "grid":
            grid(parameters)
        else:
            for parameter in HyperParameterSet.from_config(parameters):
                parameter.sample()
    except Exception:
        # The schema's own verdict is asked for too: the engine samples some of what it flags.
        return True
    from sweeps.config.cfg import schema_violations_from_proposed_config

    return bool(
        schema_violations_from_proposed_config({"method": method, "parameters": parameters})
    )


if __name__ == "__main__":
    answers = {
        "u": US,
        "ppf": [{"body": body, "values": ppf(body)} for body in BODIES],
        "grids": [{"parameters": parameters, "points": grid(parameters)} for parameters in GRIDS],
        "bands": [{"early_terminate": one, "bands": bands(one)} for one in BANDS],
        "stops": [stop_case(seed) for seed in range(20)],
        "refused": [{"method": m, "parameters": p} for m, p in BAD if refuses(m, p)],
    }
    kept = [{"method": m, "parameters": p} for m, p in BAD if not refuses(m, p)]
    print("not refused by the engine:", kept)
    path = Path(__file__).with_name("wandb_engine.json")
    path.write_text(json.dumps(answers, indent=1) + "\n")
    print({name: len(value) for name, value in answers.items()})
