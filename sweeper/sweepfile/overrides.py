"""``a.b.c=value`` on the command line: edits of the sweep file before it is validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweeper.wording import nearest

from .keys import KEYS, WANDB_KEYS
from .problems import Problems
from .search_space import PARAMETER_KEYS, dotted_names, find_place
from .yaml12 import Document, KeyPath, parse

# What a new `value`, `values` or `min`/`max` of a parameter replaces.
_KIND_KEYS = [key for key in PARAMETER_KEYS if key not in ("parameters", "when")]


def apply_overrides(document: Document, problems: Problems, overrides: Sequence[str]) -> None:
    """Change ``document.data`` as asked; complaints go to ``problems``."""
    for text in overrides:
        name, equals, value_text = text.partition("=")
        parts = name.strip().split(".")
        if not equals or not all(parts):
            example = "for example parameters.training.epochs.value=3"
            _refuse(problems, (text,), "expected KEY=VALUE", example)
            continue
        parsed = parse(value_text, text)
        if parsed.problems:
            what = f"the value {value_text!r} is not valid YAML"
            _refuse(problems, tuple(parts), what, "quote it")
            continue
        if parts[0] not in KEYS and parts[0] not in WANDB_KEYS:
            _unknown(problems, document.data, parts, text)
            continue
        _set(document, problems, parts, parsed.data, text)


def _refuse(problems: Problems, key: KeyPath, message: str, mend: str = "") -> None:
    """Complain about an override of ``key``, for which the file has no place."""
    problems.options.add(key)
    problems.add(key, message, mend)


def _unknown(problems: Problems, data: Any, parts: list[str], text: str) -> None:
    parameters = data.get("parameters")
    known = parameters if isinstance(parameters, dict) else {}
    base = data.get("base") if isinstance(data.get("base"), dict) else {}
    close = nearest(parts[0], [*KEYS, *known])
    mend = f"did you mean `{close[0]}`?" if close else ""
    if parts[0] in known or (close and close[0] in known):
        ending = "" if len(parts) > 1 and parts[-1] in PARAMETER_KEYS else ".value"
        right = ".".join(["parameters", *(close or parts[:1]), *parts[1:]])
        mend = f"did you mean `{right}{ending}={text.partition('=')[2]}`?"
    elif parts[0] in base:
        bare = parts[:-1] if len(parts) > 1 and parts[-1] == "value" else parts
        mend = f"did you mean `{'.'.join(['parameters', *bare])}.value={text.partition('=')[2]}`?"
    what = f"unknown key `{parts[0]}` in the override `{text}`"
    _refuse(problems, tuple(parts), what, mend)


def _set(document: Document, problems: Problems, parts: list[str], value: Any, text: str) -> None:
    data = document.data
    if parts[0] == "parameters" and len(parts) > 1:
        path = _parameter_path(problems, data, parts[1:], text)
        if path is None:
            return
    else:
        path = tuple(parts)
    level: Any = data
    for index, part in enumerate(path[:-1]):
        following = level.get(part)
        if not isinstance(following, dict):
            if following is not None and not _is_parameter(path[: index + 1]):
                above = ".".join(path[: index + 1])
                _refuse(problems, path, f"`{above}` is no mapping in the override `{text}`")
                return
            following = level[part] = {}
        level = following
    if _is_parameter(path[:-1]) and path[-1] in ("value", "values", "min", "max", "distribution"):
        _make_room(level, str(path[-1]))
    level[path[-1]] = value
    problems.options.add(path)


def _is_parameter(path: Sequence[str | int]) -> bool:
    return len(path) > 1 and path[0] == "parameters" and path[-1] != "parameters"


def _make_room(body: dict[str, Any], key: str) -> None:
    """A parameter is either constant, listed or drawn: the new form ends the old one."""
    bounds = ["value", "values", "probabilities"]
    clashing = {"distribution": ["value"], "min": bounds, "max": bounds}
    for other in clashing.get(key, [other for other in _KIND_KEYS if other != key]):
        body.pop(other, None)


def _parameter_path(
    problems: Problems, data: dict[str, Any], parts: list[str], text: str
) -> tuple[str, ...] | None:
    """The place in the file of a dotted address below ``parameters``."""
    ending = parts[-1:] if len(parts) > 1 and parts[-1] in PARAMETER_KEYS else []
    address = parts[: len(parts) - len(ending)]
    parameters = data.setdefault("parameters", {})
    if not isinstance(parameters, dict):
        parameters = data["parameters"] = {}
    tree, name = _names(parameters), ".".join(part for part in address if part != "parameters")
    if found := find_place(tree, name):
        return (*(word for part in found for word in ("parameters", part)), *ending)
    base = data["base"] if isinstance(data.get("base"), dict) else {}
    close = nearest(name, [*dotted_names(tree), *dotted_names(base)])
    if close and find_place(base, name) is None:
        what = f"no parameter `{name}` for the override `{text}`"
        _refuse(problems, ("parameters", *parts), what, f"did you mean `{close[0]}`?")
        return None
    return ("parameters", name, *ending)


def _names(parameters: dict[str, Any]) -> dict[str, Any]:
    """The names of parameters, those of groups nested."""
    inner = {
        name: body.get("parameters") if isinstance(body, dict) else None
        for name, body in parameters.items()
    }
    return {name: _names(one) if isinstance(one, dict) else None for name, one in inner.items()}
