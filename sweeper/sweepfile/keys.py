"""The keys of a sweep file: what each may hold, its default, and a line about it for editors."""

from __future__ import annotations

from typing import Any

from sweeper.wording import did_you_mean, nearest, one_of

from .command import ENVIRONMENT
from .early_terminate import TYPES, WORDS
from .rules import (
    ABOVE_ZERO,
    COUNT,
    DURATION,
    FLAG,
    NAMES,
    SIZE,
    TEXT,
    Field,
    Rule,
    any_of,
    choice,
    closed,
    number,
    text,
    whole,
)
from .sweep import METHODS, Metric

_GOALS = {"min": "minimize", "minimise": "minimize", "minimum": "minimize", "lower": "minimize"}
_GOALS |= {"max": "maximize", "maximise": "maximize", "maximum": "maximize", "higher": "maximize"}
METRIC = {
    "name": Field(TEXT),
    "goal": Field(
        choice(
            "minimize",
            "maximize",
            otherwise="minimize if smaller is better, maximize if larger is",
            synonyms=_GOALS,
        ),
        Metric.goal,
    ),
    "target": Field(number(), description="No new trials once reached."),
    "mode": Field(choice("best", "last"), Metric.mode),
    "pattern": Field(TEXT, description="A regular expression that finds it in what is printed."),
    "impute": Field(Rule({"type": "string"})),
    "impute_while_running": Field(Rule({})),
}
LIMIT = {
    "min": Field(number(), description="No good trial has less."),
    "max": Field(number(), description="No good trial has more."),
}
_GPUS = number(least=0)
RESOURCES = {
    "cpu": Field(ABOVE_ZERO),
    "gpu": Field(
        Rule(
            {"anyOf": [_GPUS.schema, choice("auto").schema]},
            f"{_GPUS.words}, or auto",
            lambda value: value == "auto" or _GPUS.allows(value),
            mend=lambda value, name: did_you_mean(str(value), ["auto"]) or _GPUS.mend(value, name),
        ),
        description="auto: as many trials share one as its memory holds.",
    ),
}
BUDGET = {
    "wall": Field(DURATION),
    "trial": Field(DURATION),
    "trials": Field(COUNT),
    "disk": Field(SIZE),
}
RETRY = {
    "max": Field(whole(0)),
    "breaker": Field(COUNT),
    "out_of_memory": Field(choice("alone", "never")),
}
REPEATS = {
    "runs": Field(COUNT),
    "race": Field(FLAG, False, "Whether a parameter dict that surely loses is dropped."),
}
KEPT = choice("best", "last", "all")
CHECKPOINT = {
    "keep": Field(any_of(KEPT.schema, {"type": "array", "items": KEPT.schema})),
    "top": Field(COUNT, description="So many runs, the best, keep their models."),
    "format": Field(choice("keras", "h5")),
    "monitor": Field(text("the name of a metric")),
    "mode": Field(choice("min", "max")),
}
_SLURM_SCALAR = {"type": ["string", "number", "boolean"]}
SLURM = Rule(
    {"type": "object", "properties": {"skip": NAMES.schema}, "additionalProperties": _SLURM_SCALAR}
)
_EVENTS = ("end", "failure", "best")
NOTIFY = {
    "on": Field(
        Rule(
            {"type": "array", "items": {"enum": list(_EVENTS)}, "minItems": 1},
            f"a list of {one_of(_EVENTS)}",
            lambda value: (
                isinstance(value, list) and value != [] and all(v in _EVENTS for v in value)
            ),
            tuple,
        ),
        description="By default end and failure.",
    ),
    "command": Field(NAMES, description="Gets the event as JSON on its standard input."),
    "apprise": Field(
        Rule(
            {"type": "string", "pattern": f"^{ENVIRONMENT.pattern}$"},
            "${envvar:NAME}: an address holds secrets, and the sweep file is copied",
            lambda value: isinstance(value, str) and ENVIRONMENT.fullmatch(value) is not None,
            mend=lambda value, name: "export APPRISE_URL=…, and write `${envvar:APPRISE_URL}`",
        ),
    ),
}
_STARTUP = {"startup_trials": Field(COUNT, description="Trials before its model is used.")}
METHOD_OPTIONS = {
    "bayes": _STARTUP,
    "gp": _STARTUP,
    "tpe": {
        **_STARTUP,
        "ei_candidates": Field(COUNT, description="Points that are drawn for each choice."),
        "multivariate": Field(FLAG, description="false: each parameter is looked at alone."),
    },
}
_LIST = {"type": "array", "minItems": 1}
FIELDS = {
    "name": Field(TEXT, description="Base directory of the tree below `storage`."),
    "program": Field(
        TEXT, description="A file or module with train(params, callbacks), or a script."
    ),
    "command": Field(Rule({"type": "array"}), description="Words and macros that run a script."),
    "method": Field(
        any_of(
            choice(*METHODS).schema,
            *(
                closed({"name": Field(choice(name)), **options}, ("name",))
                for name, options in METHOD_OPTIONS.items()
            ),
        ),
        description="How trials are chosen.",
    ),
    "metric": Field(Rule(closed(METRIC, ("name",)))),
    "metrics": Field(
        Rule({**_LIST, "items": closed({**METRIC, **LIMIT}, ("name",))}),
        description="Several goals, and limits (`max`, `min`) that a good trial keeps.",
    ),
    "run_cap": Field(COUNT, description="Trials in all, over every launch."),
    "seed": Field(whole(), 0),
    "base": Field(
        Rule({"type": ["string", "object"]}),
        description="Parameters every trial starts from: a JSON or YAML file, or a mapping.",
    ),
    "parameters": Field(Rule({"$ref": "#/definitions/parameters"})),
    "enqueue": Field(
        Rule({**_LIST, "items": {"type": "object"}}), description="Points to be tried first."
    ),
    "warm_start": Field(
        any_of(TEXT.schema, NAMES.schema),
        description="Finished runs to learn from: trees, sweep files, tables, Optuna's studies.",
    ),
    "trials": Field(
        any_of(TEXT.schema, {**_LIST, "items": {"type": "object"}}),
        description="The trials of `method: list`: parameter dicts, or a file of them.",
    ),
    "monitored": Field(
        Rule({**_LIST, "items": any_of(TEXT.schema, NAMES.schema).schema}),
        description="Parameter groups that make an experiment's identity.",
    ),
    "constraints": Field(Rule({"type": "array", "items": TEXT.schema})),
    "zip": Field(Rule({"type": "array", "items": {**NAMES.schema, "minItems": 2}})),
    "order": Field(
        choice("as_written", "shuffle", otherwise="write `order: shuffle`, or leave it out"),
        "as_written",
    ),
    "repeats": Field(any_of(COUNT.schema, closed(REPEATS, ("runs",))), 1, "Runs per experiment."),
    "early_terminate": Field(
        any_of(choice(*WORDS).schema, *(closed(one, ("type",)) for one in TYPES.values()))
    ),
    "resources": Field(Rule(closed(RESOURCES))),
    "isolation": Field(
        choice("warm", "process", otherwise="write `isolation: process`, or leave it out"),
        "warm",
        "A process that trains trial after trial, or one for each.",
    ),
    "hook": Field(
        choice("on", "off", otherwise="write `hook: off`, or leave it out"),
        "on",
        "Whether a script's `Model.fit` gets the callbacks of its run.",
    ),
    "cwd": Field(
        choice("launch", "run", otherwise="write `cwd: run`, or leave it out"),
        "launch",
        "Where a trial starts: where the launch did, or in a directory of its run.",
    ),
    "link": Field(
        Rule({"type": "array", "items": TEXT.schema}),
        description="What that directory has of the launch's, by links.",
    ),
    "parallel": Field(any_of(choice("auto").schema, COUNT.schema), "auto"),
    "budget": Field(Rule(closed(BUDGET))),
    "retry": Field(Rule(closed(RETRY))),
    "checkpoint": Field(Rule(closed(CHECKPOINT))),
    "slurm": Field(SLURM, description="Options of `sbatch` for `launch --on slurm`."),
    "tensorboard": Field(FLAG, False, "Whether TensorBoard's logs are written as training goes."),
    "notify": Field(Rule(closed(NOTIFY)), description="Who hears of failures, bests, the end."),
    "storage": Field(TEXT, "experiments"),
    "sweep_name": Field(TEXT, description="Directory below <name>/sweeps."),
}
KEYS = tuple(FIELDS)
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


def wraps(value: Any) -> bool:
    """Whether a value looks like a whole sweep, one level too deep."""
    return isinstance(value, dict) and ("method" in value or "parameters" in value)


def is_there(raw: dict[str, Any], key: str) -> bool:
    """Whether ``key`` is in the file, be it misspelled or one level too deep."""
    return key in raw or any(
        wraps(value) or (name not in KEYS and nearest(name, KEYS) == [key])
        for name, value in raw.items()
    )
