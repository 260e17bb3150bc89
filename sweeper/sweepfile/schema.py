"""The JSON Schema of the sweep file, from which editors complete and check."""

from __future__ import annotations

import json
from typing import Any

from sweeper.space import BOUNDED, KINDS

from .early_terminate import TYPES
from .keys import WANDB_KEYS
from .sweep import METHODS

Schema = dict[str, Any]
_NUMBER: Schema = {"type": "number"}
_ABOVE_ZERO: Schema = {"type": "number", "exclusiveMinimum": 0}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_NAME: Schema = {"type": "string", "minLength": 1}
_NAMES: Schema = {"type": "array", "items": _NAME, "minItems": 1}
_WHEN: Schema = {
    "type": "string",
    "description": "The parameter exists only where this holds, e.g. optimizer == 'sgd'.",
}
_DURATION: Schema = {"type": ["string", "number"], "description": "12h, 90m, 1h30m, 45s or seconds"}


def schema() -> Schema:
    """The schema, draft 7."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Sweep file of sweeper",
        "type": "object",
        "required": ["method"],
        "additionalProperties": False,
        "properties": {**_properties(), **_wandb_properties()},
        "definitions": {
            "parameters": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/definitions/parameter"},
            },
            "parameter": {"anyOf": _parameter_forms()},
        },
    }


def schema_json() -> str:
    """The schema as text."""
    return json.dumps(schema(), indent=2) + "\n"


def _closed(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    closed: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**closed, "required": list(required)} if required else closed


def _parameter_forms() -> list[Schema]:
    forms: list[Schema] = [
        {"type": ["string", "number", "boolean"], "description": "A constant."},
        _closed(
            {"parameters": {"$ref": "#/definitions/parameters"}, "when": _WHEN}, ("parameters",)
        ),
    ]
    for kind, (required, optional) in KINDS.items():
        numbers = {name: _number_of(kind, name) for name in (*required, *optional)}
        properties = {**numbers, "distribution": {"enum": [kind]}, "when": _WHEN}
        is_inferred = kind in (
            "constant",
            "categorical",
            "categorical_w_probabilities",
            "int_uniform",
            "uniform",
        )
        forms.append(_closed(properties, required if is_inferred else (*required, "distribution")))
    return forms


def _number_of(kind: str, name: str) -> Schema:
    if name == "value":
        return {"description": "The one value of this parameter."}
    if name == "values":
        return {"type": "array", "minItems": 1, "description": "The values to try."}
    if name == "probabilities":
        return {"type": "array", "items": {"type": "number", "minimum": 0}}
    if kind == "int_uniform":
        return {"type": "integer"}
    if name == "min" and kind in BOUNDED and kind.endswith("_values"):
        return _ABOVE_ZERO
    if name in ("q", "a", "b"):
        return _ABOVE_ZERO
    return {"type": "number", "minimum": 0} if name == "sigma" else _NUMBER


def _properties() -> Schema:
    return {
        "name": {**_NAME, "description": "Base directory of the tree below `storage`."},
        "program": {
            **_NAME,
            "description": "A file or module with train(params, callbacks), or a script.",
        },
        "command": {"type": "array", "description": "Words and macros that run a script."},
        "method": {"enum": list(METHODS), "description": "How trials are chosen."},
        "metric": _closed(
            {
                "name": _NAME,
                "goal": {"enum": ["minimize", "maximize"], "default": "minimize"},
                "target": {**_NUMBER, "description": "No new trials once reached."},
                "mode": {"enum": ["best", "last"], "default": "best"},
                "impute": {"type": "string"},
                "impute_while_running": {},
            },
            ("name",),
        ),
        "run_cap": {**_COUNT, "description": "Trials in all, over every launch."},
        "seed": {"type": "integer", "default": 0},
        "base": {
            "type": ["string", "object"],
            "description": "Parameters every trial starts from: a JSON or YAML file, or a mapping.",
        },
        "parameters": {"$ref": "#/definitions/parameters"},
        "trials": {
            "description": "The trials of `method: list`: parameter dicts, or a file of them.",
            "anyOf": [_NAME, {"type": "array", "minItems": 1, "items": {"type": "object"}}],
        },
        "monitored": {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [_NAME, _NAMES]},
            "description": "Parameter groups that make an experiment's identity.",
        },
        "constraints": {"type": "array", "items": _NAME},
        "zip": {"type": "array", "items": {**_NAMES, "minItems": 2}},
        "order": {"enum": ["as_written", "shuffle"], "default": "as_written"},
        "repeats": {**_COUNT, "default": 1, "description": "Runs per experiment."},
        "early_terminate": {"anyOf": [_early(kind) for kind in TYPES]},
        "resources": _closed({"cpu": _ABOVE_ZERO, "gpu": {"type": "number", "minimum": 0}}),
        "parallel": {"anyOf": [{"enum": ["auto"]}, _COUNT], "default": "auto"},
        "budget": _closed(
            {
                "wall": _DURATION,
                "trial": _DURATION,
                "trials": _COUNT,
                "disk": {"type": ["string", "number"], "description": "50GB, 500MB or bytes"},
            }
        ),
        "retry": _closed({"max": {"type": "integer", "minimum": 0}, "breaker": _COUNT}),
        "checkpoint": _closed(
            {
                "keep": {"anyOf": [_keep(), {"type": "array", "items": _keep()}]},
                "top": {**_COUNT, "description": "So many runs, the best, keep their models."},
                "format": {"enum": ["keras", "h5"]},
                "monitor": _NAME,
                "mode": {"enum": ["min", "max"]},
            }
        ),
        "storage": {**_NAME, "default": "experiments"},
        "sweep_name": {**_NAME, "description": "Directory below <name>/sweeps."},
    }


def _keep() -> Schema:
    return {"enum": ["best", "last", "all"]}


def _early(kind: str) -> Schema:
    properties: Schema = {"type": {"enum": [kind]}}
    for name, default in TYPES[kind].items():
        if name == "strict":
            properties[name] = {"type": "boolean"}
        elif name == "eta":
            properties[name] = {"type": "number", "exclusiveMinimum": 1}
        elif name in ("quantile", "resample"):
            properties[name] = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
        else:
            properties[name] = dict(_COUNT)
        if default is not None:
            properties[name]["default"] = default
    return _closed(properties, ("type",))


def _wandb_properties() -> Schema:
    return {key: {"description": "Used by W&B's service alone; kept."} for key in WANDB_KEYS}
