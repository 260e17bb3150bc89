"""What is looked at before a launch: the size, the program, what the scheduler works on."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweeper.errors import Problem, SpecError
from sweeper.wording import did_you_mean

from .command import (
    AGENT,
    CALL,
    ENVIRONMENT,
    OF_TRIAL,
    called_function,
    command_words,
    told_words,
)
from .function_or_script import DetectedMode, Mode, detect_mode
from .own_search import find_own_search, started_by
from .program import names_beside
from .sweep import MOST_LAUNCHED_TRIALS, Sweep
from .trials_file import MOST_BYTES

_INTERPRETER = re.compile(r"(python|pypy|bash|sh|Rscript|julia|perl|node)[\d.]*")
AS_SCRIPT = 'command: ["${interpreter}", "${program}", "${args}"]'


def check_launchable(sweep: Sweep) -> None:
    """Refuse what no one means to start. Raises SpecError naming the size and what makes it.

    An adaptive sweep needs an end (``run_cap`` or a ``budget``); a grid has at most
    ``MOST_LAUNCHED_TRIALS`` trials; ``early_terminate`` must have something to work on.
    """
    check_early_terminate(sweep)
    size, early, budget = sweep.size(), sweep.early_terminate, sweep.budget
    if sweep.adaptive and (budget.trials or budget.wall):
        return
    if sweep.adaptive and (size is None or size > MOST_LAUNCHED_TRIALS):
        kind = f"method: {sweep.method}"
        if early and early.makes_trials:
            kind = f"early_terminate: {{type: {early.type}}}"
        mend = "give `run_cap: 100` (or -n 100), or `budget: {trials: 100}` or `{wall: 12h}`"
        raise sweep.refusal("run_cap", f"`{kind}` goes on without end", mend, at="method")
    if size == 0:
        message = "no point of the space satisfies `constraints`"
        raise sweep.refusal("constraints", message, "each can hold alone: relax one of them")
    if size is None or size <= MOST_LAUNCHED_TRIALS or (budget.trials or size) < size:
        return
    factors = [f"{name} ({count:,})" for name, count in sweep.space.factors()[:4]]
    repeats = f"; repeats ({sweep.repeats})" if sweep.repeats > 1 else ""
    raise sweep.refusal(
        "parameters",
        f"{size:,} trials are too many to launch (at most {MOST_LAUNCHED_TRIALS:,}); "
        f"the largest factors: {', '.join(factors)}{repeats}",
        "shorten these, set `run_cap: 1000` (or -n 1000), or use `method: random`",
        at="parameters" if "parameters" in sweep.places else "method",
    )


def check_early_terminate(sweep: Sweep) -> None:
    """Refuse a type that the rest of the sweep gives nothing to work on. Raises SpecError."""
    early = sweep.early_terminate
    if early is None or not early.makes_trials:
        return
    if sweep.repeats > 1:
        message = f"{early.type} goes on from trials as they are, found `repeats: {sweep.repeats}`"
        mend = "remove `repeats`, or choose asha, hyperband or median"
        raise sweep.refusal("early_terminate", message, mend)
    if not any(axis.alternatives != 1 for axis in sweep.space.axes):
        message = f"{early.type} changes parameters while they train, found none that varies"
        mend = "give `parameters` with ranges or values, and `method: random` or `grid`"
        raise sweep.refusal("early_terminate", message, mend)


def check_program(sweep: Sweep) -> None:
    """Refuse a sweep whose program is not there, or would start another search in every trial.

    And one whose trials would lack what it names: links, variables, words printed by a script.
    Raises SpecError with what was looked for, or the line. Nothing is imported.
    """
    if lacks := list(_lacks(sweep)):
        raise SpecError(lacks)
    program = sweep.program
    names_program = sweep.command is None or any("${program}" in str(w) for w in sweep.command)
    if not names_program:
        return
    if program is None:
        mend = "add `program: train.py`, a file with train(params, callbacks), or a script"
        raise sweep.refusal("program", "`program` is missing", mend)
    file = program_file(sweep)
    if file is None:
        searched = ", ".join(dict.fromkeys(map(str, _import_path(sweep)[:2])))
        where = f"looked in {searched} and the installed packages"
        message = f"there is no module {program.module} ({where})"
        mend = "a file is written with its ending: train.py"
    elif file.suffix == ".ipynb" and sweep.command is None:
        message = f"{file} is a notebook, which cannot be run as a program"
        mend = f"save it as a script: jupyter nbconvert --to script {file.name}"
    elif os.path.isfile(file) and os.path.getsize(file) > MOST_BYTES:
        message = f"{file} has {os.path.getsize(file):,} bytes, which is no program"
        mend = "name the file that has train(params, callbacks)"
    elif os.path.isfile(file):
        _check_own_search(sweep, file)
        return
    elif os.path.isdir(file):
        message = f"{file} is a directory, expected a file"
        found = sorted(path.name for path in file.glob("*.py"))
        mend = "name the file in it"
        mend = f"did you mean {sweep.program_as_written}/{found[0]}?" if found else mend
    else:
        message = f"there is no file {file}"
        mend = did_you_mean(file.name, names_beside(file))
        mend = mend or "write it, or name the file that has train(params, callbacks)"
    raise sweep.refusal("program", message, mend)


def _lacks(sweep: Sweep) -> Iterator[Problem]:
    for path in sweep.link:
        if not os.path.exists(path):
            message = f"there is no {Path(path).absolute()} to link to"
            yield sweep.problem("link", message, "paths are relative to where the launch starts")
    for name in [n for word in sweep.command or () for n in ENVIRONMENT.findall(str(word))]:
        if name in OF_TRIAL and name not in os.environ:
            message = f"{name} is set in a trial alone, and not where its command is put together"
            macro = OF_TRIAL[name]
            mend = f"write `{macro}`" if macro else "the program finds it in its own environment"
            yield sweep.problem("command", message, mend)
    words = [w for w in map(str, sweep.command or ()) if w not in ("${env}", "/usr/bin/env")]
    for word in words if sweep.cwd == "run" else ():
        elsewhere = os.path.isabs(word) or any(Path(word).is_relative_to(p) for p in sweep.link)
        runs = word.endswith((".py", ".sh")) or (word == words[0] and "/" in word)
        if runs and not elsewhere and "$" not in word:
            message = f"{word} is looked for where a trial starts, which is `cwd: run`"
            mend = f"write `${{program}}`, its absolute path, or `link: [{word}]`"
            yield sweep.problem("command", message, mend)
    if sweep.metric and sweep.metric.pattern and program_mode(sweep) == "function":
        message = "`pattern` looks at what a script prints, found a train function"
        mend = f"report the metric, or run the file as a script: `{AS_SCRIPT}`"
        yield sweep.problem("metric", message, mend)


def _check_own_search(sweep: Sweep, file: Path) -> None:
    function = called_function(sweep.command)
    if function == AGENT:
        return
    if sweep.program and program_mode(sweep) == "function":
        function = sweep.program.function
    is_called = function is not None
    try:
        found = find_own_search(file.read_bytes(), function)
    except OSError:
        return
    if found is None:
        return
    message = f"{file}:{found.line}: {found.call}(…) would start {found.what} in every trial"
    once = f"call {found.function}() once there" if found.function else "train once there instead"
    mend = f"the sweep file takes its place: {once}, or name the file that trains"
    if found.call == "wandb.agent":
        mend += f", or launch its own sweep: `sweeper launch {file.name}`"
    if is_called:
        mend = 'move it below `if __name__ == "__main__":`, as the file is imported'
    raise sweep.refusal("program", message, mend)


def check_command(sweep: Sweep) -> None:
    """Refuse a `command` that this machine cannot start: every trial would end with 127.

    Raises SpecError. What a worker of a cluster can start, it alone knows.
    """
    if sweep.command is None:
        return
    words = command_words(sweep, {}, environ=os.environ)
    told = dict(zip(words, told_words(sweep, {}), strict=True))  # what it holds may be a secret
    if words[0] == "/usr/bin/env":
        words = words[1:]
    if what := started_by(words):
        message = f"every trial would start {what}"
        mend = "the sweep file takes its place: write the words that train once"
        raise sweep.refusal("command", message, mend)
    if not words or words[0].startswith("-") or "=" in words[0]:
        return  # options and variables of `env`
    name, *others = words
    problems = []
    if shutil.which(name) is None:
        message = f"there is no program `{told[name]}` to run"
        mend = "install it, give its path, or write `${interpreter}` for the Python of sweeper"
        problems.append(sweep.problem("command", message, mend))
    script = next((word for word in others if not word.startswith("-")), "")
    is_python = Path(name).name.startswith("python") and not {"-m", "-c"} & set(others)
    if is_python and script.endswith(".py") and not os.path.isfile(script):
        message = f"there is no file {Path(told[script]).absolute()}"
        mend = "names in `command` are looked for in the current directory; `${program}` is not"
        problems.append(sweep.problem("command", message, mend))
    if problems:
        raise SpecError(problems)
    if is_python and script.endswith(".py"):
        _check_own_search(sweep, Path(script))


def _import_path(sweep: Sweep) -> list[Path]:
    return [sweep.path.parent, Path.cwd(), *(Path(place) for place in sys.path if place)]


def find_module(sweep: Sweep) -> tuple[Path, Path] | None:
    """Where on the import path the sweep's dotted module is, and its file; None if nowhere.

    That of `program`, or the one that its `command` runs with `-m`. Nothing is imported. Beside the
    sweep file comes first, then the current directory.
    """
    words = [str(word) for word in sweep.command or ()]
    if "-m" in words[:-1] and words[words.index("-m") + 1] not in ("${program}", CALL):
        # Not of the installed packages: `python -m torch.distributed.run train.py`.
        return _find(words[words.index("-m") + 1], _import_path(sweep)[:2])
    module = sweep.program.module if sweep.program is not None else None
    return None if module is None else _find(module, _import_path(sweep))


def _find(module: str, places: Iterable[Path]) -> tuple[Path, Path] | None:
    for place in places:
        stem = place.joinpath(*module.split("."))
        for candidate in (stem / "__init__.py", stem.with_name(stem.name + ".py")):
            if os.path.isfile(candidate):
                return place, candidate
    return None


def program_file(sweep: Sweep) -> Path | None:
    """The file of the sweep's program, a module's too; None if it has none or it is not found."""
    if sweep.program is not None and sweep.program.path is not None:
        return sweep.program.path
    found = find_module(sweep)
    return found and found[1]


def program_name(sweep: Sweep) -> str | None:
    """What runs: the program's file (absolute), or the first file that the command names.

    A dotted module that is not found is its own name, a command without a file its first word.
    """
    command = sweep.command
    if command is None or "${program}" in map(str, command):
        file = program_file(sweep)
        module = sweep.program.module if sweep.program else None
        return module if file is None else str(file.absolute())
    words = [str(word) for word in command if not str(word).startswith("${")]
    words = words[words[:1] == ["/usr/bin/env"] :]
    found = find_module(sweep)
    if found is not None:
        return str(found[1].absolute())
    for word in words:
        if os.path.isfile(word) and not _INTERPRETER.fullmatch(Path(word).name):
            return str(Path(word).absolute())
    return words[0] if words else None


def detect_program_mode(sweep: Sweep) -> DetectedMode:
    """How the sweep's program is run; ``why`` says how to have it run otherwise, too.

    The file is only parsed, never run. A program that cannot be read counts as a script.
    """
    program = sweep.program
    if sweep.command is not None or program is None:
        return DetectedMode("script")
    if program.mode is not None:
        return DetectedMode(program.mode)
    path = program_file(sweep)
    try:
        found = detect_mode(path.read_bytes() if path is not None else b"", program.function)
    except OSError:
        return DetectedMode("script")
    if not found.why:
        return found
    other = f"`program: {sweep.program_as_written}:{program.function}` calls the function"
    if found.mode == "function":
        other = f"`{AS_SCRIPT}` runs it as a script"
    return DetectedMode(found.mode, f"{found.why}; {other}")


def program_mode(sweep: Sweep) -> Mode:
    """``function`` if the program has the train function, else ``script``."""
    return detect_program_mode(sweep).mode
