"""The keys of a sweep file, one by one: what each may hold. Complaints go to ``problems``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sweeper.wording import describe, did_you_mean, nearest, one_of

from .problems import Problems
from .sweep import METHODS, Budget, Metric, Resources, Retry
from .units import seconds, size_in_bytes
from .yaml12.document import KeyPath

MACROS = (
    "env",
    "interpreter",
    "program",
    "args",
    "args_no_equals",
    "args_no_hyphens",
    "args_append_hydra",
    "args_override_hydra",
    "args_no_boolean_flags",
    "args_json",
    "args_json_file",
)
KEYS = (
    "name",
    "program",
    "command",
    "method",
    "metric",
    "run_cap",
    "seed",
    "base",
    "parameters",
    "trials",
    "monitored",
    "constraints",
    "zip",
    "order",
    "repeats",
    "early_terminate",
    "resources",
    "parallel",
    "budget",
    "retry",
    "checkpoint",
    "storage",
    "sweep_name",
)
# What only W&B's service uses: accepted, kept in the stored copy, named once.
WANDB_KEYS = (
    "entity",
    "project",
    "description",
    "controller",
    "scheduler",
    "imageuri",
    "image_uri",
    "job",
    "apiVersion",
    "kind",
)
_GOALS = {"min": "minimize", "minimise": "minimize", "minimum": "minimize", "lower": "minimize"}
_GOALS |= {"max": "maximize", "maximise": "maximize", "maximum": "maximize", "higher": "maximize"}


def top_level(problems: Problems, raw: dict[str, Any]) -> None:
    """Refuse unknown keys; name those that are W&B's own."""
    for key in raw:
        if key in KEYS or key in WANDB_KEYS:
            continue
        if key == "metrics":
            mend = "give one `metric`: several objectives at once are not searched for"
            problems.add((key,), "unknown key `metrics`", mend, on_key=True)
            continue
        mend = did_you_mean(key, KEYS)
        if wraps(raw[key]):
            mend = f"the keys below `{key}:` belong at the top level of the file"
        problems.add(
            (key,), f"unknown key `{key}`", mend or f"the keys are {', '.join(KEYS)}", on_key=True
        )
    unused = [key for key in raw if key in WANDB_KEYS and key != "description"]
    if unused:
        problems.warn(
            (unused[0],), f"kept, but not used here: {', '.join(unused)} (for W&B's service)"
        )
    command = raw.get("command")
    if isinstance(command, str):
        words = ", ".join(command.split())
        problems.expected(("command",), "a list of words", command, f"write `command: [{words}]`")
    elif command is not None and not isinstance(command, list):
        problems.expected(("command",), "a list of words", command)
    elif isinstance(command, list):
        for index, word in enumerate(command):
            if isinstance(word, (list, dict)):
                problems.warn(("command", index), f"{describe(word)} is passed as one word")
            elif isinstance(word, str) and word.startswith("${") and word.endswith("}"):
                _check_macro(problems, word[2:-1], ("command", index))


def wraps(value: Any) -> bool:
    """Whether a value looks like a whole sweep, one level too deep."""
    return isinstance(value, dict) and ("method" in value or "parameters" in value)


def is_there(raw: dict[str, Any], key: str) -> bool:
    """Whether ``key`` is in the file, be it misspelled or one level too deep."""
    return key in raw or any(
        wraps(value) or (name not in KEYS and nearest(name, KEYS) == [key])
        for name, value in raw.items()
    )


def _check_macro(problems: Problems, macro: str, key: KeyPath) -> None:
    if macro in MACROS or macro.startswith("envvar:"):
        return
    hint = did_you_mean(macro, MACROS).replace("`", "`${", 1)[:-2]
    problems.warn(
        key, f"${{{macro}}} is no macro and vanishes, as in W&B" + (f"; {hint}}}`?" if hint else "")
    )


