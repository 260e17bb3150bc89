"""Whether a distribution's numbers make sense: its bounds, its shape, its step."""

from __future__ import annotations

import math

from sweeper.space import BOUNDED, KINDS, LARGEST, Distribution
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.yaml12 import KeyPath
from sweeper.wording import describe

from .parameter_keys import rule_of

_MEANINGS = {"q": "q is the step between two values", "sigma": "sigma is a standard deviation"}


def check_bounds(problems: Problems, of: Distribution, key: KeyPath) -> bool:
    """Whether the bounds and shapes make a distribution; complaints go to ``problems``."""
    if wrong := _wrong(of):
        name, message, mend = wrong
        problems.add((*key, name) if name else key, message, mend)
        return False
    if of.kind in ("log_uniform", "q_log_uniform", "inv_log_uniform"):
        _warn_of_exponents(problems, of, key)
    if of.leaves_the_floats:
        is_log = "log" in of.kind
        what = "mu and sigma are those of the logarithm" if is_log else "sigma is very large"
        problems.warn(
            key,
            f"`{of.kind}` reaches beyond the largest number, {LARGEST:.1e}, and is clipped: {what}",
        )
    return True


def _wrong(of: Distribution) -> tuple[str, str, str] | None:
    """Which key makes no sense (none: all of them together), why not, and what to do."""
    kind = of.kind
    if kind in BOUNDED:
        lowest = rule_of(kind, "min")
        if not of.min < of.max:
            what = f"expected min < max, found min {of.min!r} and max {of.max!r}"
            one = f"for one value write `value: {of.min!r}`"
            return "min", what, "swap the two" if of.max < of.min else one
        if not lowest.allows(of.min):
            mend = "a logarithm has no zero; use a small number, or `distribution: uniform`"
            return "min", f"expected {lowest.words}, found {describe(of.min)}", mend
        if not _fits(of):
            real = kind + "_values"
            mend = f"min and max are exponents of e here; for the values themselves use `{real}`"
            return "max", f"e to the power of {of.max!r} is no number", mend
    for name in ("q", "a", "b", "sigma"):
        rule, value = rule_of(kind, name), getattr(of, name)
        if name in KINDS[kind].optional and not rule.allows(value):
            what = f"expected {rule.words}, found {describe(value)}"
            return name, what, _MEANINGS.get(name, "")
    if not of.counts_its_steps:
        what = f"q {of.q!r} is too small: its multiples cannot be counted"
        return "q", what, "make q larger or the bounds narrower"
    if kind.endswith("beta") and not _is_drawable(of):
        what = f"a beta distribution of a {of.a!r} and b {of.b!r} cannot be worked out"
        return "", what, "make a and b smaller"
    if of.has_no_value:
        what = "no multiple of {!r} lies between {!r} and {!r}".format(of.q, *of.bounds)
        return "q", what, "make q smaller or the bounds wider"
    return None


def _is_drawable(of: Distribution) -> bool:
    """Whether SciPy has an inverse for it."""
    return not any(math.isnan(of.ppf(u)) for u in (2.0**-54, 0.01, 0.25, 0.5, 0.75, 0.99))


def warn_of_clipping(problems: Problems, of: Distribution, key: KeyPath) -> None:
    """Say so where rounding would leave the bounds of what is drawn."""
    if of.clips:
        problems.warn(
            key,
            f"values are multiples of {of.q!r} from {of.low!r} to {of.high!r}: "
            "rounded ones that would leave the bounds are clipped (W&B lets them leave)",
        )


def _fits(of: Distribution) -> bool:
    try:
        low, high = of.bounds
    except OverflowError:
        return False
    return math.isfinite(low) and math.isfinite(high) and low < high


def _warn_of_exponents(problems: Problems, of: Distribution, key: KeyPath) -> None:
    """Say so where exponents look as if the values themselves had been meant."""
    if of.min < 0 or 1 < of.max <= 30:
        return
    low, high = of.bounds
    problems.warn(
        key,
        f"`{of.kind}` takes natural-log exponents: these bounds give values from {low:.4g} to "
        f"{high:.4g}; if {of.min!r} and {of.max!r} are the values themselves, "
        f"use `{of.kind}_values`",
    )
