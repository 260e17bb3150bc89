"""What a key may hold: one rule gives the check, the words of a complaint and the JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from sweeper.wording import did_you_mean, one_of

from .problems import Problems
from .yaml12 import KeyPath

Schema = dict[str, Any]
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES |= {f"{prefix}I": 1024 ** (place + 1) for place, prefix in enumerate("KMGTP")}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]I?)?B?\s*\Z", re.IGNORECASE)
_CLOCK = re.compile(r"([0-9]{1,12}):([0-5]?[0-9])(?::([0-5]?[0-9]))?\Z")


@dataclass(frozen=True)
class Rule:
    """What a value may be.

    ``words`` say what was expected. ``typed`` makes of an allowed value what is used. ``mend``
    says what to write instead of a value of the key with that name (a number: an item of a list).
    A rule without a check has its own where the value is read.
    """

    schema: Schema
    words: str = ""
    allows: Callable[[Any], bool] = lambda value: True
    typed: Callable[[Any], Any] = lambda value: value
    mend: Callable[[Any, str | int], str] = lambda value, name: ""


@dataclass(frozen=True)
class Field:
    """A key: what it may hold, what counts without it, and a line about it for editors."""

    rule: Rule
    default: Any = None
    description: str = ""

    @property
    def schema(self) -> Schema:
        schema = dict(self.rule.schema)
        if self.default is not None:
            schema["default"] = self.default
        return {**schema, "description": self.description} if self.description else schema


def closed(fields: Mapping[str, Field], required: Sequence[str] = ()) -> Schema:
    """The schema of a mapping with these keys and no others."""
    schema: Schema = {
        "type": "object",
        "properties": {name: one.schema for name, one in fields.items()},
        "additionalProperties": False,
    }
    return {**schema, "required": list(required)} if required else schema


def any_of(*schemas: Schema) -> Rule:
    """What one of these allows; who reads it checks it."""
    return Rule({"anyOf": list(schemas)})


def read_value(problems: Problems, value: Any, key: KeyPath, rule: Rule) -> Any:
    """The value as it is used; None, and a complaint, if ``rule`` does not allow it."""
    if rule.allows(value):
        return rule.typed(value)
    problems.expected(key, rule.words, value, rule.mend(value, key[-1]))
    return None


def read_mapping(
    problems: Problems, raw: Any, key: KeyPath, fields: Mapping[str, Field], mend: str = ""
) -> dict[str, Any] | None:
    """The values of a mapping's keys that are allowed; None if it is no mapping."""
    if not isinstance(raw, dict):
        problems.expected(key, "a mapping", raw, mend)
        return None
    for name in raw:
        if name not in fields:
            problems.unknown((*key, name), fields)
    return {
        name: read_value(problems, raw[name], (*key, name), fields[name].rule)
        for name in fields
        if name in raw
    }


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is a number: YAML's booleans, which Python counts as integers, are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number(
    *, above: float | None = None, least: float | None = None, most: float | None = None
) -> Rule:
    words = "a number"
    schema: Schema = {"type": "number"}
    if above is not None:
        words, schema = f"{words} above {above}", {**schema, "exclusiveMinimum": above}
    if least is not None:
        words, schema = f"{words} of {least} or more", {**schema, "minimum": least}
    if most is not None:
        words, schema = f"{words} and up to {most}", {**schema, "maximum": most}

    def allows(value: Any) -> bool:
        return (
            is_number(value)
            and (above is None or value > above)
            and (least is None or value >= least)
            and (most is None or value <= most)
        )

    is_bounded = len(schema) > 1
    mend = "leave it out, or write {}: 1" if is_bounded else ""
    return Rule(schema, words, allows, mend=lambda value, name: mend.format(name))


def whole(least: int | None = None) -> Rule:
    """A whole number; 5.0 is one, as in JSON."""
    words = "a whole number"
    schema: Schema = {"type": "integer"}
    if least is not None:
        words, schema = f"{words} of {least} or more", {**schema, "minimum": least}

    def allows(value: Any) -> bool:
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return is_number(value) and is_whole and (least is None or value >= least)

    def mend(value: Any, name: str | int) -> str:
        if isinstance(value, str) and value.strip().lstrip("-").isdigit():
            return f"remove the quotes: {name}: {value}"
        if is_number(value) and least is not None and value < least:
            return f"leave `{name}` out, or give {least} or more"
        if is_number(value) and math.isfinite(value):
            return f"write {math.floor(value)} or {math.ceil(value)}"
        return f"for example {name}: {(least or 0) + 1}"

    return Rule(schema, words, allows, int, mend)


def choice(*names: str, otherwise: str = "", synonyms: Mapping[str, str] | None = None) -> Rule:
    """One of ``names``; ``otherwise`` mends what is near none and none of the ``synonyms``."""

    def allows(value: Any) -> bool:
        return isinstance(value, str) and value in names

    def mend(value: Any, name: str | int) -> str:
        hint = ""
        if isinstance(value, str):
            meant = (synonyms or {}).get(value.lower())
            hint = f"did you mean `{meant}`?" if meant else did_you_mean(value, names)
        first = names[0] if isinstance(name, int) else f"{name}: {names[0]}"
        return hint or otherwise or f"write `{first}`"

    return Rule({"enum": list(names)}, one_of(names), allows, mend=mend)


def text(words: str) -> Rule:
    """Text that is not empty."""
    return Rule(TEXT.schema, words, _is_text)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def seconds(value: object) -> float | None:
    """Seconds in ``12h``, ``90m``, ``1h30m``, ``2d``, ``01:30:00`` or a number; None if it is
    none.
    """
    if is_number(value):
        return float(value) if 0 < value < math.inf else None
    if not isinstance(value, str):
        return None
    clock = _CLOCK.match(value.strip())
    if clock:
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(hours * 3600 + minutes * 60 + rest) or None
    parts = _PART.findall(value.lower())
    if _PART.sub("", value.lower()) or any(unit not in _SECONDS for _, unit in parts):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return total if 0 < total < math.inf else None


def size_in_bytes(value: object) -> int | None:
    """Bytes in ``50GB`` (decimal), ``50GiB`` (binary) or a number; None if it is no size."""
    if is_number(value):
        return int(value) if 0 < value < math.inf else None
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    size = float(match[1]) * _BYTES[(match[2] or "").upper()]
    return (int(size) if size < math.inf else 0) or None


TEXT = Rule({"type": "string", "minLength": 1})
NAMES = Rule(
    {"type": "array", "items": TEXT.schema, "minItems": 1},
    "a list of words",
    lambda value: isinstance(value, list) and value != [] and all(map(_is_text, value)),
    tuple,
)
FLAG = Rule(
    {"type": "boolean"},
    "true or false",
    lambda value: isinstance(value, bool),
    mend=lambda value, name: (
        f"write `{name}: {str(str(value).lower() in ('yes', 'on', '1', 'y')).lower()}`"
    ),
)
ABOVE_ZERO = number(above=0)
COUNT = whole(1)
DURATION = Rule(
    {"type": ["string", "number"], "description": "12h, 90m, 1h30m, 45s or seconds"},
    "a duration",
    lambda value: seconds(value) is not None,
    seconds,
    lambda value, name: "like 12h, 90m, 1h30m or 45s",
)
SIZE = Rule(
    {"type": ["string", "number"], "description": "50GB, 500MB or bytes"},
    "a size",
    lambda value: size_in_bytes(value) is not None,
    size_in_bytes,
    lambda value, name: "like 50GB or 500MB",
)