def method(problems: Problems, raw: dict[str, Any]) -> str | None:
    value = raw.get("method")
    if isinstance(value, str) and value in METHODS:
        return value
    if value is None:
        if "method" not in raw and is_there(raw, "method"):
            return None
        at: KeyPath = ("method",) if "method" in raw else ()
        problems.add(at, "`method` is missing", f"add `method:` with one of {one_of(METHODS)}")
        return None
    mend = did_you_mean(value, METHODS) if isinstance(value, str) else ""
    if value == "custom":
        mend = "W&B hands `custom` to a scheduler of its service: name a searcher instead"
    problems.expected(("method",), f"one of {one_of(METHODS)}", value, mend)
    return None


def mapping(
    problems: Problems, raw: Any, key: KeyPath, allowed: Sequence[str], mend: str = ""
) -> Any:
    """``raw`` if it is a mapping (its unknown keys are complained about), else None."""
    if not isinstance(raw, dict):
        problems.expected(key, "a mapping", raw, mend)
        return None
    for name in raw:
        if name not in allowed:
            problems.unknown((*key, name), allowed)
    return raw


def metric(problems: Problems, raw: Any) -> Metric | None:
    key = ("metric",)
    known = ("name", "goal", "target", "mode", "impute", "impute_while_running")
    mend = f"write `metric: {{name: {raw}, goal: minimize}}`" if isinstance(raw, str) else ""
    if mapping(problems, raw, key, known, mend) is None:
        return None
    name, goal = raw.get("name"), raw.get("goal", "minimize")
    good = True
    if not isinstance(name, str) or not name:
        at = (*key, "name") if "name" in raw else key
        problems.add(
            at, "`metric` needs `name`", "the name under which it is logged, like val_loss"
        )
        good = False
    if goal not in ("minimize", "maximize"):
        guess = _GOALS.get(goal.lower()) if isinstance(goal, str) else None
        hint = f"did you mean `{guess}`?" if guess else ""
        if not hint and isinstance(goal, str):
            hint = did_you_mean(goal, ("minimize", "maximize"))
        hint = hint or "minimize if smaller is better, maximize if larger is"
        problems.expected((*key, "goal"), "minimize or maximize", goal, hint)
        good = False
    target = raw.get("target")
    if target is not None and (isinstance(target, bool) or not isinstance(target, (int, float))):
        problems.expected((*key, "target"), "a number", target)
        good = False
    mode = choice(problems, raw.get("mode", "best"), (*key, "mode"), ("best", "last"))
    unused = [name for name in ("impute", "impute_while_running") if name in raw]
    if unused:
        problems.warn((*key, unused[0]), f"kept, but not used here: {', '.join(unused)}")
    if not good or mode is None:
        return None
    return Metric(name, goal, target, mode)


def choice(
    problems: Problems, value: Any, key: KeyPath, among: Sequence[str], otherwise: str = ""
) -> Any:
    """``value`` if it is one of ``among``, else None; ``otherwise`` mends what is near none."""
    if isinstance(value, str) and value in among:
        return value
    mend = did_you_mean(value, among) if isinstance(value, str) else ""
    mend = mend or otherwise or f"write `{key[-1]}: {among[0]}`"
    if isinstance(key[-1], int):
        mend = mend.replace(f"`{key[-1]}: {among[0]}`", f"`{among[0]}`")
    problems.expected(key, one_of(among), value, mend)
    return None


