"""The shape of each record: what its fields may hold, so that who reads them need not ask again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Shape = Callable[[Any], bool]

OUTCOMES = ("finished", "stopped", "failed", "out-of-memory", "timed-out", "pruned")
"""How a run can end."""

_MOST = 10**15
_METRIC = frozenset((float, int, type(None)))


def _text(value: Any) -> bool:
    return type(value) is str


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _MOST


def _mapping(value: Any) -> bool:
    return type(value) is dict


def _row(value: Any) -> bool:
    if type(value) is not dict or not _count(value.get("epoch")):
        return False
    return all(type(item) in _METRIC for item in value.values())


def _like(pattern: str) -> Shape:
    whole = re.compile(pattern).fullmatch
    return lambda value: type(value) is str and whole(value) is not None


def _or_none(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


def _list(shape: Shape) -> Shape:
    return lambda value: type(value) is list and all(map(shape, value))


def _fields(_required: str = "", /, **shapes: Shape) -> Shape:
    required = frozenset(_required.split())

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for key, shape in shapes.items():  # noqa: SIM110  faster, and a tree has many records
            if key in value and not shape(value[key]):
                return False
        return True

    return check


def _group(value: Any) -> bool:
    return type(value) is str or (type(value) is list and bool(value) and all(map(_text, value)))


_NAME = _like(r"[^/.\0][^/\0]*")
_PLACE = _fields("experiment run", experiment=_NAME, run=_NAME, epoch=_count)
_PROGRAM = _fields(
    "path root",
    path=_or_none(_text),
    root=_text,
    function=_or_none(_text),
    command=_or_none(_list(_text)),
    sha256=_or_none(_text),
)
_ATTEMPT = _fields(
    number=_count,
    ended=_or_none(_text),
    resumed_from_epoch=_or_none(_count),
    source=_or_none(_like("[0-9a-f]{12}")),
    inexact=_list(_text),
)

RUN = _fields(
    sweep=_or_none(_text),
    trial=_or_none(_count),
    replicate=_count,
    seed=_count,
    parent=_or_none(_PLACE),
    continues=_PLACE,
    monitored=_list(_group),
    versions=_mapping,
    git=_or_none(_mapping),
    program=_or_none(_PROGRAM),
    attempts=_list(_ATTEMPT),
)

PERFORMANCES = _fields(
    monitor=_or_none(_text),
    mode=_or_none(_like("min|max")),
    best=_or_none(_row),
    last=_or_none(_row),
    elapsed=_seconds,
    epochs=_or_none(_count),
)

OUTCOME = _fields(
    "outcome",
    outcome=_like("|".join(OUTCOMES)),
    elapsed=_seconds,
    epochs=_count,
    error=lambda value: type(value) in (dict, str),
)

LEASE = _fields(
    pid=_count,
    started=_or_none(_seconds),
    host=_text,
    boot=_text,
    pidns=_text,
    time=_text,
    slots=_count,
    trial=_count,
)

CONTROL = _fields(
    launches=_list(_count),
    after_current=lambda value: type(value) is bool,
    since=_text,
    was=_or_none(_seconds),
    to=_or_none(_seconds),
)

WARM_START = _fields("metric sources", metric=_list(_text), sources=_mapping)

CHOICES = _fields(rerun=_list(_text), reuse=_list(_text), beside=_list(_text))

MANIFEST = _fields(
    owner=_text, epoch=_count, batch=_count, bytes=_count, arrays=_mapping, state=_mapping
)
"""What ``state.json`` says of a backup."""
