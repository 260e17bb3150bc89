"""Each distribution against SciPy's, and back from a value to its probability."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import pytest
from scipy import stats

from sweeper.search.searcher import clip_to_unit
from sweeper.space import KINDS, Distribution, count_of
from sweeper.sweepfile.problems import Problems
from sweeper.sweepfile.search_space.parameter_entry import parse_parameter
from sweeper.sweepfile.yaml12.document import Document

DRAWS = 4000


def of(**body: Any) -> Distribution:
    problems = Problems(Document("test", []))
    found = parse_parameter(problems, body, ("parameters", "p"))
    assert found is not None, problems.problems
    return found


def loguniform(low: float, high: float) -> Any:
    return stats.loguniform(low, high)


CONTINUOUS = {
    "uniform": (of(min=3.0, max=5.0), stats.uniform(3, 2)),
    "uniform of ints": (of(distribution="uniform", min=-1, max=7), stats.uniform(-1, 8)),
    "log_uniform": (
        of(distribution="log_uniform", min=math.log(5), max=math.log(100)),
        loguniform(5, 100),
    ),
    "log_uniform_values": (
        of(distribution="log_uniform_values", min=1e-5, max=0.1),
        loguniform(1e-5, 0.1),
    ),
    "inv_log_uniform": (
        of(distribution="inv_log_uniform", min=-2, max=6),
        loguniform(math.exp(-6), math.exp(2)),
    ),
    "inv_log_uniform_values": (
        of(distribution="inv_log_uniform_values", min=1e-15, max=1e20),
        loguniform(1e-15, 1e20),
    ),
    "normal": (of(distribution="normal", mu=3, sigma=0.5), stats.norm(3, 0.5)),
    "log_normal": (
        of(distribution="log_normal", mu=2, sigma=3),
        stats.lognorm(3, scale=math.exp(2)),
    ),
    "beta": (of(distribution="beta", a=2, b=5), stats.beta(2, 5)),
}
# Quantised: the probability of a multiple is that of the interval that rounds to it.
QUANTISED = {
    "q_uniform": (of(distribution="q_uniform", min=0, max=100, q=10), stats.uniform(0, 100)),
    "q_uniform by tenths": (
        of(distribution="q_uniform", min=0.0, max=1.0, q=0.1),
        stats.uniform(0, 1),
    ),
    "q_log_uniform": (
        of(distribution="q_log_uniform", min=0, max=math.log(32.2), q=2),
        loguniform(1, 32.2),
    ),
    "q_log_uniform_values": (
        of(distribution="q_log_uniform_values", min=1, max=64, q=1),
        loguniform(1, 64),
    ),
    "q_normal": (of(distribution="q_normal", mu=100, sigma=20, q=10), stats.norm(100, 20)),
    "q_log_normal": (
        of(distribution="q_log_normal", mu=1, sigma=0.5, q=0.5),
        stats.lognorm(0.5, scale=math.exp(1)),
    ),
    "q_beta": (of(distribution="q_beta", a=2, b=5, q=0.1), stats.beta(2, 5)),
}
LISTED = {
    "categorical": (of(values=["a", "b", "c", "a"]), {"a": 0.5, "b": 0.25, "c": 0.25}),
    "categorical_w_probabilities": (
        of(values=[1, 2, 3], probabilities=[0.2, 0.0, 0.8]),
        {1: 0.2, 3: 0.8},
    ),
    "int_uniform": (of(min=-3, max=6), {**dict.fromkeys(range(-3, 7), 0.1)}),
    "constant": (of(value="x"), {"x": 1.0}),
}


def draws(distribution: Distribution) -> list[Any]:
    stream = Random(20261124)
    return [distribution.ppf(stream.random()) for _ in range(DRAWS)]


def test_every_kind_is_held_against_scipy() -> None:
    tested = {case[0].kind for group in (CONTINUOUS, QUANTISED, LISTED) for case in group.values()}
    assert tested == set(KINDS)


@pytest.mark.parametrize("case", CONTINUOUS)
def test_draws_follow_the_cumulative_distribution(case: str) -> None:
    distribution, reference = CONTINUOUS[case]
    assert stats.kstest(draws(distribution), reference.cdf).pvalue > 0.01


@pytest.mark.parametrize("case", QUANTISED)
def test_multiples_come_as_often_as_what_rounds_to_them(case: str) -> None:
    distribution, reference = QUANTISED[case]
    found = Counter(draws(distribution))
    q = distribution.q
    observed, expected = [], []
    for value in sorted(found):
        lower, upper = reference.cdf(value - q / 2), reference.cdf(value + q / 2)
        if value == distribution.low:
            lower = 0.0
        if value == distribution.high:
            upper = 1.0
        observed.append(found[value])
        expected.append(DRAWS * (upper - lower))
    while expected[-1] < 5 and len(expected) > 1:  # pool the thin tail
        expected[-2:] = [sum(expected[-2:])]
        observed[-2:] = [sum(observed[-2:])]
    scale = sum(observed) / sum(expected)
    assert abs(scale - 1) < 0.01
    assert stats.chisquare(observed, [one * scale for one in expected]).pvalue > 0.01


@pytest.mark.parametrize("case", LISTED)
def test_values_come_as_often_as_they_should(case: str) -> None:
    distribution, shares = LISTED[case]
    found = Counter(draws(distribution))
    assert set(found) == set(shares)
    if len(shares) > 1:
        counts = [found[value] for value in shares]
        assert stats.chisquare(counts, [DRAWS * share for share in shares.values()]).pvalue > 0.01


@pytest.mark.parametrize("case", [*CONTINUOUS, *QUANTISED, *LISTED])
@pytest.mark.parametrize("u", [1e-9, 0.003, 0.31, 0.5, 0.77, 0.998, 1 - 1e-9])
def test_a_value_goes_back_to_a_probability_that_gives_it(case: str, u: float) -> None:
    distribution = {**CONTINUOUS, **QUANTISED, **LISTED}[case][0]
    value = distribution.ppf(u)
    again = distribution.ppf(distribution.encode(value))
    if isinstance(value, float):
        value = pytest.approx(value, rel=1e-6, abs=1e-9)
    assert again == value


def test_bounds_are_kept() -> None:
    for body in (
        {"distribution": "q_uniform", "min": 1, "max": 10, "q": 4},
        {"distribution": "q_log_uniform_values", "min": 3, "max": 1000, "q": 8},
        {"distribution": "log_uniform_values", "min": 1e-3, "max": 1e-1},
    ):
        distribution = of(**body)
        for u in (1e-16, 0.2, 0.9, 1 - 1e-16):
            assert body["min"] <= distribution.ppf(u) <= body["max"]  # type: ignore[operator]
    assert of(distribution="q_uniform", min=1, max=10, q=4).low == 4
    assert of(distribution="q_uniform", min=1, max=10, q=4).high == 8


@pytest.mark.parametrize("low", [0.0, -3.0, 1e-4, 0.3])
def test_a_searcher_can_ask_for_the_bounds_themselves(low: float) -> None:
    kinds = ["uniform", "log_uniform_values"] if low > 0 else ["uniform"]
    for found in (of(distribution=kind, min=low, max=0.7) for kind in kinds):
        assert [found.ppf(clip_to_unit(end)) for end in (0, 1)] == [low, 0.7]


def test_an_int_q_gives_ints_and_tenths_stay_tenths() -> None:
    assert of(distribution="q_uniform", min=0, max=10, q=2).ppf(0.31) == 4
    assert isinstance(of(distribution="q_normal", mu=5.5).ppf(0.31), int)
    assert of(distribution="q_uniform", min=0.0, max=1.0, q=0.1).ppf(0.31) == 0.3


def test_10_to_the_9_integers_take_no_memory() -> None:
    choices = of(min=0, max=10**9).choices
    assert choices is not None
    assert choices[10**9] == 10**9


@pytest.mark.parametrize(("low", "high"), [(8, 64), (16, 256), (32, 512)])
def test_multiples_beyond_an_index_are_listed_counted_and_drawn(low: int, high: int) -> None:
    distribution = of(distribution="q_log_uniform", min=low, max=high, q=low)
    choices = distribution.choices
    assert choices
    count = count_of(choices)
    assert count == math.floor(math.exp(high) / low) - math.ceil(math.exp(low) / low) + 1
    assert choices[count - 1] == distribution.high
    assert all(value % low == 0 for value in draws(distribution)[:50])


def test_a_grid_of_more_steps_than_a_float_counts_has_a_length() -> None:
    steps = of(distribution="q_uniform", min=0, max=1e308).grid
    assert steps is not None
    assert count_of(steps) == int(1e308) + 1
    assert steps[3] == 3
    assert steps[count_of(steps) - 1] == 1e308


def test_bounds_whose_difference_is_no_float_are_drawn_between() -> None:
    wide = of(distribution="uniform", min=-1e308, max=1e308)
    found = [wide.ppf(u) for u in (0.25, 0.5, 0.75)]
    assert found == [pytest.approx(-5e307), pytest.approx(0), pytest.approx(5e307)]
    assert wide.encode(wide.ppf(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("kind", ["normal", "log_normal", "q_normal", "q_log_normal"])
@pytest.mark.parametrize(("mu", "sigma"), [(500, 300), (0, 5000), (1e308, 1e308), (-1000, 5)])
@pytest.mark.parametrize("q", [1, 0.25, 1e-300, 1e300, 1e308])
def test_draws_stay_floats(kind: str, mu: float, sigma: float, q: float) -> None:
    distribution = of(distribution=kind, mu=mu, sigma=sigma, **({"q": q} if "q_" in kind else {}))
    for u in (2.0**-54, 0.1, 0.5, 0.9, 1 - 2.0**-53):
        assert math.isfinite(float(distribution.ppf(u)))


def test_what_reaches_beyond_the_largest_float_is_said() -> None:
    for sigma, warns in ((3, False), (80, False), (300, True)):
        problems = Problems(Document("test", []))
        parse_parameter(
            problems, {"distribution": "log_normal", "sigma": sigma}, ("parameters", "p")
        )
        assert bool(problems.warnings) == warns


def test_the_low_digits_of_wide_integers_vary() -> None:
    wide = of(min=0, max=2**100 - 1)
    found = draws(wide)
    assert len({value % 1024 for value in found}) > 900
    assert stats.kstest([value / 2**100 for value in found], "uniform").pvalue > 0.01
    pairs = [(u, wide.ppf(u)) for u in (0.1, 0.2, 0.3, 1 - 2.0**-53)]
    assert [value for _, value in pairs] == sorted(value for _, value in pairs)
    assert all(abs(value / 2**100 - u) < 1e-12 for u, value in pairs)