def whole(problems: Problems, value: Any, key: KeyPath, least: int | None = 1) -> int | None:
    """A whole number of at least ``least``; 5.0 is one, as in JSON."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_whole = isinstance(value, int) or (is_number and value.is_integer())
    if is_number and is_whole and (least is None or value >= least):
        return int(value)
    mend = ""
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        mend = f"remove the quotes: {key[-1]}: {value}"
    elif is_number and least is not None and value < least:
        mend = f"leave `{key[-1]}` out, or give {least} or more"
    elif is_number and math.isfinite(value):
        mend = f"write {math.floor(value)} or {math.ceil(value)}"
    elif not mend:
        mend = f"for example {key[-1]}: {(least or 0) + 1}"
    what = "a whole number" if least is None else f"a whole number of {least} or more"
    problems.expected(key, what, value, mend)
    return None


def number(problems: Problems, value: Any, key: KeyPath, *, above_zero: bool) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and (value > 0 or (value == 0 and not above_zero)):
        return int(value) if isinstance(value, int) or value.is_integer() else float(value)
    what = "a number above 0" if above_zero else "a number of 0 or more"
    problems.expected(key, what, value, f"leave it out, or write {key[-1]}: 1")
    return None


def resources(problems: Problems, raw: Any) -> Resources:
    key = ("resources",)
    if mapping(problems, raw, key, ("cpu", "gpu"), "for example {cpu: 1, gpu: 0.25}") is None:
        return Resources()
    cpu = number(problems, raw.get("cpu", 1), (*key, "cpu"), above_zero=True)
    gpu = number(problems, raw.get("gpu", 0), (*key, "gpu"), above_zero=False)
    if gpu is not None and gpu > 1 and not float(gpu).is_integer():
        problems.expected(
            (*key, "gpu"), "a fraction of one GPU, or whole GPUs", gpu, f"like {round(gpu) or 1}"
        )
    return Resources(cpu or 1, gpu or 0)


def parallel(problems: Problems, raw: Any) -> int | None:
    if raw is None or raw == "auto":
        return None
    if isinstance(raw, str) and not raw.strip().isdigit():
        mend = did_you_mean(raw, ["auto"]) or "leave it out for as many as the resources allow"
        problems.expected(("parallel",), "auto or a whole number of 1 or more", raw, mend)
        return None
    return whole(problems, raw, ("parallel",))


def budget(problems: Problems, raw: Any) -> Budget:
    key = ("budget",)
    example = "for example {wall: 12h, trial: 90m, trials: 200, disk: 50GB}"
    if mapping(problems, raw, key, ("wall", "trial", "trials", "disk"), example) is None:
        return Budget()
    times: dict[str, float | None] = {}
    for name in ("wall", "trial"):
        if raw.get(name) is not None:
            times[name] = seconds(raw[name])
            if times[name] is None:
                problems.expected(
                    (*key, name), "a duration", raw[name], "like 12h, 90m, 1h30m or 45s"
                )
    disk = None
    if raw.get("disk") is not None:
        disk = size_in_bytes(raw["disk"])
        if disk is None:
            problems.expected((*key, "disk"), "a size", raw["disk"], "like 50GB or 500MB")
    trials = raw.get("trials")
    count = None if trials is None else whole(problems, trials, (*key, "trials"))
    return Budget(times.get("wall"), times.get("trial"), count, disk)


def retry(problems: Problems, raw: Any) -> Retry:
    key = ("retry",)
    mend = f"write `retry: {{max: {raw}}}`" if isinstance(raw, int) else ""
    if mapping(problems, raw, key, ("max", "breaker"), mend) is None:
        return Retry()
    most = whole(problems, raw.get("max", Retry.max), (*key, "max"), 0)
    breaker = whole(problems, raw.get("breaker", Retry.breaker), (*key, "breaker"))
    return Retry(Retry.max if most is None else most, breaker or Retry.breaker)


def checkpoint(problems: Problems, raw: Any) -> dict[str, Any]:
    """``keep`` becomes a list; the rest is as written."""
    key = ("checkpoint",)
    known = ("keep", "top", "format", "monitor", "mode")
    if mapping(problems, raw, key, known, "for example {keep: [best, last]}") is None:
        return {}
    found: dict[str, Any] = {}
    if "keep" in raw:
        keep = raw["keep"] if isinstance(raw["keep"], list) else [raw["keep"]]
        for index, what in enumerate(keep):
            at = (*key, "keep", index) if isinstance(raw["keep"], list) else (*key, "keep")
            choice(problems, what, at, ("best", "last", "all"))
        found["keep"] = keep
    if "top" in raw:
        found["top"] = whole(problems, raw["top"], (*key, "top"))
    if "format" in raw:
        found["format"] = choice(problems, raw["format"], (*key, "format"), ("keras", "h5"))
    if "mode" in raw:
        found["mode"] = choice(problems, raw["mode"], (*key, "mode"), ("min", "max"))
    if "monitor" in raw:
        found["monitor"] = raw["monitor"]
        if not isinstance(raw["monitor"], str) or not raw["monitor"]:
            problems.expected((*key, "monitor"), "the name of a metric", raw["monitor"])
    return found
