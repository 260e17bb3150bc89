"""The user's program, and the command that runs it as W&B's agent would."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.errors import SpecError
from sweeper.wording import nearest

from .mode import Mode, Verdict, judge

if TYPE_CHECKING:
    from .model import Sweep

AS_SCRIPT = 'command: ["${interpreter}", "${program}", "${args}"]'
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
    is_module = _MODULE.match(place) and not place.endswith(".py")
    if is_module and _find(place, directory).is_file():  # `job.sh`, `train` are files
        is_module = None
    if is_module:
        return Program(None, place, function or "train", mode)
    return Program(_find(place, directory), None, function or "train", mode)


def _find(place: str, directory: Path) -> Path:
    given = Path(place).expanduser()
    beside = directory / given
    if not beside.exists() and (Path.cwd() / given).exists():
        return Path.cwd() / given
    return beside


def check_program(sweep: Sweep) -> None:
    """Refuse a sweep whose program is not there. Raises SpecError with what was looked for."""
    program = sweep.program
    names_program = sweep.command is None or any("${program}" in str(w) for w in sweep.command)
    if program is None:
        if names_program:
            mend = "add `program: train.py`, a file with train(params, callbacks), or a script"
            raise SpecError([sweep.problem("program", "`program` is missing", mend)])
        return
    if not names_program:
        return
    if program.path is not None:
        if program.path.is_file():
            return
        directory = program.path.parent
        names = [entry.name for entry in directory.iterdir()] if directory.is_dir() else []
        close = nearest(program.path.name, names)
        mend = "write it, or name the file that has train(params, callbacks)"
        mend = f"did you mean {close[0]}?" if close else mend
        raise SpecError([sweep.problem("program", f"there is no file {program.path}", mend)])
    where = module_file(str(program.module), _places(sweep))
    if where is None:
        searched = ", ".join(str(place) for place in _places(sweep)[:2])
        message = (
            f"there is no module {program.module} (looked in {searched} and the installed packages)"
        )
        mend = "a file is written with its ending: train.py"
        raise SpecError([sweep.problem("program", message, mend)])


def _places(sweep: Sweep) -> list[Path]:
    beside = [sweep.path.parent] if sweep.path else []
    return [*beside, Path.cwd(), *(Path(place) for place in sys.path if place)]


def module_file(module: str, places: Sequence[Path]) -> Path | None:
    """The source file of a dotted module, found without importing anything; None if there is
    none.
    """
    parts = module.split(".")
    for place in places:
        stem = place.joinpath(*parts)
        for candidate in (stem / "__init__.py", stem.with_name(stem.name + ".py")):
            if candidate.is_file():
                return candidate
    return None


def program_file(sweep: Sweep) -> Path | None:
    """The file of the sweep's program, a module's too; None if it has none or it is not found."""
    program = sweep.program
    if program is None:
        return None
    return program.path or module_file(str(program.module), _places(sweep))


def program_verdict(sweep: Sweep) -> Verdict:
    """How the sweep's program is run; ``why`` says how to have it run otherwise, too.

    The file is only parsed, never run. A program that cannot be read counts as a script.
    """
    program = sweep.program
    if sweep.command is not None or program is None:
        return Verdict("script")
    if program.mode is not None:
        return Verdict(program.mode)
    path = program_file(sweep)
    try:
        verdict = judge(path.read_bytes() if path is not None else b"", program.function)
    except OSError:
        return Verdict("script")
    if not verdict.why:
        return verdict
    if verdict.mode == "function":
        other = f"`{AS_SCRIPT}` runs it as a script"
    else:
        other = f"`program: {_place(sweep)}:{program.function}` calls the function"
    return Verdict(verdict.mode, f"{verdict.why}; {other}")


def _place(sweep: Sweep) -> str:
    """The program as its sweep file may name it."""
    program = sweep.program
    assert program is not None
    if program.path is None:
        return str(program.module)
    beside = sweep.path.parent if sweep.path else Path.cwd()
    inside = program.path.is_relative_to(beside)
    return str(program.path.relative_to(beside) if inside else program.path)


def program_mode(sweep: Sweep) -> Mode:
    """``function`` if the program has the train function, else ``script``."""
    return program_verdict(sweep).mode
