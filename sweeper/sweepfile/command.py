"""Script mode: the words that run a trial, as W&B's agent would write them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError

from .sweep import Sweep
from .yaml12 import to_yaml

CALL = "sweeper.call"  # `python -m`: the module that calls a function of the program
AGENT = "wandb.agent"  # instead of the function's name: what the program gives to W&B's agent
DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
RUN_DIR = "${run_dir}"
OF_TRIAL = {  # what a trial alone has in its environment, and the macro that stands for it
    **dict.fromkeys(("SWEEPER_RUN_DIR", "SWEEPER_RUN"), RUN_DIR),
    "SWEEPER_PARAMS_FILE": "${args_json_file}",
    **dict.fromkeys(("SWEEPER_REPORT_FILE", "SWEEPER_SEED", "SWEEPER_SWEEP"), ""),
    **dict.fromkeys(("WANDB_SWEEP_PARAM_PATH", "WANDB_NAME", "WANDB_DIR"), ""),
    "CUDA_VISIBLE_DEVICES": "",
}

Params = Mapping[str, Any]
# The macros that stand for the parameters.
_ARGUMENTS: dict[str, Callable[[Params], list[str]]] = {
    "args": lambda params: [f"--{k}={v}" for k, v in params.items()],
    "args_no_equals": lambda params: [w for k, v in params.items() for w in (f"--{k}", str(v))],
    "args_no_hyphens": lambda params: [f"{k}={v}" for k, v in params.items()],
    "args_append_hydra": lambda params: [f"+{k}={v}" for k, v in params.items()],
    "args_override_hydra": lambda params: [f"++{k}={v}" for k, v in params.items()],
    "args_no_boolean_flags": lambda params: list(_flags(params)),
    "args_json": lambda params: [json.dumps(params)],
}
MACROS = ("env", "interpreter", "program", *_ARGUMENTS, "args_json_file")


def call_command(function: str, arguments: Iterable[str] = ()) -> list[str]:
    """The `command` of a sweep that calls ``function``, as :mod:`sweeper.call` reads it."""
    return ["${interpreter}", "-m", CALL, function, "${program}", *arguments]


def called_function(command: Sequence[Any] | None) -> str | None:
    """The function that such a `command` calls; None for another one."""
    words = [str(word) for word in command or ()]
    if CALL not in words[:-1]:
        return None
    return words[words.index(CALL) + 1].partition("(")[0]


def _flags(params: Params) -> Iterable[str]:
    for key, value in params.items():
        if value is True:
            yield f"--{key}"
        elif value is not False:
            yield f"--{key}={value}"


def command_words(
    sweep: Sweep,
    params: Params,
    *,
    json_path: Path | str = "params.json",
    run_dir: str = RUN_DIR,
    environ: Mapping[str, str] | None = None,
    interpreter: str = sys.executable,
) -> list[str]:
    """The words that run ``sweep`` for one trial's ``params``: its command, the macros replaced.

    A macro counts where it is a whole word, as in W&B; one that does not exist vanishes, and
    ``${envvar:NAME}`` is replaced anywhere (by the bare name, if it is not set), as is
    ``${run_dir}``. Values are
    written as Python's ``str`` writes them; a group of parameters is one argument. Raises
    UsageError if the command needs a program and the sweep has none, or leaves no words.
    """
    command: Sequence[Any] = sweep.command or DEFAULT_COMMAND
    words: list[str] = []
    known = environ or {}
    fixed = {"env": "/usr/bin/env", "interpreter": interpreter, "args_json_file": str(json_path)}
    for item in command:
        # An unset variable becomes its bare name.
        word = ENVIRONMENT.sub(lambda match: known.get(match[1], match[1]), str(item))
        macro = word[2:-1] if word.startswith("${") and word.endswith("}") else None
        if macro is None or RUN_DIR in word:
            words.append(word.replace(RUN_DIR, run_dir))
        elif macro in _ARGUMENTS:
            words += _ARGUMENTS[macro](params)
        elif macro == "program":
            found = _program_words(sweep)
            words += found[found[:1] == words[-1:] == ["-m"] :]  # which may stand there already
        elif macro in fixed:
            words.append(fixed[macro])
    if not words:
        raise UsageError(f"{sweep.path}: command: no words are left to run: {list(command)}")
    return words


def told_words(sweep: Sweep, params: Params, **others: Any) -> list[str]:
    """The same words to tell and to keep: ``$NAME`` for what the environment holds."""
    names = {name: f"${name}" for name in os.environ}
    return command_words(sweep, params, environ=names, **others)


def _program_words(sweep: Sweep) -> list[str]:
    program = sweep.program
    if program is None:
        raise UsageError(f"{sweep.path}: command: ${{program}} stands here, but no `program`")
    return [str(program.path)] if program.path is not None else ["-m", str(program.module)]


def wandb_param_file(params: Params) -> str:
    """The file that W&B's agent writes for ``WANDB_SWEEP_PARAM_PATH``."""
    return to_yaml({"wandb_version": 1, **{key: {"value": v} for key, v in params.items()}})
