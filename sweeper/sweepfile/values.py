"""The values of a sweep file's keys that stand alone. Complaints go to ``problems``."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import Any

from sweeper.metric_goals import mode_of
from sweeper.wording import describe, did_you_mean, one_of

from .command import ENVIRONMENT, MACROS, OF_TRIAL, RUN_DIR
from .keys import (
    BUDGET,
    CHECKPOINT,
    FIELDS,
    KEPT,
    KEYS,
    LIMIT,
    METHOD_OPTIONS,
    METRIC,
    NOTIFY,
    REPEATS,
    RESOURCES,
    RETRY,
    WANDB_KEYS,
    is_there,
    wraps,
)
from .problems import Problems
from .rules import COUNT, TEXT, Field, read_mapping, read_value
from .sweep import METHODS, Budget, Limit, Metric, Notify, Resources, Retry
from .yaml12 import KeyPath

_MACRO = re.compile(r"\$\{([^{}]*)\}")
_PLAIN_WORD = re.compile(r"[\w./][\w./=+-]*")


def top_level(problems: Problems, raw: dict[str, Any]) -> None:
    """Refuse unknown keys; name those that are W&B's own."""
    for key in raw:
        if key in KEYS or key in WANDB_KEYS:
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


def command(problems: Problems, raw: Any) -> tuple[Any, ...] | None:
    """The words that run a script; None: not given."""
    words = ", ".join(map(_quoted, raw.split())) if isinstance(raw, str) else ""
    mend = f"write `command: [{words}]`" if isinstance(raw, str) else ""
    listed = problems.items(("command",), "a list of words", raw, mend, least=0)
    for index, word in enumerate(listed):
        if isinstance(word, (list, dict)):
            problems.warn(("command", index), f"{describe(word)} is passed as one word")
        elif isinstance(word, str):
            _check_macros(problems, word, ("command", index))
    return tuple(listed) or None


def _quoted(word: str) -> str:
    """The word as it stands in a list of YAML's: a bracket or a comma needs quotes."""
    return word if _PLAIN_WORD.fullmatch(word) else json.dumps(word, ensure_ascii=False)


def _check_macros(problems: Problems, word: str, key: KeyPath) -> None:
    """Say so where what looks like a macro is none: as a whole word it vanishes, else it stays."""
    for match in _MACRO.finditer(word):
        macro, name = match[1], match[1].strip()
        is_whole = match[0] == word
        variable = name.removeprefix("envvar:").strip()
        if ENVIRONMENT.fullmatch(match[0]):
            if variable not in os.environ and variable not in OF_TRIAL:
                message = f"{variable} is not set: `{variable}` stands in its place, as in W&B"
                problems.warn(key, message, inside=(word, match.start()))
            continue
        if match[0] == RUN_DIR or (is_whole and macro in MACROS):
            continue
        if name.startswith("envvar"):
            mend = f"write `${{envvar:{variable.upper()}}}`" if variable.isidentifier() else ""
            why = "the name of a variable is made of A-Z, 0-9 and _" + (f": {mend}" if mend else "")
        elif name in MACROS:
            why = "a macro is a whole word: put it into one of its own"
        elif is_whole:
            why = did_you_mean(macro, MACROS).replace("`", "`${", 1).replace("`?", "}`?")
        else:
            continue  # a shell's own variable, perhaps
        what = "vanishes, as in W&B" if is_whole else "stays as it is, as in W&B"
        message = f"${{{macro}}} is no macro and {what}" + (f"; {why}" if why else "")
        problems.warn(key, message, inside=(word, match.start()))


