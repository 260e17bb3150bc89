"""Other tools' files become sweep files that mean the same; what does not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.errors import UsageError
from sweeper.sweepfile import from_tool

NNI = """
experimentName: mnist
searchSpace:
  batch_size: {_type: choice, _value: [16, 32]}
  hidden: {_type: randint, _value: [8, 65]}
  dropout: {_type: uniform, _value: [0.1, 0.5]}
  lr: {_type: loguniform, _value: [0.0001, 0.1]}
  units: {_type: quniform, _value: [16, 64, 16]}
  noise: {_type: normal, _value: [0, 0.1]}
trialCommand: python mnist.py
trialCodeDirectory: .
trialConcurrency: 2
maxTrialNumber: 20
tuner: {name: TPE, classArgs: {optimize_mode: maximize}}
trainingService: {platform: local}
"""
DETERMINED = """
name: cifar
entrypoint: python3 train.py
hyperparameters:
  global_batch_size: 64
  optimizer:
    kind: {type: categorical, vals: [SGD, Adam]}
    learning_rate: {type: log, minval: -5.0, maxval: 1.0, base: 10.0}
  layers: {type: int, minval: 1, maxval: 3}
  dropout: {type: double, minval: 0.2, maxval: 0.5}
searcher: {name: random, metric: accuracy, smaller_is_better: false, max_trials: 5}
max_restarts: 1
"""
SEML_GRID = """
seml: {executable: exp.py, name: example, output_dir: logs}
slurm: {experiments_per_job: 1}
fixed: {max_epochs: 500, model.kind: mlp}
grid:
  rate: {type: loguniform, min: 1e-4, max: 1e-2, num: 3}
  model.depth: {type: range, min: 1, max: 4, step: 1}
  dropout: {type: uniform, min: 0.0, max: 0.5, num: 3}
  data: {type: choice, options: [cora, pubmed], zip_id: pair}
  hidden: {type: choice, options: [[16], [32, 16]], zip_id: pair}
"""
SEML_RANDOM = """
seml: {executable: exp.py}
random:
  samples: 3
  seed: 821
  regularization.dropout: {type: uniform, min: 0.0, max: 0.7}
  epochs: {type: randint, min: 200, max: 1000}
  rate: {type: loguniform, min: 1e-5, max: 1e-1}
"""
HYDRA = """
hydra:
  mode: MULTIRUN
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    direction: maximize
    n_trials: 20
    n_jobs: 2
    sampler: {_target_: optuna.samplers.TPESampler, seed: 1234}
    params:
      model.optimizer: choice(adam, "sgd,nesterov")
      model.lr: tag(log, interval(0.0001, 0.2))
      model.dropout: interval(0, 1)
      data.batch_size: 32,64
      data.folds: [1, 2]
"""
HYDRA_BASIC = "[db=mysql, 'n=range(0,10,3)', 'x=range(0,1,0.25)', +seed=1]"
GUILD = """
- model: cnn
  operations:
    train:
      main: train --quiet
      max-trials: 12
      objective: {maximize: val_acc}
      flags:
        lr: loguniform[1e-4:1e-1]
        units: '[8:64]'
        momentum: [0.5:0.9]
        optimizer: [adam, sgd]
        dropout: range[0.1:0.4:0.1]
        epochs: {default: 10, description: passes}
    test: {main: test}
"""
TUNE = """
from ray import tune
space = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "batch": tune.choice([32, 64]),
    "units": tune.randint(8, 65),
    "noise": tune.randn(0, 0.1),
    "model": {"drop": tune.quniform(0.0, 0.5, 0.1), "act": "relu"},
    "epochs": 10,
}
tuner = tune.Tuner(train, param_space=space, tune_config=tune.TuneConfig(
    metric="val_loss", mode="min", num_samples=20))
"""
KERAS_TUNER = """
import keras_tuner as kt
def build(hp):
    units = hp.Int("units", min_value=32, max_value=128, step=32)
    depth = hp.Int("depth", 1, 3)
    rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    drop = hp.Float("drop", 0, 0.5)
    if hp.Boolean("norm"):
        act = hp.Choice("act", values=["relu", "tanh"])
