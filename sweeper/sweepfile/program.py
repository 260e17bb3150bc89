"""The user's program, as a sweep file names it."""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass
from pathlib import Path

from .function_or_script import Mode

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")
_FUNCTION = re.compile(r"[A-Za-z_]\w*\Z")


@dataclass(frozen=True)
class Program:
    """What a trial runs: a file (``path``, absolute) or a dotted ``module``, and its ``function``.

    ``mode`` is None where only a look at the file can tell whether it has the function.
    """

    path: Path | None
    module: str | None
    function: str = "train"
    mode: Mode | None = None

    @property
    def text(self) -> str:
        """The program as a sweep file names it."""
        place = str(self.path) if self.path is not None else str(self.module)
        named = self.mode == "function" or self.function != "train"
        return f"{place}:{self.function}" if named else place


def parse_program(text: str, directory: Path, *, has_command: bool) -> Program:
    """``file.py``, ``pkg.mod``, or either with ``:function``.

    A file is looked for beside the sweep file, then in the current directory. Raises ValueError
    with the reason if the text is no program.
    """
    place, colon, function = text.rpartition(":")
    if not colon or "/" in function or "\\" in function:
        place, function = text, ""
    elif not _FUNCTION.match(function):
        raise ValueError(f"`{function}` is no name of a function")
    if not place.strip():
        raise ValueError("it names no file or module")
    mode: Mode | None = "script" if has_command else "function" if function else None
    file = find_file(place, directory)
    is_module = _MODULE.match(place) and not place.endswith(".py") and not os.path.isfile(file)
    if is_module:  # unlike `job.sh`, `train` where these are files
        return Program(None, place, function or "train", mode)
    return Program(file, None, function or "train", mode)


def names_beside(path: Path) -> list[str]:
    """What there is in the directory of ``path``, which may not exist."""
    return [one.name for one in path.parent.iterdir()] if os.path.isdir(path.parent) else []


def find_file(name: str, directory: Path) -> Path:
    """The file that a sweep file in ``directory`` names: beside it, or in the current directory.

    A name that no file can have (too long, of no user) is one of a file that is not there.
    """
    given = os.path.expanduser(name)
    beside, here = directory / given, Path.cwd() / given
    return here if os.path.exists(here) and not os.path.exists(beside) else beside
