"""Which groups of parameters make the identity of an experiment: `monitored`, or by default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from sweeper.wording import all_of, nearest, one_of

from .problems import Problems

Monitored = tuple[str | tuple[str, ...], ...]

NOTES = ("author", "comment", "description", "notes", "tags")
"""Top-level keys that people write to themselves: they change no result."""

_LONGEST_ID = 200
_GROUP_LENGTH = 9  # "-" and eight digits


def default_monitored(
    params: Mapping[str, Any],
    varying: Collection[str] = (),
    conditional: Collection[str] = (),
) -> Monitored:
    """The groups that identify an experiment by default: every parameter, constants too.

    Every top-level mapping of ``params`` is a group, in sorted order; the other top-level keys are
    one more group together, with the mappings that not every trial has (``conditional``). What
    changes no result, ``debug`` and :data:`NOTES`, is left out, but for notes that the sweep varies
    (``varying``). Too many groups for a directory name are joined into one, and so are all where a
    trial may have nothing of a group.
    """
    left_out = {"debug", *(note for note in NOTES if note not in varying)}
    counted = set(params) - left_out or set(params) - {"debug"}
    groups = sorted(key for key in counted if isinstance(params[key], Mapping))
    always = [key for key in groups if key not in conditional]
    loose = tuple(sorted(counted - set(always)))
    monitored: Monitored = (*always, loose) if loose else tuple(always)
    is_long = len("exp") + _GROUP_LENGTH * len(monitored) > _LONGEST_ID
    if is_long or (loose and set(loose) <= set(conditional)):
        return (tuple(sorted(counted)),)
    return monitored


def parse_monitored(
    problems: Problems, raw: Any, names: Collection[str], conditional: Collection[str] = ()
) -> tuple[Any, ...]:
    """Top-level keys of the parameter dict, or lists of them that are one group together.

    ``conditional`` are the names that some trials do not have.
    """
    key = ("monitored",)
    mend = f"write `monitored: [{raw}]`" if isinstance(raw, str) else ""
    listed = problems.items(key, "a list of names of top-level parameters", raw, mend)
    found: list[str | tuple[str, ...]] = []
    for index, element in enumerate(listed):
        group = element if isinstance(element, list) else [element]
        for place, name in enumerate(group):
            if not isinstance(name, str) or name not in names:
                top = str(name).split(".")[0]
                close = nearest(str(name), names) or [top] * (top in names)
                mend = f"there are {all_of(islice(names, 20))}" if names else ""
                mend = f"did you mean `{close[0]}`?" if close else mend
                at = (*key, index, place) if isinstance(element, list) else (*key, index)
                problems.expected(at, "the name of a top-level parameter or group", name, mend)
        if not group:
            problems.expected((*key, index), "at least one name", element)
        elif all(isinstance(name, str) and name in conditional for name in group):
            always = [name for name in names if name not in conditional]
            problems.add(
                (*key, index),
                f"not every trial has {one_of(f'`{name}`' for name in group)}, which has a `when`",
                f"name it together with another: [{always[0]}, {group[0]}]" if always else "",
            )
        found.append(tuple(map(str, group)) if isinstance(element, list) else str(element))
    flat = [name for one in found for name in ([one] if isinstance(one, str) else one)]
    for name in sorted(name for name, count in Counter(flat).items() if count > 1):
        problems.add(key, f"`{name}` stands twice", "name each group once")
    return tuple(found)
