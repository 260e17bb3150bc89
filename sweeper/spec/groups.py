"""Which parameters make the identity of an experiment when nobody says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Monitored = tuple[str | tuple[str, ...], ...]

_LONGEST_ID = 200
_GROUP_LENGTH = 9  # "-" and eight digits


def default_monitored(
    params: Mapping[str, Any],
    varying: Collection[str] = (),
    conditional: Collection[str] = (),
) -> Monitored:
    """The groups that identify an experiment by default.

    Every top-level mapping of ``params`` is a group, in sorted order; the top-level keys that are
    no mappings but that the sweep varies (``varying``) are one more group together, with the
    mappings that not every trial has (``conditional``). Without any mapping, all top-level keys but
    ``debug`` are one group. Too many groups for a directory name are joined into one, and so are
    all where a trial may have nothing of a group.
    """
    groups = sorted(key for key, value in params.items() if isinstance(value, Mapping))
    if not groups:
        return (tuple(sorted(key for key in params if key != "debug")),)
    always = [key for key in groups if key not in conditional]
    wanted = {*varying, *groups} & set(params) - set(always)
    groups = always
    loose = tuple(sorted(wanted - {"debug"}))
    monitored: Monitored = (*groups, loose) if loose else tuple(groups)
    is_long = len("exp") + _GROUP_LENGTH * len(monitored) > _LONGEST_ID
    if is_long or (loose and set(loose) <= set(conditional)):
        return (tuple(sorted({*groups, *loose})),)
    return monitored