tuner = kt.RandomSearch(build, objective="val_accuracy", max_trials=5, executions_per_trial=2)
"""


def between(kind: str, low: Any, high: Any, **more: Any) -> dict[str, Any]:
    return {"distribution": kind, "min": low, "max": high, **more}


def convert(tmp_path: Path, tool: str, text: str) -> tuple[dict[str, Any], list[str]]:
    file = tmp_path / "their.file"
    file.write_text(text)
    written, notes = from_tool(file, tool)
    return yaml.safe_load(written), notes


CASES = {
    "nni": (
        NNI,
        {
            "batch_size": {"values": [16, 32]},
            "hidden": between("int_uniform", 8, 64),  # its upper end is not drawn
            "dropout": between("uniform", 0.1, 0.5),
            "lr": between("log_uniform_values", 0.0001, 0.1),
            "units": between("q_uniform", 16, 64, q=16),
            "noise": {"distribution": "normal", "mu": 0, "sigma": 0.1},
        },
        {"method": "tpe", "run_cap": 20, "parallel": 2, "command": ["python", "mnist.py"]},
        {"name": "default", "goal": "maximize"},
        ["trialCodeDirectory: ", "trainingService: "],
    ),
    "determined": (
        DETERMINED,
        {
            "global_batch_size": {"value": 64},
            "optimizer": {
                "parameters": {
                    "kind": {"values": ["SGD", "Adam"]},
                    "learning_rate": between("log_uniform_values", 1e-5, 10.0),
                }
            },
            "layers": between("int_uniform", 1, 3),
            "dropout": between("uniform", 0.2, 0.5),
        },
        {"method": "random", "run_cap": 5, "command": ["python3", "train.py"]},
        {"name": "accuracy", "goal": "maximize"},
        ["max_restarts: "],
    ),
    "seml": (
        SEML_GRID,
        {
            "max_epochs": {"value": 500},
            "model": {"parameters": {"kind": {"value": "mlp"}, "depth": {"values": [1, 2, 3]}}},
            "rate": {"values": pytest.approx([1e-4, 1e-3, 1e-2])},
            "dropout": {"values": [0.0, 0.25, 0.5]},
            "data": {"values": ["cora", "pubmed"]},
            "hidden": {"values": [[16], [32, 16]]},
        },
        {"method": "grid", "program": "exp.py", "zip": [["data", "hidden"]]},
        None,
        ["slurm: ", "seml.output_dir: "],
    ),
    "seml random": (
        SEML_RANDOM,
        {
            "regularization": {"parameters": {"dropout": between("uniform", 0.0, 0.7)}},
            "epochs": between("int_uniform", 200, 999),  # its upper end is not drawn
            "rate": between("log_uniform_values", 1e-5, 0.1),
        },
        {"method": "random", "run_cap": 3, "seed": 821},
        None,
        [],
    ),
    "hydra": (
        HYDRA,
        {
            "model.optimizer": {"values": ["adam", '"sgd,nesterov"']},  # else Hydra sweeps it
            "model.lr": between("log_uniform_values", 0.0001, 0.2),
            "model.dropout": between("uniform", 0.0, 1.0),  # an interval is of real numbers
            "data.batch_size": {"values": [32, 64]},
            "data.folds": {"value": [1, 2]},
        },
        {"method": "tpe", "run_cap": 20, "parallel": 2, "seed": 1234},
        {"name": "objective", "goal": "maximize"},
        ["program: "],
    ),
    "hydra basic": (
        HYDRA_BASIC,
        {
            "db": {"value": "mysql"},
            "n": {"values": [0, 3, 6, 9]},
            "x": {"values": [0.0, 0.25, 0.5, 0.75]},
            "+seed": {"value": 1},
        },
        {"method": "grid"},
        None,
        [],
    ),
    "hydra defaults": (
        "{defaults: [override hydra/sweeper: optuna, override hydra/sweeper/sampler: random],"
        ' hydra: {sweeper: {direction: maximize, params: {x: \'"1","a"\', on: true}}}}',
        {"x": {"values": ['"1"', "a"]}, "on": {"value": True}},
        {"method": "random", "run_cap": 20},
        {"name": "objective", "goal": "maximize"},
        [],
    ),
    "guild": (
        GUILD,
        {
            "lr": between("log_uniform_values", 1e-4, 0.1),
            "units": between("int_uniform", 8, 64),
            "momentum": between("uniform", 0.5, 0.9),
            "optimizer": {"values": ["adam", "sgd"]},
            "dropout": {"values": [0.1, 0.2, 0.3, 0.4]},
            "epochs": {"value": 10},
        },
        {"method": "random", "run_cap": 12, "program": "train"},
        {"name": "val_acc", "goal": "maximize"},
        ["flags: "],
    ),
    "guild negated": (
        "train: {objective: -acc, flags: {a: [1, 2], b: true, none: null}}",
        {"a": {"values": [1, 2]}, "b": {"value": True}},
        {"method": "grid"},
        {"name": "acc", "goal": "maximize"},
        ["b: is passed as True"],
    ),
    "tune": (
        TUNE,
        {
            "lr": between("log_uniform_values", 1e-4, 0.1),
            "batch": {"values": [32, 64]},
            "units": between("int_uniform", 8, 64),  # its upper end is not drawn
            "noise": {"distribution": "normal", "mu": 0, "sigma": 0.1},
            "model": {
                "parameters": {
                    "drop": between("q_uniform", 0.0, 0.5, q=0.1),
                    "act": {"value": "relu"},
                }
            },
            "epochs": {"value": 10},
        },
        {"method": "random", "run_cap": 20},
        {"name": "val_loss", "goal": "minimize"},
        ["program: "],
    ),
    "tune keywords": (
        's = {"a": tune.quniform(q=1, upper=10, lower=0), "b": tune.loguniform(1, 9, base=2)}\n'
        'tune.run(f, config=s, metric="m", num_samples=N, scheduler=x)\nsubprocess.run(metric="z")',
        {"a": between("q_uniform", 0, 10, q=1), "b": between("log_uniform_values", 1, 9)},
        {"method": "random"},
        {"name": "m", "goal": "minimize"},
        ["line 2: num_samples=N", "line 2: scheduler=x", "line 2: no mode", "program"],
    ),
    "tune grid": (
        's = {"a": {"grid_search": [1, 2]}, "b": tune.grid_search([3]), "c": {"d": [4]}}\n'
        "TuneConfig(num_samples=3)",
        {"a": {"values": [1, 2]}, "b": {"values": [3]}, "c": {"value": {"d": [4]}}},
        {"method": "grid", "repeats": 3},
        None,
        [],
    ),
    "keras-tuner positional": (
        'hp.Choice("a", [1, 2], True)\nkt.Hyperband(build, "val_accuracy", 9)',
        {"a": {"values": [1, 2]}},
        {"method": "random"},
        {"name": "val_accuracy", "goal": "maximize"},
        ["line 2: max_epochs=9", "run_cap: "],
    ),
    "nni shell": (
        "{searchSpace: {a: {_type: choice, _value: [1]}}, trialCommand: cd src && python a.py $X,"
        " tuner: {name: GridSearch, classArgs: {optimize_mode: maximize}}}",
        {"a": {"values": [1]}},
        {"method": "grid", "command": ["/bin/sh", "-c", "cd src && python a.py $X"]},
        {"name": "default", "goal": "maximize"},
        [],
    ),
    "keras-tuner": (
        KERAS_TUNER,
        {
            "units": {"values": [32, 64, 96, 128]},
            "depth": between("int_uniform", 1, 3),
            "lr": between("log_uniform_values", 1e-4, 0.01),
            "drop": between("uniform", 0.0, 0.5),
            "norm": {"values": [True, False]},
            "act": {"values": ["relu", "tanh"]},
        },
        {"method": "random", "run_cap": 5, "repeats": 2},
        {"name": "val_accuracy", "goal": "maximize"},
        ["program: "],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_of_another_tool_means_the_same(case: str, tmp_path: Path) -> None:
    text, parameters, keys, metric, noted = CASES[case]
    found, notes = convert(tmp_path, case.partition(" ")[0], text)
    assert found["parameters"] == parameters
    assert {key: found.get(key) for key in keys} == keys
    assert found.get("metric") == metric
    assert [one for one in noted if not any(note.startswith(one) for note in notes)] == []


@pytest.mark.parametrize(
    ("tool", "text", "named"),
    [
        ("nni", "a: {_type: choice, _value: [{_name: x, b: 1}]}", "a: choice"),
        ("nni", "a: {_type: quniform, _value: [2, 10, 5]}", "no multiple of 5"),
        ("nni", "a: {_type: mutable_layer, _value: {}}", "a: mutable_layer"),
        ("determined", "{hyperparameters: {a: {type: int, minval: 1}}}", "a: int without"),
        ("seml", "grid: {a: {type: sobol}}", "a: sobol in a grid"),
        ("seml", "{fixed: {a: 1}, small: {fixed: {a: 2}}}", "small: a sub-configuration"),
        ("hydra", "[a=glob(*)]", "a: glob(*)"),
        ("hydra", "['a=shuffle(1,2)', 'b=int(interval(a,2,3))']", "a: shuffle(1,2)"),
        ("guild", "train: {flags: {a: 'lognormal[0:1]'}}", "a: lognormal[0:1]"),
        ("guild", "{a: {flags: {x: 1}}, b: {flags: {x: 1}}}", "found a, b"),
        ("tune", 's = {"b": tune.uniform(LOW, 1)}', "b: tune.uniform(LOW, 1): not a literal"),
        ("tune", 's = {"a": tune.lograndint(1, 9)}', "a: tune.lograndint(1, 9)"),
        ("tune", 's = {"a": tune.grid_search([1]), "b": tune.uniform(0, 1)}', "together"),
        ("keras-tuner", 'hp.Int(f"units_{i}", 1, 2)', "not a literal"),
        ("keras-tuner", 'hp.Int("n", 1, 64, sampling="log")', "line 1: hp.Int('n'"),
        ("keras-tuner", "print(1)", "found none"),
        ("keras-tuner", 'hp.Int("a")', "expected a file as keras-tuner reads it"),
        ("hydra", "['a=range(1,1e18)']", "too many"),
        ("hydra", "['a=1,null']", "a: 1,null: null"),
        ("hydra", "['a=1', ~db]", "~db"),
        ("hydra", "{n_trials: 1, direction: [minimize, maximize], params: {a: 1}}", "several"),
        ("guild", "train: {exec: python x.py, flags: {a: 1}}", "exec: "),
        ("guild", "train: {flags-dest: globals, flags: {a: 1}}", "flags-dest: globals"),
        ("guild", "train: {flags: {a: [1, null]}}", "a: [1, None]"),
        ("seml", "{fixed: {a: 1}, grid: {a: {type: choice, options: [1]}}}", "a: is another"),
        ("seml", "{fixed: {a: 1}, grid: {a.b: {type: choice, options: [1]}}}", "a.b: is another"),
        ("tune", 's = {"a": tune.choice([1])}\ns["b"] = tune.choice([2])', "line 2: tune.choice"),
        ("tune", 's = {"a": {"grid_search": [1]}, "b": tune.choice([1])}', "together"),
        ("tune", 's = {"a": tune.uniform(**bounds)}', "a: tune.uniform(**bounds)"),
        ("keras-tuner", "with hp.name_scope('x'):\n  hp.Int('a', 1, 2)", "line 1: name_scope"),
        ("keras-tuner", "hp.Int('a', 1, 2)\nhp.Int('a', 1, 3)", "a: is another"),
        ("keras-tuner", "hp.Int('a', 1, 2)\nGridSearch()\nHyperband()", "found line 2, line 3"),
    ],
)
def test_what_has_no_equal_is_refused_by_name(
    tool: str, text: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        convert(tmp_path, tool, text)
    assert named in str(refused.value)
