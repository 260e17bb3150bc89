"""The JSON Schema agrees with the loader, and what goes to W&B is accepted by its schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep, schema_json, to_wandb_yaml
from sweeper.sweepfile.early_terminate import TYPES
from sweeper.sweepfile.keys import (
    BUDGET,
    CHECKPOINT,
    FIELDS,
    KEYS,
    METRIC,
    RESOURCES,
    RETRY,
    WANDB_KEYS,
)
from sweeper.sweepfile.rules import DURATION, SIZE, Field
from sweeper.sweepfile.schema import schema
from sweeper.sweepfile.yaml12.read import parse

Load = Callable[..., Sweep]
HERE = Path(__file__).parent
VALIDATOR = jsonschema.Draft7Validator(schema())
ANSWERS: dict[str, Any] = json.loads((HERE.parent / "space" / "wandb_engine.json").read_text())


def test_it_is_a_schema_that_names_every_key() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(schema_json()))
    assert set(schema()["properties"]) == {*KEYS, *WANDB_KEYS}


@pytest.mark.parametrize("case", ANSWERS["ppf"], ids=lambda case: str(case["body"])[:60])
def test_it_accepts_every_distribution(case: dict[str, Any]) -> None:
    VALIDATOR.validate({"method": "random", "parameters": {"p": case["body"]}})


@pytest.mark.parametrize(
    "text",
    [
        "method: gird\nparameters: {a: 1}",
        "parameters: {a: 1}",
        "method: grid\nparameters: {}",
        "method: grid\nparameters: {a: [1, 2]}",
        "method: grid\nparameters: {a: {vaules: [1]}}",
        "method: grid\nparameters: {a: {values: []}}",
        "method: random\nparameters: {a: {min: 1}}",
        "method: random\nparameters: {a: {distribution: normal, min: 1, max: 2}}",
        "method: grid\nmetric: {name: a, goal: maximise}\nparameters: {a: 1}",
        "method: grid\nmetric: val_loss\nparameters: {a: 1}",
        "method: grid\nearly_terminate: hyperband\nparameters: {a: 1}",
        "method: grid\nrun_cap: 0\nparameters: {a: 1}",
        "method: grid\nzip: [a, b]\nparameters: {a: 1}",
        "method: grid\nsettings: {}\nparameters: {a: 1}",
    ],
)
def test_it_refuses_what_it_can_see(text: str) -> None:
    assert list(VALIDATOR.iter_errors(parse(text, "x").data))


CONVERTED = """
method: METHOD
program: src/train.py
metric: {name: val_loss, goal: maximize, target: 0.9, mode: last}
base: {model: {w: 1, kernel: [3, 3]}, author: me}
run_cap: 10
repeats: 2
entity: us
early_terminate: {type: hyperband, min_iter: 3}
parameters:
  model.w: {values: [1, 2]}
  opt:
    parameters:
      lr: {distribution: log_uniform, min: -9, max: -2}
      q: {distribution: q_log_uniform, min: 0, max: 5, q: 2}
      i: {distribution: inv_log_uniform, min: 0, max: 5}
      n: {distribution: normal}
      p: {values: [1, 2], probabilities: [0.5, 0.5]}
      k: {min: 1, max: 5, when: model.w > 1}
  c: plain
"""


def test_the_w_and_b_form(load: Load) -> None:
    text, notes = to_wandb_yaml(load(CONVERTED.replace("METHOD", "tpe")))
    written = parse(text).data
    assert written["method"] == "bayes"
    assert written["program"] == "src/train.py"
    assert written["metric"] == {"name": "val_loss", "goal": "maximize", "target": 0.9}
    assert written["early_terminate"] == {
        "type": "hyperband",
        "min_iter": 3,
        "eta": 3,
        "strict": True,
    }
    assert written["parameters"]["model"] == {
        "parameters": {"w": {"values": [1, 2]}, "kernel": {"value": [3, 3]}}
    }
    assert written["parameters"]["c"] == {"value": "plain"}
    assert written["parameters"]["opt"]["parameters"]["lr"]["distribution"] == "log_uniform_values"
    assert written["entity"] == "us"
    said = " ".join(notes)
    for word in ("tpe", "repeats", "`when`", "script", "metric.mode"):
        assert word in said


def test_it_loads_here_again_with_the_same_distributions(load: Load) -> None:
    sweep = load(CONVERTED.replace("METHOD", "random"))
    text, _ = to_wandb_yaml(sweep)
    again = load(text)
    before = {p.path: p.distribution for p in sweep.space.parameters}
    for parameter in again.space.parameters:
        if parameter.path in before:
            for u in (0.01, 0.5, 0.9):
                found = parameter.distribution.ppf(u)
                assert found == pytest.approx(before[parameter.path].ppf(u))


def test_w_and_b_has_no_lists(load: Load) -> None:
    with pytest.raises(UsageError, match="no list of trials"):
        to_wandb_yaml(load("method: list\ntrials: [{a: 1}]"))


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_w_and_b_validates_the_result(load: Load, method: str) -> None:
    cfg = pytest.importorskip("sweeps.config.cfg", reason="see record_wandb_engine.py")
    import yaml

    text, _ = to_wandb_yaml(load(CONVERTED.replace("METHOD", method)))
    assert cfg.schema_violations_from_proposed_config(yaml.safe_load(text)) == []


def checked_fields() -> dict[str, Field]:
    tables = {
        "": FIELDS,
        "metric.": METRIC,
        "resources.": RESOURCES,
        "budget.": BUDGET,
        "retry.": RETRY,
        "checkpoint.": CHECKPOINT,
        **{f"{kind}.": fields for kind, fields in TYPES.items()},
    }
    fields = {prefix + name: one for prefix, table in tables.items() for name, one in table.items()}
    # Of a duration or a size the schema knows the type alone.
    return {
        name: one
        for name, one in fields.items()
        if one.rule.words and one.rule not in (DURATION, SIZE)
    }


@pytest.mark.parametrize(("name", "field"), checked_fields().items())
def test_the_schema_allows_what_the_loader_does(name: str, field: Field) -> None:
    choices = field.schema.get("enum", [])
    numbers = [0, 1, -1, 0.5, 1.5, 2.0, 10**400]
    for value in [*choices, *numbers, True, None, "", "x", "1", [], ["best"], {}]:
        assert jsonschema.Draft7Validator(field.schema).is_valid(value) == field.rule.allows(value)
