"""``base`` and ``trials`` may name files: what these hold is put in their place."""

from __future__ import annotations

import os.path
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.wording import all_of, did_you_mean

from .problems import Problems
from .program import find_file, names_beside
from .trials_file import FORMATS, read_params, read_rows


def inline_base(problems: Problems, data: dict[str, Any], sweep_file: Path) -> None:
    """Make ``base`` a mapping, if it is there."""
    raw = data.get("base")
    if "base" not in data or isinstance(raw, dict):
        return
    found = None
    if isinstance(raw, str):
        found = _read(problems, "base", raw, sweep_file, read_params)
        data["base"] = found or {}
    else:
        problems.expected(("base",), "a JSON or YAML file, or a mapping", raw)
    problems.base_is_unread = found is None


def inline_trials(
    problems: Problems, data: dict[str, Any], method: str | None, sweep_file: Path
) -> list[Any] | None:
    """The dicts of ``method: list``; None if there are none."""
    raw = data.get("trials")
    if "trials" not in data:
        if method == "list":
            problems.add(
                ("method",),
                "`method: list` needs `trials`",
                "a list of parameter dicts, or a file",
            )
        return None
    if method is not None and method != "list":
        problems.add(
            ("trials",),
            f"`trials` has no meaning in `method: {method}`",
            "use `method: list`",
            on_key=True,
        )
        return None
    if isinstance(raw, str):
        raw = _read(problems, "trials", raw, sweep_file, read_rows)
        if raw is None:
            return None
    what = "a list of parameter dicts, or a file"
    data["trials"] = raw = problems.items(("trials",), what, raw)
    return raw or None


def _read(
    problems: Problems, key: str, name: str, sweep_file: Path, read: Callable[[Path], Any]
) -> Any:
    """What the file holds that stands at ``key``: beside the sweep file, or in the current
    directory; None, and a complaint, if it cannot be read.
    """
    if problems.is_stored:
        problems.add((key,), f"a stored sweep is whole and takes no file, found {name!r}")
        return None
    place = find_file(name, sweep_file.parent)
    if not os.path.isfile(place):  # nor a FIFO or a device, which would be waited for
        problems.add((key,), f"there is no file {place}", _mend(place, sweep_file))
        return None
    try:
        return read(place)
    except UsageError as error:
        problems.add((key,), str(error))
        return None


def _mend(missing: Path, sweep_file: Path) -> str:
    """Which file may be meant instead of a missing one."""
    names = names_beside(missing)
    if hint := did_you_mean(missing.name, names):
        return hint
    files = sorted(file for file in names if Path(file).suffix in FORMATS)
    files = [file for file in files if file != sweep_file.name][:6]
    if files:
        return f"beside it there {'are' if len(files) > 1 else 'is'} {all_of(files)}"
    return "name a file beside the sweep file"
