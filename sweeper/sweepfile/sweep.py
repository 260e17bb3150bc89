"""What a sweep file says, typed: the sweep, its trials and the small values of its keys."""

from __future__ import annotations

import itertools
import math
import os.path
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import Problem, SpecError
from sweeper.space import LARGEST, NothingAllowed, Space, canonical_json, draw, run_seed, walk

from .early_terminate import EarlyTerminate
from .monitored import Monitored
from .program import Program
from .yaml12 import to_yaml

ADAPTIVE_METHODS = (
    "bayes",
    "tpe",
    "gp",
    "cmaes",
    "qmc",
    "hyperopt",
    "bohb",
    "hebo",
    "ax",
    "nevergrad",
    "bayesopt",
    "zoopt",
)
SEVERAL_GOALS = ("bayes", "gp", "tpe", "qmc", "random", "grid", "list")
METHODS = ("grid", "random", "list", *ADAPTIVE_METHODS)
MOST_LAUNCHED_TRIALS = 1_000_000


@dataclass(slots=True)
class Trial:
    """One parameter dict of a sweep.

    ``index`` counts from 0, replicates included; ``replicate`` counts from 0. Trials share the
    parts of ``params`` that do not vary: treat it as read-only.
    """

    index: int
    params: dict[str, Any]
    replicate: int
    sweep_seed: int
    shares_seeds: bool = False

    @property
    def first(self) -> int:
        """The index of the first trial of its parameter dict."""
        return self.index - self.replicate

    @property
    def seed(self) -> int:
        """The run's, below 2**32: it follows from the sweep's, the parameters and the replicate.

        Where dicts are compared replicate by replicate they share the seed of each.
        """
        return run_seed(self.sweep_seed, self.replicate, {} if self.shares_seeds else self.params)


@dataclass(frozen=True)
class Limit:
    """What a metric of a good trial lies between."""

    name: str
    min: float = -math.inf
    max: float = math.inf

    def excess(self, value: float) -> float:
        """How far a value lies beyond, negative within; NaN of NaN."""
        return max(value - self.max, self.min - value)

    @property
    def size(self) -> float:
        """What an excess is measured by."""
        bounds = [abs(bound) for bound in (self.min, self.max) if math.isfinite(bound)]
        return max(bounds, default=0.0) or 1.0

    def __str__(self) -> str:
        low = f"{self.min:g} <= " if self.min > -math.inf else ""
        return f"{low}{self.name}" + (f" <= {self.max:g}" if self.max < math.inf else "")


