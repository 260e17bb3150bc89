"""The JSON Schema of the sweep file, from which editors complete and check."""

from __future__ import annotations

import json

from sweeper.space import KINDS

from .keys import FIELDS, WANDB_KEYS
from .rules import Schema, closed
from .search_space import WHEN, parameter_schema


def schema() -> Schema:
    theirs = {"description": "Used by W&B's service alone; kept."}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Sweep file of sweeper",
        "type": "object",
        "required": ["method"],
        "additionalProperties": False,
        "properties": {
            **{name: field.schema for name, field in FIELDS.items()},
            **dict.fromkeys(WANDB_KEYS, theirs),
        },
        "definitions": {
            "parameters": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/definitions/parameter"},
            },
            "parameter": {
                "anyOf": [
                    {"type": ["string", "number", "boolean"], "description": "A constant."},
                    closed({"parameters": FIELDS["parameters"], "when": WHEN}, ("parameters",)),
                    *map(parameter_schema, KINDS),
                ]
            },
        },
    }


def schema_json() -> str:
    return json.dumps(schema(), indent=2) + "\n"
