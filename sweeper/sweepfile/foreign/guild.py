"""Guild AI: the flags of an operation in a ``guild.yml``.

https://my.guild.ai/t/flags: a list is tried value by value; ``[min:max]`` and ``uniform[min:max]``
are whole numbers, both ends included, if both ends are; ``range[start:end:step]`` has its end.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile.yaml12 import parse

from .converting import Converting, evenly, steps

_FUNCTION = re.compile(r"([a-z]*)\[([^\[\]]+:[^\[\]]+)\]\s*\Z")
_KNOWN = (
    *("main", "flags", "objective", "max-trials", "default", "description", "name"),
    *("exec", "flags-dest"),
)


def read(to: Converting) -> None:
    name, operation = _operation(to)
    to.document.update({"name": name, "method": "grid"})
    words = shlex.split(str(operation.get("main") or name))
    to.document["program"] = words[0].replace("/", ".")
    if len(words) > 1:
        arguments = [*words[1:], "${args}"]
        to.document["command"] = ["${interpreter}", "-m", "${program}", *arguments]
    objective = operation.get("objective")
    if isinstance(objective, dict) and len(objective) == 1:
        (way, metric), *_ = objective.items()
        to.aim(str(metric), way == "maximize")
    elif objective:
        to.aim(str(objective).removeprefix("-"), str(objective).startswith("-"))
    if "exec" in operation:
        to.refused.append("exec: has a program of its own: write `command`")
    if operation.get("flags-dest", "args") != "args":
        to.refused.append(f"flags-dest: {operation['flags-dest']}: flags are arguments here")
    if "max-trials" in operation:
        to.document["run_cap"] = operation["max-trials"]
    to.leave(operation, _KNOWN)
    to.notes.append(
        "flags: are arguments, --name=value: a program whose globals Guild sets, as it has no "
        "argparse, must ask sweeper.params() for them"
    )
    for flag, value in (operation.get("flags") or {}).items():
        if flag.startswith("$"):
            to.refused.append(f"{flag}: flags of another place: write them here")
        elif isinstance(value, dict):
            to.leave(value, ("default", "description", "type"), f"{flag}.")
            _flag(to, flag, value.get("default"))
        else:
            _flag(to, flag, value)


def _operation(to: Converting) -> tuple[str, dict[str, Any]]:
    data = to.data()
    found: dict[str, Any] = {}
    for part in data if isinstance(data, list) else [data]:
        part = part if isinstance(part, dict) else {}
        found |= part.get("operations") or ({} if "model" in part else part)
    found = {name: one for name, one in found.items() if isinstance(one, dict)}
    with_flags = [name for name, one in found.items() if one.get("flags")]
    chosen = [name for name in with_flags if found[name].get("default")] or with_flags
    if len(chosen) != 1:
        names = ", ".join(chosen) or "none"
        raise UsageError(f"{to.path}: expected one operation with flags, found {names}")
    return chosen[0], found[chosen[0]]


def _flag(to: Converting, name: str, value: Any) -> None:
    if isinstance(value, list) and len(value) == 1 and ":" in str(value[0]):
        value = f"[{value[0]}]"  # unquoted
    call = _FUNCTION.match(value) if isinstance(value, str) else None
    if value is None:  # an argument that is not given
        return
    listed = value if isinstance(value, list) else [value]
    if None in listed:
        to.refused.append(f"{name}: {value}: null leaves the argument out in Guild")
    if any(isinstance(one, bool) for one in listed):
        to.notes.append(f"{name}: is passed as True or False, where Guild has 1 and ''")
    if call is None:
        to.put([name], {"values" if isinstance(value, list) else "value": value})
        return
    given = [parse(part, name).data for part in call[2].split(":")]
    kind = call[1] or "uniform"
    count = given[2] if len(given) == 3 else 5
    if not all(isinstance(one, (int, float)) for one in given):
        to.refused.append(f"{name}: {value}")
    elif kind in ("uniform", "loguniform") and len(given) in (2, 3):
        to.document["method"] = "random"
        if len(given) == 3:
            to.notes.append(f"{name}: its initial value {given[2]} is not tried first")
        if kind == "uniform" and all(isinstance(one, int) for one in given[:2]):
            to.put([name], {"distribution": "int_uniform", "min": given[0], "max": given[1]})
        else:
            to.draw([name], kind, [float(one) for one in given[:2]])
    elif kind == "range":
        step = given[2] if len(given) == 3 else 1
        to.put([name], {"values": steps(given[0], given[1], step, last=True)})
    elif kind in ("linspace", "logspace") and len(given) == 3 and count > 1:
        values = evenly(given[0], given[1], count)
        to.put([name], {"values": [10**one for one in values] if kind == "logspace" else values})
    else:
        to.refused.append(f"{name}: {value}")
