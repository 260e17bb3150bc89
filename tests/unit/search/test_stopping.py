"""Who is stopped, against plain computations over everything that was reported."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from sweeper.raytune.tune_schedulers import MetricScheduler
from sweeper.search import StoppingRule, stopping_rule
from sweeper.search.stopping import Asha, Hyperband, MedianStop
from sweeper.sweepfile import EarlyTerminate, Metric, Sweep, load_sweep

Curves = dict[str, list[float]]
Reference = Callable[[EarlyTerminate, Curves, str], bool]
ENGINE = Path(__file__).parents[1] / "space" / "wandb_engine.json"
ANSWERS: list[dict[str, Any]] = json.loads(ENGINE.read_text())["stops"]


def early(text: str, tmp_path: Path, goal: str = "minimize") -> Sweep:
    path = tmp_path / "sweep.yaml"
    path.write_text(
        f"method: grid\nmetric: {{name: m, goal: {goal}}}\nparameters: {{a: {{values: [1]}}}}\n"
        f"early_terminate: {text}\n"
    )
    return load_sweep(path)


def result(run: str, iteration: int, value: float, **more: Any) -> dict[str, Any]:
    known = {"trial": run, "path": f"/tree/{run}", "epoch": iteration}
    return {**known, "metric": value, "iteration": iteration, **more}


@cache
def scheduler_of(rule: StoppingRule) -> MetricScheduler:
    return MetricScheduler(lambda r: rule.should_stop(r["trial"], r["iteration"], r["metric"]))


def stops(rule: StoppingRule, run: str, iteration: int, value: float, **more: Any) -> bool:
    """Report to the scheduler: does it stop the trial?"""
    decision = scheduler_of(rule).on_trial_result(None, None, result(run, iteration, value, **more))
    assert decision in (TrialScheduler.STOP, TrialScheduler.CONTINUE)
    return bool(decision == TrialScheduler.STOP)


def feed(rule: StoppingRule, run: str, values: list[float]) -> int | None:
    """Report until the trial is stopped: after how many reports, None if never."""
    for iteration, value in enumerate(values, 1):
        if stops(rule, run, iteration, value):
            return iteration
    return None


# -- plain computations -----------------------------------------------------------------------
# `curves` holds all that every run has reported, minimised, and `run` has just reported.


def worst_if_nan(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def bracket_of(run: str, stop: EarlyTerminate) -> int:
    n = stop.options["brackets"]
    return random.Random(run.split("/")[0]).choices(range(n), [stop.eta**-s for s in range(n)])[0]


def asha_stops(stop: EarlyTerminate, curves: Curves, run: str) -> bool:
    at = len(curves[run])
    bracket = bracket_of(run, stop)
    assert stop.min_iter is not None
    rungs = [int(stop.min_iter * stop.eta ** (bracket + k)) for k in range(20)]
    if at not in rungs or at >= (stop.max_iter or math.inf):
        return False
    there = sorted(
        worst_if_nan(values[at - 1])
        for other, values in curves.items()
        if bracket_of(other, stop) == bracket and len(values) >= at
    )
    best = there[: max(1, math.floor(len(there) / stop.eta))]
    return math.isnan(curves[run][-1]) or curves[run][-1] not in best


def median_stops(stop: EarlyTerminate, curves: Curves, run: str) -> bool:
    at = len(curves[run])
    others = [
        sum(map(worst_if_nan, values[:at])) / at
        for other, values in curves.items()
        if other != run and len(values) >= at
    ]
    assert stop.min_iter is not None
    if at < stop.min_iter or len(others) < stop.options["min_trials"]:
        return False
    if math.isnan(curves[run][-1]):
        return True
    return min(map(worst_if_nan, curves[run])) > statistics.median(others)


def hyperband_stops(stop: EarlyTerminate, curves: Curves, run: str) -> bool:
    histories = {r: [v for v in values if math.isfinite(v)] for r, values in curves.items()}
    own = histories[run]
    reached = [band for band in stop.bands() if band <= len(own)]
    if not reached:
        return False
    there = sorted(h[reached[-1] - 1] for h in histories.values() if len(h) >= reached[-1])
    judged = own[reached[-1] - 1] if stop.strict else min(own)
    return judged > there[int(len(there) * (1 / stop.eta))]


REFERENCES: dict[str, Reference] = {
    "asha": asha_stops,
    "median": median_stops,
    "hyperband": hyperband_stops,
}
RULES = [
    "{type: asha}",
    "{type: asha, min_iter: 2, eta: 2}",
    "{type: asha, min_iter: 2, max_iter: 8, eta: 2}",
    "{type: asha, min_iter: 1, eta: 1.5}",
    "{type: asha, min_iter: 1, max_iter: 9, eta: 3, brackets: 3}",
    "{type: asha, eta: 2, brackets: 2}",
    "{type: median}",
    "{type: median, min_iter: 3, min_trials: 1}",
    "{type: median, min_iter: 2, min_trials: 6}",
    "{type: hyperband, min_iter: 1, eta: 2}",
    "{type: hyperband, min_iter: 2, eta: 3, strict: false}",
    "{type: hyperband, max_iter: 12, s: 2, eta: 2}",
]


class Play:
    """A sweep played to its end, with what may happen to it, beside everything it reported."""

    def __init__(self, sweep: Sweep, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.sweep = sweep
        assert sweep.metric is not None
        self.sign = -1.0 if sweep.metric.goal == "maximize" else 1.0
        self.names = [f"exp-{rng.randrange(10**8):08}/run--26-11-24--00-{i:02}" for i in range(12)]
        # Eighths add up exactly in any order, and are often equal.
        self.level = {name: rng.randrange(5) for name in self.names}
        self.length = {name: rng.randint(1, 14) for name in self.names}
        self.diverges = {name: rng.randint(2, 10) for name in self.names if rng.random() < 0.15}
        self.curves: Curves = {}
        self.back: dict[str, int] = {}  # run -> how many of its reports it will keep
        self.heard: dict[str, tuple[int, float]] = {}
        self.stopped: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def value(self, run: str) -> float:
        if len(self.curves.get(run, ())) + 1 >= self.diverges.get(run, 99):
            return math.nan
        return self.level[run] + self.rng.randrange(16) / 8

    def rule(self) -> StoppingRule:
        rule = stopping_rule(self.sweep)
        assert rule is not None
        for run, values in self.curves.items():  # as a launch finds them in the tree
            rule.learn(run, [self.sign * value for value in values])
        return rule

    def run(self) -> None:
        stop = self.sweep.early_terminate
        assert stop is not None
        rule, going, todo = self.rule(), set[str](), list(self.names)
        while todo or going:
            while todo and len(going) < 3:
                going.add(todo.pop(0))
            run = self.rng.choice(sorted(going))
            chance = self.rng.random()
            if chance < 0.04:  # a launch is interrupted: all that run are resumed later
                rule = self.rule()
                self.heard = {}
                for resumed in sorted(going & self.curves.keys()):
                    self.fall_back(resumed)
            elif chance < 0.08 and run in self.curves:  # a retry
                self.fall_back(run)
            else:
                self.report(rule, stop, run)
                if run in self.stopped or len(self.curves[run]) >= self.length[run]:
                    going.remove(run)

    def fall_back(self, run: str) -> None:
        self.back[run] = self.rng.randint(0, len(self.curves[run]))
        self.counts["back"] += 1

    def report(self, rule: StoppingRule, stop: EarlyTerminate, run: str) -> None:
        curve = self.curves.setdefault(run, [])
        del curve[self.back.pop(run, len(curve)) :]
        curve.append(self.value(run))
        at, raw = len(curve), self.sign * curve[-1]
        again = self.heard.get(run) == (at, raw)  # by chance, after a retry
        self.heard[run] = (at, raw)
        expected = not again and REFERENCES[stop.type](stop, self.curves, run)
        assert stops(rule, run, at, raw) == expected, (run, self.curves)
        self.counts["stop" if expected else "go"] += 1
        if expected:
            self.stopped[run] = at
        else:  # a report without the metric, and the trial's end: nothing is judged again
            assert not stops(rule, run, at, raw, epoch=at + 1)
            assert not stops(rule, run, at, raw, done=True)


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize("rule", RULES)
def test_decisions_are_those_of_the_plain_computation(rule: str, goal: str, tmp_path: Path) -> None:
    sweep = early(rule, tmp_path, goal)
    counts: Counter[str] = Counter()
    for seed in range(25):
        play = Play(sweep, seed)
        play.run()
        counts += play.counts
    assert min(counts["stop"], counts["go"], counts["back"]) > 20, counts


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: json.dumps(case["early_terminate"]))
def test_hyperband_stops_whom_the_engine_of_wandb_stops(case: dict[str, Any]) -> None:
    histories = [list(map(float, line.split())) for line in case["histories"]]
    stopped = []
    for number, own in enumerate(histories):
        rule = Hyperband(
            EarlyTerminate("hyperband", **case["early_terminate"]), Metric("loss", case["goal"])
        )
        for other, values in enumerate(histories):
            if other != number:
                rule.learn(f"exp-{other}/run--x", values)
        decisions = [stops(rule, "exp-x/run--x", i, value) for i, value in enumerate(own, 1)]
        if decisions[-1]:
            stopped.append(number)
    assert stopped == case["stopped"]


def falling(x: float, length: int = 27) -> list[float]:
    return [x / epoch for epoch in range(1, length + 1)]


def asha(tmp_path: Path, text: str = "", goal: str = "minimize") -> StoppingRule:
    rule = stopping_rule(early(f"{{type: asha{text}}}", tmp_path, goal))
    assert isinstance(rule, Asha)
    return rule


def test_the_best_of_the_top_rung_runs_to_its_end(tmp_path: Path) -> None:
    rule = asha(tmp_path, ", max_iter: 27")
    ends = {x: feed(rule, f"exp-{x}/run--x", falling(x)) for x in (5, 3, 9, 2, 8, 1, 7)}
    assert ends == {5: None, 3: None, 9: 1, 2: None, 8: 1, 1: None, 7: 1}
    # At max_iter nobody is judged any more; without it the last report would be.
    late = [*falling(0.5, 26), 99.0]
    assert feed(rule, "exp-0/run--x", late) is None
    rule = asha(tmp_path)
    assert feed(rule, "exp-1/run--x", falling(1)) is None
    assert feed(rule, "exp-0/run--x", late) == 27


@pytest.mark.parametrize("rule", [rule for rule in RULES if "hyperband" not in rule])
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_the_run_that_is_always_best_is_never_stopped(rule: str, goal: str, tmp_path: Path) -> None:
    sign = -1 if goal == "maximize" else 1
    stopped = 0
    for order in itertools.islice(itertools.permutations(range(1, 6)), 0, 120, 7):
        judging = stopping_rule(early(rule, tmp_path, goal))
        assert judging is not None
        ends = {x: feed(judging, f"exp-{x}/r", [sign * v for v in falling(x, 12)]) for x in order}
        assert ends.pop(1) is None
        stopped += sum(end is not None for end in ends.values())
    assert stopped or "min_trials: 6" in rule


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_trial_is_stopped_when_it_is_first_judged(value: float, tmp_path: Path) -> None:
    rule = asha(tmp_path, ", min_iter: 3")
    assert feed(rule, "exp-1/run--x", [1.0, 1.0, value, 0.0]) == 3  # the first at its rung
    assert feed(rule, "exp-2/run--x", [value] * 9) == 3
    assert feed(rule, "exp-3/run--x", [5.0] * 9) is None
    assert feed(rule, "exp-4/run--x", [value] * 9) == 3
    rule = asha(tmp_path, ", min_iter: 3", "maximize")
    assert feed(rule, "exp-1/run--x", [-value] * 9) == 3

    median = stopping_rule(early("{type: median, min_iter: 2, min_trials: 2}", tmp_path))
    assert isinstance(median, MedianStop)
    assert feed(median, "exp-1/run--x", [9.0] * 5) is None
    assert feed(median, "exp-2/run--x", [value] * 5) is None  # two others are needed
    assert feed(median, "exp-3/run--x", [1.0, value, 1.0]) == 2
    assert feed(median, "exp-4/run--x", [9.0, 9.0, 9.0]) is None  # no worse than what diverged


def test_a_resumed_trial_keeps_what_it_had_and_is_judged_where_it_comes(tmp_path: Path) -> None:
    rule = asha(tmp_path, ", min_iter: 2, eta: 2")
    rule.learn("exp-1/run--x", [9.0, 1.0, 9.0, 1.0, 9.0])  # five of eight epochs
    assert feed(rule, "exp-2/run--x", [0.0, 2.0]) == 2  # judged with what the other had there
    assert not stops(rule, "exp-1/run--x", 6, 9.0)
    assert feed(rule, "exp-3/run--x", [3.0, 1.0, 3.0, 2.0]) == 4
    # It begins again after its second epoch, and does worse there than before.
    assert not stops(rule, "exp-1/run--x", 3, 9.0)
    assert stops(rule, "exp-1/run--x", 4, 5.0)


def test_reports_that_were_lost_with_a_worker_count_as_the_next_one(tmp_path: Path) -> None:
    rule = asha(tmp_path, ", min_iter: 2")
    assert not stops(rule, "exp-1/run--x", 1, 9.0)
    assert not stops(rule, "exp-1/run--x", 4, 5.0)  # 2 and 3 were never heard
    assert feed(rule, "exp-2/run--x", [0.0, 6.0]) == 2
    assert feed(rule, "exp-3/run--x", [0.0, 4.0, 4.0, 4.0, 4.0, 4.0]) is None
    assert not stops(rule, "exp-1/run--x", 5, 5.0)
    assert stops(rule, "exp-1/run--x", 6, 5.0)


def test_a_report_without_the_metric_is_not_judged_again(tmp_path: Path) -> None:
    rule = asha(tmp_path)
    assert not stops(rule, "exp-1/run--x", 1, 5.0)
    for better in (4.0, 3.0, 2.0):
        assert not stops(rule, f"exp-{better}/run--x", 1, better)
    assert not stops(rule, "exp-1/run--x", 1, 5.0, epoch=2)
    assert stops(rule, "exp-5/run--x", 1, 5.0)


def test_brackets_share_the_trials_by_their_names(tmp_path: Path) -> None:
    ends = []
    for _ in range(2):
        rule = asha(tmp_path, ", min_iter: 1, max_iter: 9, brackets: 3")
        # Each is worse than all before it, and so stopped at the first rung of its bracket.
        ends.append([feed(rule, f"exp-{x}/run--x", [float(x)] * 9) for x in range(2000)])
    assert ends[0] == ends[1]
    counts = Counter(ends[0])
    # Odds of 9 to 3 to 1; the last bracket would begin where trials are judged no more.
    assert set(counts) == {1, 3, None}
    for end, share in ((1, 9 / 13), (3, 3 / 13), (None, 1 / 13)):
        assert abs(counts[end] / 2000 - share) < 0.04


def test_median_needs_enough_others(tmp_path: Path) -> None:
    rule = stopping_rule(early("{type: median, min_iter: 3, min_trials: 2}", tmp_path))
    assert rule is not None
    assert feed(rule, "exp-1/run--x", [1.0] * 6) is None
    assert feed(rule, "exp-2/run--x", [9.0] * 6) is None
    assert feed(rule, "exp-3/run--x", [2.0] * 2) is None
    # The others' means are 1 and 9 from the third report on.
    assert feed(rule, "exp-4/run--x", [6.0] * 6) == 3
    assert feed(rule, "exp-5/run--x", [9.0, 5.0, 9.0, 9.0]) is None  # its best is what counts
    rule = stopping_rule(early("{type: median, min_trials: 1}", tmp_path))
    assert rule is not None
    rule.learn("exp-1/run--x", [1.0, 3.0])
    assert feed(rule, "exp-2/run--x", [1.5]) == 1
    assert feed(rule, "exp-3/run--x", [1.0, 2.0]) is None


def test_without_early_terminate_there_is_no_scheduler(grid: Sweep) -> None:
    assert stopping_rule(grid) is None