@dataclass(frozen=True)
class Metric:
    """The number to optimise. ``target``: no new trials once reached. ``mode``: which epoch
    counts. ``pattern``: the regular expression that finds it in what a script prints.

    ``others`` are to be optimised, too, and ``limits`` to be kept; their values are those of the
    epoch that counts.
    """

    name: str
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None
    mode: Literal["best", "last"] = "best"
    pattern: str | None = None
    others: tuple[Metric, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def goals(self) -> tuple[Metric, ...]:
        return (self, *self.others)

    @property
    def names(self) -> list[str]:
        """Of all goals and limits, each once."""
        names = [*(goal.name for goal in self.goals), *(limit.name for limit in self.limits)]
        return list(dict.fromkeys(names))

    @property
    def sign(self) -> float:
        """What makes less of it better."""
        return -1.0 if self.goal == "maximize" else 1.0

    def breaks(self, values: Sequence[float]) -> dict[str, list[str]]:
        """By a run's value of each goal and its excess of each limit, in words: which limits it
        ``breaks``, which goals it ``lacks``.
        """
        count = len(self.goals)
        found = {
            "breaks": [
                f"without {limit.name}" if math.isnan(excess) else f"breaks {limit}"
                for limit, excess in zip(self.limits, values[count:], strict=True)
                if not excess <= 0
            ],
            "lacks": [
                f"without {goal.name}"
                for goal, value in zip(self.goals, values[:count], strict=True)
                if math.isnan(value)
            ],
        }
        return {key: words for key, words in found.items() if words}


@dataclass(frozen=True)
class Resources:
    """What one trial takes: CPU cores and GPUs (fractions share one).

    With ``gpu_auto`` it takes one at first, and later the part that earlier trials have needed.
    """

    cpu: float = 1
    gpu: float = 0
    gpu_auto: bool = False


@dataclass(frozen=True)
class Retry:
    """``max`` retries of a crashed trial; the sweep stops after ``breaker`` failures in a row.

    One that ran out of memory is tried once more, alone on its node, or never.
    """

    max: int = 1
    breaker: int = 10
    out_of_memory: Literal["alone", "never"] = "alone"


@dataclass(frozen=True)
class Budget:
    """What may be spent: ``wall`` and ``trial`` in seconds, ``trials``, ``disk`` in bytes."""

    wall: float | None = None
    trial: float | None = None
    trials: int | None = None
    disk: int | None = None


@dataclass(frozen=True)
class Notify:
    """Who hears of which events: a command's words, an address as ``${envvar:NAME}``."""

    on: tuple[str, ...] = ("end", "failure")
    command: tuple[str, ...] = ()
    apprise: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A validated sweep file. Made by :func:`sweeper.sweepfile.load_sweep`.

    ``places``: line and column of the values of its top-level keys, and the text of that line.
    """

    path: Path = field(compare=False)
    name: str
    sweep_name: str
    program: Program | None
    command: tuple[Any, ...] | None
    method: str
    metric: Metric | None
    run_cap: int | None
    seed: int
    monitored: Monitored
    resources: Resources
    isolation: Literal["warm", "process"]
    hook: Literal["on", "off"]
    cwd: Literal["launch", "run"]
    link: tuple[str, ...]
    parallel: int | None
    storage: Path
    retry: Retry
    checkpoint: dict[str, Any]
    repeats: int
    race: bool
    early_terminate: EarlyTerminate | None
    budget: Budget
    order: Literal["as_written", "shuffle"]
    slurm: dict[str, Any]
    tensorboard: bool
    notify: Notify | None
    space: Space
    method_options: Mapping[str, Any] = field(default_factory=dict)
    enqueue: tuple[dict[str, Any], ...] = ()
    warm_start: tuple[str, ...] = ()
    description: str | None = field(default=None, compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    places: Mapping[str, tuple[int, int, str]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def base_dir(self) -> Path:
        return self.storage / self.name

    @property
    def program_as_written(self) -> str:
        """The program as the sweep file may name it, from its own directory."""
        assert self.program is not None
        file, start = self.program.path, self.path.parent
        return str(self.program.module) if file is None else os.path.relpath(file, start)

    @property
    def links(self) -> list[str] | None:
        """What is linked in the directory of its run in which a trial starts; None: in no such."""
        return list(self.link) if self.cwd == "run" else None

    @property
    def title(self) -> str:
        """What people call the sweep: its `name`, and the name of the sweep where that differs."""
        differ = self.sweep_name != self.name
        return f"{self.name} (sweep {self.sweep_name})" if differ else self.name

    @property
    def adaptive(self) -> bool:
        """Whether trials are chosen as results come in, so that not all are known before."""
        return self.method in ADAPTIVE_METHODS or self.makes_trials

    @property
    def chooser(self) -> str:
        """What chooses the trials: the method, and the scheduler if that makes some too."""
        early = self.early_terminate
        return f"{self.method} and {early.type}" if early and self.makes_trials else self.method

    @property
    def makes_trials(self) -> bool:
        return self.early_terminate is not None and self.early_terminate.makes_trials

    def points(self) -> int | None:
        """How many different parameter dicts the sweep may try; None if without end, or beyond
        any number that is read.
        """
        size = self.space.size() if self.space.is_finite else None
        return None if size is None or size > LARGEST else size

    def size(self) -> int | None:
        """Trials in all, repeats included, at most ``run_cap``; None if without end.

        Instant whatever the size of the grid; exact unless ``space.size_is_bound``.
        """
        points = self.points()
        if points is None or self.makes_trials:
            return self.run_cap
        trials = points * self.repeats
        return trials if self.run_cap is None else min(trials, self.run_cap)

    def trials(self) -> Iterator[Trial]:
        """Every trial in order, made as it is asked for; the same on every machine.

        Empty for an adaptive method: its trials are chosen one by one, made with ``space.decode``
        and :meth:`trial_of`. Those that a scheduler makes (see ``adaptive``) are not among them.
        Raises UsageError where a condition cannot be evaluated.
        """
        if self.method in ADAPTIVE_METHODS:
            return
        dicts = walk(self.space, self.seed if self.order == "shuffle" else None)
        if self.method == "random":
            dicts = self._drawn()
        trials = (
            self.trial_of(index * self.repeats + replicate, params, replicate)
            for index, params in enumerate(dicts)
            for replicate in range(self.repeats)
        )
        yield from itertools.islice(trials, min(self.run_cap or sys.maxsize, sys.maxsize))

    def _drawn(self) -> Iterator[dict[str, Any]]:
        """The points to be tried first, then what is drawn."""
        yield from self.enqueue
        first = set(map(canonical_json, self.enqueue))
        drawn = draw(self.space, self.seed)
        try:
            yield from (p for p in drawn if not first or canonical_json(p) not in first)
        except NothingAllowed as error:
            mend = "widen the bounds or the constraints"
            raise self.refusal("constraints", str(error), mend) from None

    def trial_of(self, index: int, params: dict[str, Any], replicate: int = 0) -> Trial:
        """The trial with these parameters; its run's seed follows from them."""
        return Trial(index, params, replicate, self.seed, self.race)

    def problem(self, key: str, message: str, mend: str = "", at: str = "") -> Problem:
        """A complaint about the key, with its place (or that of the key ``at``) in the file."""
        place = self.places.get(at or key, (0, 0, ""))
        return Problem(message, key, str(self.path), *place, mend)

    def refusal(self, key: str, message: str, mend: str = "", at: str = "") -> SpecError:
        """The error with that one complaint."""
        return SpecError([self.problem(key, message, mend, at)])

    def to_yaml(self) -> str:
        """The sweep as one self-contained file that loads back equal."""
        return to_yaml(self.document)
