"""The distributions of W&B's sweep language, each with its exact meaning.

Every draw is ``ppf(u)``, the inverse of the cumulative distribution at a uniform number in (0, 1):
a searcher that cannot express a distribution works on [0, 1] and decodes; ``encode`` goes back.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from .canonical import value_key
from .kinds import BOUNDED, GRID_KINDS, KINDS, VALUE_KINDS
from .sequences import Lazy, distinct, first_of_equals, nth, quotient, steps, weighted

_SMALLEST = 2.0**-53
_FARTHEST = 8.3  # standard deviations from the mean that a draw can be
LARGEST = sys.float_info.max
MOST_DIGITS = sys.float_info.max_10_exp + 1


@dataclass(frozen=True)
class Distribution:
    """One parameter's kind and numbers.

    ``min`` and ``max`` are as written (natural-log exponents in ``log_uniform``); ``low`` and
    ``high`` are the bounds of the values themselves (None where there is none).
    """

    kind: str
    value: Any = None
    values: tuple[Any, ...] = ()
    probabilities: tuple[float, ...] = ()
    min: float = 0
    max: float = 0
    q: float = 0
    mu: float = 0
    sigma: float = 0
    a: float = 0
    b: float = 0

    @property
    def is_constant(self) -> bool:
        return self.kind == "constant"

    @property
    def is_log(self) -> bool:
        """Whether equal steps are equal ratios."""
        return "log_uniform" in self.kind

    @property
    def is_quantised(self) -> bool:
        return self.kind.startswith("q_")

    @property
    def family(self) -> str:
        """The kind, before rounding to multiples of ``q``."""
        return self.kind.removeprefix("q_")

    @cached_property
    def low(self) -> float | None:
        """The smallest value that can come out."""
        return self._support[0]

    @cached_property
    def high(self) -> float | None:
        """The largest value that can come out."""
        return self._support[1]

    @cached_property
    def _support(self) -> tuple[float | None, float | None]:
        if self.kind in BOUNDED:
            low, high = self.bounds
            if self.is_quantised:
                return self.multiple(self._steps[0]), self.multiple(self._steps[1])
            return low, high
        if self.family == "beta":
            return 0.0, 1.0
        return (0.0 if self.family == "log_normal" else None), None

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Bounds of the values before they are rounded to multiples of ``q``."""
        if self.family == "log_uniform":
            return math.exp(self.min), math.exp(self.max)
        if self.kind == "inv_log_uniform":
            return math.exp(-self.max), math.exp(-self.min)
        return self.min, self.max

    @cached_property
    def _logs(self) -> tuple[float, float]:
        """Natural logs of the bounds, for the log-uniform kinds."""
        if self.family == "log_uniform":
            return float(self.min), float(self.max)
        if self.kind == "inv_log_uniform":
            return -float(self.max), -float(self.min)
        return math.log(self.min), math.log(self.max)

    @cached_property
    def _steps(self) -> tuple[int, int]:
        """The first and last multiple of ``q`` inside the bounds, counted in ``q``."""
        low, high = self.bounds
        return math.ceil(low / self.q - 1e-9), math.floor(high / self.q + 1e-9)

    @property
    def counts_its_steps(self) -> bool:
        """Whether the multiples of ``q`` in the bounds can be numbered: q is not too small."""
        if not self.is_quantised or (self.kind not in BOUNDED and self.kind != "q_beta"):
            return True
        low, high = (0.0, 1.0) if self.kind == "q_beta" else self.bounds
        ends = (float(low), float(high), float(high) - float(low))
        return all(math.isfinite(quotient(end, self.q)) for end in ends)

    @property
    def leaves_the_floats(self) -> bool:
        """Whether a draw could be larger than the largest float, to which it is clipped then."""
        if self.family not in ("normal", "log_normal"):
            return False
        ends = (self.mu + self.sigma * z for z in (-_FARTHEST, _FARTHEST))
        if "log" in self.kind:
            return any(end > math.log(LARGEST) for end in ends)
        return not all(map(math.isfinite, ends))

    @property
    def clips(self) -> bool:
        """Whether rounding to a multiple of ``q`` could leave the bounds, so that we clip."""
        if not (self.is_quantised and self.kind in BOUNDED):
            return False
        low, high = self.bounds
        first, last = self._steps
        return round(low / self.q) < first or round(high / self.q) > last

    @property
    def has_no_value(self) -> bool:
        """Whether no multiple of ``q`` lies inside the bounds."""
        return self.is_quantised and self.kind in BOUNDED and self._steps[0] > self._steps[1]

    def multiple(self, count: int) -> float:
        """``count`` times ``q``: 0.3, not 0.30000000000000004."""
        if isinstance(self.q, int):
            return count * self.q
        return float(Decimal(repr(self.q)) * count)

    @cached_property
    def _drawn(self) -> tuple[Any, ...]:
        """The ``values``; of equal ones the first, as in a grid."""
        return first_of_equals(self.values)

    @cached_property
    def choices(self) -> Sequence[Any] | None:
        """Every value that can come out, in order; None if they cannot be listed.

        Values that are equal stand once. Lazy: 10**9 integers take no memory.
        """
        if self.kind == "constant":
            return (self.value,)
        if self.kind == "categorical":
            return distinct(self.values)
        if self.kind == "categorical_w_probabilities":
            pairs = zip(self._drawn, self.probabilities, strict=True)
            return distinct([value for value, probability in pairs if probability > 0])
        if self.kind == "int_uniform":
            return range(int(self.min), int(self.max) + 1)
        if self.is_quantised and self.kind in BOUNDED:
            first, last = self._steps
            return Lazy(last - first + 1, lambda index: self.multiple(first + index))
        if self.kind == "q_beta":
            return Lazy(round(1 / self.q) + 1, self.multiple)
        return None

    @cached_property
    def grid(self) -> Sequence[Any] | None:
        """The values of a grid, in W&B's order; None where a grid cannot have this kind.

        ``q_uniform`` walks from ``min`` in steps of ``q``, as W&B does, and keeps ``max`` where it
        is one of the steps, which W&B drops.
        """
        if self.kind not in GRID_KINDS:
            return None
        return steps(self.min, self.max, self.q) if self.kind == "q_uniform" else self.choices

    @cached_property
    def ppf(self) -> Callable[[float], Any]:
        """The function from a probability in (0, 1) to the value there."""
        if self.kind == "constant":
            return lambda u: self.value
        if self.kind == "categorical":
            return nth(self._drawn)
        if self.kind == "categorical_w_probabilities":
            return weighted(self._drawn, self.probabilities)
        if self.kind == "int_uniform":
            return nth(range(int(self.min), int(self.max) + 1))
        draw = self._continuous()
        if self.is_quantised or self.kind not in BOUNDED:
            return self._rounded(draw) if self.is_quantised else draw
        ends = {_SMALLEST: float(self.bounds[0]), 1 - _SMALLEST: float(self.bounds[1])}
        return lambda u: ends[u] if u in ends else draw(u)  # where searchers mean the bounds

    def _rounded(self, draw: Callable[[float], float]) -> Callable[[float], float]:
        if self.kind not in BOUNDED:
            return lambda u: self._nearest(draw(u))
        first, last = self._steps
        return lambda u: self.multiple(min(max(round(draw(u) / self.q), first), last))

    def _nearest(self, x: float) -> float:
        """The multiple of ``q`` nearest to ``x`` that is a float, or an int within their range."""
        count = quotient(x, self.q)
        if not math.isfinite(count):  # floats so large are multiples of so small a q
            return x
        value = self.multiple(round(count))
        return value if abs(value) <= LARGEST else self.multiple(int(count))

    def _continuous(self) -> Callable[[float], float]:
        if self.family == "uniform":
            low, high = float(self.min), float(self.max)
            if not math.isfinite(high - low):
                return lambda u: min(max(low * (1 - u) + high * u, low), high)
            return lambda u: min(max(low + u * (high - low), low), high)
        if self.is_log:
            start, stop = self._logs
            least, most = map(float, self.bounds)
            return lambda u: min(max(_exp(start + u * (stop - start)), least), most)
        if self.family == "beta":
            from scipy.special import betaincinv

            return lambda u: float(betaincinv(self.a, self.b, u))
        from statistics import NormalDist

        z = NormalDist().inv_cdf
        if self.family == "normal":
            return lambda u: min(max(self.mu + self.sigma * z(u), -LARGEST), LARGEST)
        return lambda u: _exp(self.mu + self.sigma * z(u))

    def encode(self, value: Any) -> float:
        """A number in (0, 1) that :meth:`ppf` takes back to ``value``.

        Raises ValueError if the distribution cannot give the value.
        """
        if self.is_constant:
            return 0.5
        if self.values:
            wanted = value_key(value)
            below = 0.0
            shares = self.probabilities or (1 / len(self.values),) * len(self.values)
            for candidate, share in zip(self.values, shares, strict=True):
                if value_key(candidate) == wanted and share > 0:
                    return below + share / 2
                below += share
            raise ValueError(f"{value!r} is not one of the values")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{value!r} is not a number")
        self._check(value)
        if self.kind == "int_uniform":
            count = int(self.max) - int(self.min) + 1
            return min(max((value - self.min + 0.5) / count, 0.0), 1.0)
        x = float(value)
        if self.is_quantised:  # the middle of what rounds to it
            u = (self.cdf(x - self.q / 2) + self.cdf(x + self.q / 2)) / 2
        else:
            u = self.cdf(x)
        return min(max(u, _SMALLEST), 1 - _SMALLEST)

    def _check(self, value: float) -> None:
        """Raise ValueError for a number that cannot come out, but for errors of rounding."""
        if not abs(value) <= LARGEST:
            raise ValueError(f"expected a number of at most {LARGEST:.1e}")
        low, high = self.bounds if self.kind in BOUNDED else (self.low, self.high)
        slack = 1e-9 * max(abs(low or 0), abs(high or 0))
        if low is not None and value < low - slack:
            raise ValueError(f"{value!r} is below {low:g}")
        if high is not None and value > high + slack:
            raise ValueError(f"{value!r} is above {high:g}")
        if self.kind == "int_uniform" and value != int(value):
            raise ValueError(f"{value!r} is not a whole number")
        if self.is_quantised:  # a grid counts from the least value
            steps = quotient(value, self.q), quotient(value - (low or 0), self.q)
            far = (abs(n) < 1e15 and abs(n - round(n)) > 1e-6 * max(1, abs(n)) for n in steps)
            if all(far):
                raise ValueError(f"{value!r} is no multiple of {self.q:g}")

    def cdf(self, x: float) -> float:
        """The probability of a value up to ``x``, before rounding to multiples of ``q``."""
        if self.family == "uniform":
            width = float(self.max) - float(self.min)
            if math.isfinite(width):
                u = (x - self.min) / (self.max - self.min)
            else:
                u = (x / 2 - self.min / 2) / (self.max / 2 - self.min / 2)
        elif self.is_log:
            low, high = self._logs
            u = (math.log(x) - low) / (high - low) if x > 0 else 0.0
        elif self.family == "beta":
            from scipy.special import betainc

            u = float(betainc(self.a, self.b, min(max(x, 0.0), 1.0)))
        else:
            if self.family == "log_normal":
                if x <= 0:
                    return 0.0
                x = math.log(x)
            if self.sigma == 0:
                return 0.5
            u = math.erfc((self.mu - x) / (self.sigma * math.sqrt(2))) / 2
        return min(max(u, 0.0), 1.0)

    def as_written(self) -> dict[str, Any]:
        """The keys of the sweep file that give this distribution."""
        required, optional = KINDS[self.kind]
        body: dict[str, Any] = {} if self.kind in VALUE_KINDS else {"distribution": self.kind}
        for key in (*required, *optional):
            value = getattr(self, key)
            body[key] = list(value) if isinstance(value, tuple) else value
        return body


def _exp(x: float) -> float:
    try:
        return min(math.exp(x), LARGEST)
    except OverflowError:
        return LARGEST
