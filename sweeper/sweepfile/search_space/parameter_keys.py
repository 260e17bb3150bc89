"""The keys of a parameter: for each kind of distribution, those it takes and what they hold."""

from __future__ import annotations

from sweeper.space import INFERRED_KINDS, KINDS
from sweeper.sweepfile.rules import ABOVE_ZERO, Field, Rule, Schema, choice, closed, number, whole

NUMBERS = ("min", "max", "q", "mu", "sigma", "a", "b")
PARAMETER_KEYS = (
    "value",
    "values",
    "probabilities",
    "distribution",
    *NUMBERS,
    "parameters",
    "when",
)
PROBABILITY = number(least=0)  # together they sum to 1
WHEN = Field(
    Rule({"type": "string"}),
    description="The parameter exists only where this holds, e.g. optimizer == 'sgd'.",
)
_VALUES: dict[str, Field] = {
    "value": Field(Rule({}), description="The one value of this parameter."),
    "values": Field(Rule({"type": "array", "minItems": 1}), description="The values to try."),
    "probabilities": Field(Rule({"type": "array", "items": PROBABILITY.schema})),
}


def rule_of(kind: str, name: str) -> Rule:
    """What the number ``name`` of this kind of distribution may be."""
    if kind == "int_uniform":
        return whole()
    if name in ("q", "a", "b") or (name == "min" and kind.endswith("_values")):
        return ABOVE_ZERO
    return number(least=0) if name == "sigma" else number()


def parameter_schema(kind: str) -> Schema:
    required, optional = KINDS[kind]
    fields = {
        name: _VALUES[name] if name in _VALUES else Field(rule_of(kind, name))
        for name in (*required, *optional)
    }
    fields |= {"distribution": Field(choice(kind)), "when": WHEN}
    return closed(fields, required if kind in INFERRED_KINDS else (*required, "distribution"))
