"""``early_terminate``: when a scheduler may stop a trial that does badly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from sweeper.space import LARGEST
from sweeper.wording import describe, did_you_mean, one_of

from .problems import Problems
from .rules import COUNT, FLAG, Field, choice, number, read_mapping, read_value

_SHARE = replace(number(above=0, most=1), mend=lambda value, name: f"for example `{name}: 0.25`")
_RULES = {
    **dict.fromkeys(("min_iter", "max_iter", "s", "brackets", "min_trials", "interval"), COUNT),
    "eta": replace(  # who judges counts in steps of it
        number(least=1.01),
        mend=lambda value, name: "each band is eta times the one before: write `eta: 3`",
    ),
    "strict": FLAG,
    "quantile": replace(number(above=0, most=0.5), mend=_SHARE.mend),  # no parent is a loser, too
    "resample": _SHARE,
}


def _type(name: str, **defaults: Any) -> dict[str, Field]:
    fields = {key: Field(_RULES[key], default) for key, default in defaults.items()}
    return {"type": Field(choice(name)), **fields}


# The keys of each type; without a default: not set.
TYPES = {
    "hyperband": _type("hyperband", min_iter=None, max_iter=None, s=None, eta=3, strict=True),
    "asha": _type("asha", min_iter=1, max_iter=None, eta=3, brackets=1),
    "median": _type("median", min_iter=1, min_trials=3),
    "bohb": _type("bohb", max_iter=None, eta=3),
    "pbt": _type("pbt", interval=1, quantile=0.25, resample=0.25, min_iter=0),
    "pb2": _type("pb2", interval=1, quantile=0.25, min_iter=0),
}
WORDS: dict[str, dict[str, Any]] = {
    "cautious": {"type": "median", "min_iter": 5, "min_trials": 5},
    "standard": {"type": "asha", "min_iter": 3, "eta": 3},
    "aggressive": {"type": "asha", "min_iter": 2, "eta": 4},
}
"""Measured by `python -m tests.benchmarks stopping`: see docs/benchmarks.md."""
POPULATIONS = ("pbt", "pb2")
"""The types that replace a bad trial by a new one, which goes on from a good one's weights."""
_MOST_BANDS = 100


@dataclass(frozen=True)
class EarlyTerminate:
    """A scheduler by ``type``. An iteration is one report of the metric.

    ``min_iter`` is the first iteration at which a trial may be stopped. Of hyperband ``max_iter``,
    ``s`` and ``eta`` mean what they mean in W&B, and ``strict`` judges a trial by its latest band,
    not its best value so far; of asha and bohb see :meth:`is_rung`. ``options`` are the other
    keys of the type, defaults filled in.
    """

    type: str
    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3
    strict: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def makes_trials(self) -> bool:
        """Whether it starts trials of its own, in place of those that it stops."""
        return self.type in POPULATIONS

    def bands(self, upto: int | None = None) -> tuple[int, ...]:
        """The iterations at which hyperband judges, ascending, as W&B computes them.

        With ``max_iter`` and ``s``: ``max_iter / eta**k`` for k = 1…s; else ``min_iter * eta**k``
        without end, of which those up to ``upto`` (or the first hundred) are given.
        """
        bands: list[int] = []
        if self.max_iter is not None and self.s is not None:
            band = float(self.max_iter)
            while len(bands) < self.s and band >= self.eta:
                band /= self.eta
                bands.append(int(band))
        else:
            band = float(self.min_iter or 1)
            while len(bands) < _MOST_BANDS and band <= (upto or LARGEST):
                bands.append(int(band))
                band *= self.eta
        return tuple(sorted({band for band in bands if upto is None or band <= upto}))

    def is_rung(self, iteration: int, bracket: int = 0) -> bool:
        """Are the trials of this bracket (from 0) judged after so many reports?

        At ``min_iter * eta**(bracket + k)`` for k = 0, 1, …, rounded down, below ``max_iter``.
        """
        if self.max_iter is not None and iteration >= self.max_iter:
            return False
        rung: float = self.min_iter or 1
        for _ in range(bracket):
            rung *= self.eta
        while rung < iteration:
            rung *= self.eta
        return rung < iteration + 1


def parse_early_terminate(problems: Problems, raw: Any) -> EarlyTerminate | None:
    """The value of ``early_terminate``; complaints go to ``problems``."""
    key = ("early_terminate",)
    if isinstance(raw, str) and raw in WORDS:
        raw = WORDS[raw]
    if not isinstance(raw, dict):
        mend = did_you_mean(raw, WORDS) if isinstance(raw, str) and raw not in TYPES else ""
        name = raw if isinstance(raw, str) and raw in TYPES else "hyperband"
        mend = mend or f"write `early_terminate: {{type: {name}, min_iter: 3}}`"
        problems.expected(key, f"{one_of(WORDS)}, or a mapping", raw, mend)
        return None
    kind = raw.get("type")
    if kind is None:
        problems.add(key, "`early_terminate` needs `type`", f"one of {one_of(TYPES)}", on_key=True)
        return None
    if read_value(problems, kind, (*key, "type"), choice(*TYPES)) is None:
        return None
    before = len(problems.found)
    given = read_mapping(problems, raw, key, TYPES[kind]) or {}
    if len(problems.found) > before:
        return None
    values = {name: field.default for name, field in TYPES[kind].items() if name != "type"}
    values |= {name: given[name] for name in values if given.get(name) is not None}
    names = ("min_iter", "max_iter", "s", "eta", "strict")
    common = {name: values.pop(name) for name in names if name in values}
    stop = EarlyTerminate(kind, options=values, **common)
    if wrong := _wrong(stop):
        name, message, mend = wrong
        at = (*key, name) if name else key
        problems.add(at, message, mend, on_key=not name)
        return None
    if kind == "bohb" and stop.max_iter:  # every bracket of hyperband, from 1 iteration to max_iter
        brackets = _most_brackets(1, stop.max_iter, stop.eta)
        return replace(stop, min_iter=1, options={"brackets": brackets})
    return stop


def _wrong(stop: EarlyTerminate) -> tuple[str, str, str] | None:
    """What of its numbers does not go together, at which key (none: all), and what to do."""
    low, high, eta = stop.min_iter or 1, stop.max_iter, stop.eta
    if stop.type == "bohb" and high is None:
        return "", "bohb needs `max_iter`", "add `max_iter:`, the most epochs of a trial"
    if stop.type == "hyperband" and not (stop.min_iter or (high and stop.s)):
        what = "hyperband needs `min_iter`, or `max_iter` and `s`"
        mend = "for example `min_iter: 3`: the first band is then after 3 reports of the metric"
        return "", what, mend
    if stop.type == "hyperband" and not stop.bands():
        what = f"max_iter {high}, s {stop.s} and eta {eta} leave no band of 1 or more"
        return "", what, "make `max_iter` larger or `eta` smaller"
    if stop.type != "asha" or high is None:
        return None
    if high <= low:
        what = f"expected more than min_iter, {low}, found {describe(high)}"
        return "max_iter", what, "give the reports of a whole trial, or leave it out"
    most = _most_brackets(low, high, eta)
    if stop.options["brackets"] > most:
        what = f"expected at most {most}, found {describe(stop.options['brackets'])}"
        mend = f"bracket s begins at min_iter·eta^s reports, up to max_iter {high}"
        return "brackets", what, mend
    return None


def _most_brackets(low: int, high: int, eta: float) -> int:
    """How many brackets have their first rung, ``low * eta**s``, at ``high`` or before."""
    return 1 + int((math.log(high) - math.log(low)) / math.log(eta) + 1e-9)
