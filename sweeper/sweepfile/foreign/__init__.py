"""Sweeps as other tools write them, as a sweep file: what means the same, and what does not.

Every tool has a module with a function ``read``. Nobody's code is run: Python is only parsed.
"""

from __future__ import annotations

from pathlib import Path

from sweeper.errors import UsageError
from sweeper.sweepfile.load import load_sweep
from sweeper.sweepfile.yaml12 import to_yaml

from . import determined, guild, hydra, keras_tuner, nni, seml, tune
from .converting import Converting

TOOLS = {
    "tune": tune.read,
    "keras-tuner": keras_tuner.read,
    "nni": nni.read,
    "determined": determined.read,
    "seml": seml.read,
    "hydra": hydra.read,
    "guild": guild.read,
}


def from_tool(path: Path, tool: str) -> tuple[str, list[str]]:
    """The sweep file, as YAML text, that means what ``tool`` makes of ``path``; and notes on it.

    Raises UsageError that names all that has no equal here, and SpecError.
    """
    found = Converting(path)
    try:
        TOOLS[tool](found)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UsageError(f"{path}: expected a file as {tool} reads it ({what})") from error
    if not found.parameters and not found.refused:
        raise UsageError(f"{path}: expected a search space of {tool}, found none")
    if found.refused:
        told = "\n  ".join(found.refused)
        raise UsageError(f"{path}: this has no equal in a sweep file:\n  {told}")
    text = to_yaml({**found.document, "parameters": found.parameters})
    load_sweep(path, text=text)
    if found.document["method"] != "grid" and "run_cap" not in found.document:
        found.notes.append("run_cap: say how many trials; a default of theirs is not converted")
    return text, found.notes