def method(problems: Problems, raw: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The name of the method, and the options of ``method: {name: tpe, …}``."""
    value = raw.get("method")
    name = value["name"] if isinstance(value, dict) and "name" in value else value
    if isinstance(name, str) and name in METHODS:
        fields = {"name": Field(TEXT), **METHOD_OPTIONS.get(name, {})}
        given = read_mapping(problems, value, ("method",), fields) if value != name else None
        return name, {key: one for key, one in (given or {}).items() if key != "name"}
    if name is None:
        if "method" in raw or not is_there(raw, "method"):
            at: KeyPath = ("method",) if "method" in raw else ()
            problems.add(at, "`method` is missing", f"add `method:` with one of {one_of(METHODS)}")
        return None, {}
    mend = did_you_mean(name, METHODS) if isinstance(name, str) else ""
    if isinstance(name, dict):
        mend = "options stand beside the name: `method: {name: bayes, startup_trials: 8}`"
    elif name == "custom":
        mend = "W&B hands `custom` to a scheduler of its service: name a searcher instead"
    problems.expected(("method",), f"one of {one_of(METHODS)}", name, mend)
    return None, {}


def plain(problems: Problems, raw: dict[str, Any], key: str) -> Any:
    """The value of a key that its rule alone checks, or its default."""
    return read_value(problems, raw.get(key, FIELDS[key].default), (key,), FIELDS[key].rule)


def metrics(problems: Problems, raw: Any) -> Metric | None:
    """The first goal of several, with all else that `metrics` asks for."""
    example = "for example `metrics: [{name: val_loss, goal: minimize}, {name: mb, max: 50}]`"
    goals: list[Metric] = []
    limits: list[Limit] = []
    names: set[str] = set()
    for place, one in enumerate(problems.items(("metrics",), "a list of metrics", raw, example)):
        key = ("metrics", place)
        bounds = {name: one[name] for name in LIMIT if name in one} if isinstance(one, dict) else {}
        rest = {k: v for k, v in one.items() if k not in LIMIT} if bounds else one
        is_goal = not bounds or "goal" in one
        found = metric(problems, rest if is_goal else {"goal": "minimize", **rest}, key)
        if found is None or not found.name:
            continue
        if found.name in names:
            problems.add(
                (*key, "name"),
                f"{found.name} stands twice",
                "write its goal and its limits together",
            )
        names.add(found.name)
        if bounds:
            given = read_mapping(problems, bounds, key, LIMIT) or {}
            given = {name: float(value) for name, value in given.items() if value is not None}
            limits.append(Limit(found.name, **given))
            if limits[-1].min > limits[-1].max:
                problems.add(key, "`min` is above `max`", "exchange them")
        for name in ("target", "mode", "pattern"):
            if name in one and not (is_goal and not goals):
                what = f"`{name}` is of the first goal alone: one epoch counts, chosen by that"
                problems.add((*key, name), what, "remove it")
        if is_goal:
            goals.append(found)
    if not goals:
        if limits and not problems.found:
            problems.add(
                ("metrics",), "there are limits alone", "add one with `goal: minimize` or maximize"
            )
        return None
    if goals[0].target is not None and len(goals) > 1:
        what = "`target` ends the search for one number, not for several"
        problems.add(("metrics",), what, "remove it", on_key=True)
    return replace(goals[0], others=tuple(goals[1:]), limits=tuple(limits))


def metric(problems: Problems, raw: Any, key: KeyPath = ("metric",)) -> Metric | None:
    is_one = key == ("metric",)
    mend = f"write `{'metric: ' * is_one}{{name: {raw}, goal: minimize}}`"
    mend = mend if isinstance(raw, str) else ""
    fields = METRIC if is_one else {**METRIC, **LIMIT}
    for name in LIMIT if isinstance(raw, dict) and is_one else ():
        if name in raw:
            what = f"`{name}` is a limit, of which `metrics` tells"
            example = "write `metrics: [{name: val_loss, goal: minimize}, {name: mb, max: 50}]`"
            problems.add((*key, name), what, example, on_key=True)
            fields = {**fields, name: LIMIT[name]}
    given = read_mapping(problems, _without_null(raw, "target"), key, fields, mend)
    if given is None:
        return None
    name = given.pop("name", None)
    if not isinstance(name, str) or not name:
        at = (*key, "name") if "name" in raw else key
        problems.add(
            at, "`metric` needs `name`", "the name under which it is logged, like val_loss"
        )
    elif raw.get("goal") is None and mode_of(name) != "min":
        problems.warn(
            key,
            f"{name} is minimized, as in W&B, for want of a `goal`: write `goal: maximize`, "
            "or `goal: minimize` if that is meant",
        )
    if given.get("pattern") is not None:
        _check_pattern(problems, given["pattern"], (*key, "pattern"))
    unused = [name for name in ("impute", "impute_while_running") if name in given]
    if unused:
        problems.warn((*key, unused[0]), f"kept, but not used here: {', '.join(unused)}")
    return Metric(name, **{name: given[name] for name in given if name not in (*unused, *LIMIT)})


def _check_pattern(problems: Problems, pattern: Any, key: KeyPath) -> None:
    example = "for example 'val acc: (?P<value>[0-9.]+)'"
    if not isinstance(pattern, str) or not pattern:
        problems.expected(key, "a regular expression of Python's", pattern, example)
        return
    try:
        groups = re.compile(pattern)
    except re.error as error:
        place = "" if error.pos is None else f" (character {error.pos + 1})"
        problems.expected(
            key, f"a regular expression of Python's ({error.msg}{place})", pattern, example
        )
        return
    if "value" not in groups.groupindex and groups.groups != 1:
        what = f"{groups.groups} groups, none named `value`" if groups.groups else "no group"
        problems.add(key, f"expected a group around the number, found {what}", example)


def _without_null(raw: Any, *names: str) -> Any:
    """A mapping without those of these keys that are empty, which counts as not given."""
    if not isinstance(raw, dict):
        return raw
    return {name: value for name, value in raw.items() if value is not None or name not in names}


def resources(problems: Problems, raw: Any) -> Resources:
    key = ("resources",)
    given = read_mapping(problems, raw, key, RESOURCES, "for example {cpu: 1, gpu: 0.25}") or {}
    if auto := given.get("gpu") == "auto":
        given["gpu"] = 1
    gpu = given.get("gpu") or 0
    if gpu > 1 and not float(gpu).is_integer():
        problems.expected(
            (*key, "gpu"), "a fraction of one GPU, or whole GPUs", gpu, f"like {round(gpu) or 1}"
        )
    return Resources(gpu_auto=auto, **{name: _shortened(given[name]) for name in given})


def _shortened(value: float | None) -> float:
    """1.0 as 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value or 0


def repeats(problems: Problems, raw: Any) -> tuple[int, bool]:
    """How many runs of each parameter dict, and whether those that surely lose are dropped."""
    key: KeyPath = ("repeats",)
    if not isinstance(raw, dict):
        return read_value(problems, raw, key, COUNT) or 1, False
    given = read_mapping(problems, raw, key, REPEATS) or {}
    runs, race = given.get("runs"), bool(given.get("race"))
    if "runs" not in raw or (race and runs is not None and runs < 3):
        message = "a race needs `runs` of 3 or more" if race else "`repeats` needs `runs`"
        problems.add(key, message, "for example `repeats: {runs: 5, race: true}`", on_key=True)
    return runs or 1, race


def parallel(problems: Problems, raw: Any) -> int | None:
    """How many trials at once; None: as many as the resources allow."""
    if raw is None or raw == "auto":
        return None
    if isinstance(raw, str) and not raw.strip().isdigit():
        mend = did_you_mean(raw, ["auto"]) or "leave it out for as many as the resources allow"
        problems.expected(("parallel",), "auto or a whole number of 1 or more", raw, mend)
        return None
    count: int | None = read_value(problems, raw, ("parallel",), COUNT)
    return count


def budget(problems: Problems, raw: Any) -> Budget:
    example = "for example {wall: 12h, trial: 90m, trials: 200, disk: 50GB}"
    given = read_mapping(problems, _without_null(raw, *BUDGET), ("budget",), BUDGET, example)
    return Budget(**given or {})


def retry(problems: Problems, raw: Any) -> Retry:
    mend = f"write `retry: {{max: {raw}}}`" if isinstance(raw, int) else ""
    return Retry(**read_mapping(problems, raw, ("retry",), RETRY, mend) or {})


def notify(problems: Problems, raw: Any) -> Notify:
    example = "for example {command: [./tell.sh], on: [end, failure, best]}"
    given = read_mapping(problems, raw, ("notify",), NOTIFY, example)
    if given is not None and not given.keys() & {"command", "apprise"}:
        problems.add(("notify",), "`notify` needs `command` or `apprise`", example)
    return Notify(**{name: value for name, value in (given or {}).items() if value is not None})


def checkpoint(problems: Problems, raw: Any) -> dict[str, Any]:
    """``keep`` becomes a list; the rest is as written."""
    key = ("checkpoint",)
    given = read_mapping(problems, raw, key, CHECKPOINT, "for example {keep: [best, last]}") or {}
    if "keep" in given:
        is_list = isinstance(given["keep"], list)
        given["keep"] = given["keep"] if is_list else [given["keep"]]
        for index, what in enumerate(given["keep"]):
            read_value(problems, what, (*key, "keep", index) if is_list else (*key, "keep"), KEPT)
    return given


def slurm(problems: Problems, raw: Any) -> dict[str, Any]:
    """Options of sbatch as they are written, and in ``skip`` those of ours to leave out."""
    key = ("slurm",)
    if not isinstance(raw, dict):
        problems.expected(key, "a mapping", raw, "for example {time: '04:00:00', partition: gpu}")
        return {}
    for name, value in raw.items():
        if name == "skip":
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                problems.expected((*key, name), "a list of names", value, "for example [requeue]")
        elif not isinstance(value, (str, int, float)) or "\n" in str(value):
            mend = f"`{name}: true` for an option without a value"
            problems.expected((*key, name), "one line of text, a number or true", value, mend)
    return raw
