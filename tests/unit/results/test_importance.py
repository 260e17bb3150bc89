"""Which parameters are said to matter, whatever the searcher has tried."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweeper.results import Figures, index_sweep
from sweeper.search.gp_searcher import GpSearcher
from sweeper.sweepfile import Sweep, load_sweep

FILE = """\
program: t.py
method: bayes
metric: {{name: score, goal: {goal}}}
run_cap: 400
storage: {storage}
parameters:
  a: {{min: 0.0, max: 1.0}}
  b: {{min: 0.0, max: 1.0}}
  c: {{min: 0.0, max: 1.0}}
"""


def bowl(point: list[float]) -> float:
    """Its variance over the space is due to the axes by 96, 4 and 0.01 %."""
    return sum(w * (x - 0.4) ** 2 for w, x in zip((10, 2, 0.1), point, strict=True))


def make(tmp_path: Path, goal: str = "minimize") -> Sweep:
    file = tmp_path / "s.yaml"
    file.write_text(FILE.format(goal=goal, storage=tmp_path / "trees"))
    return load_sweep(file)


def weighed(
    sweep: Sweep, run_trial: Callable[..., Path], trials: list[tuple[dict[str, object], float]]
) -> dict[str, float]:
    for index, (params, value) in enumerate(trials):
        run_trial(sweep, sweep.trial_of(index, params), rows=[{"score": value}])
    return Figures([index_sweep(sweep)], sweep.metric).weighed()


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_after_a_search_that_tries_what_is_good(
    tmp_path: Path, run_trial: Callable[..., Path], goal: str
) -> None:
    sweep = make(tmp_path, goal)
    assert sweep.metric is not None
    searcher, trials = GpSearcher(sweep.space, seed=1), []
    for _ in range(30):
        asked = searcher.ask()
        assert asked is not None
        key, point = asked
        searcher.tell(key, bowl(point))
        trials.append((dict(zip("abc", point, strict=True)), sweep.metric.sign * bowl(point)))
    found = weighed(sweep, run_trial, trials)
    assert sum(found.values()) == pytest.approx(1)
    assert found["a"] > 0.6
    assert found["a"] > 5 * found["c"]


def test_of_many_trials_of_which_one_has_diverged(
    tmp_path: Path, run_trial: Callable[..., Path]
) -> None:
    points = np.random.default_rng(1).random((320, 3)).tolist()
    trials = [(dict(zip("abc", point, strict=True)), bowl(point)) for point in points]
    trials[3] = trials[3][0], 1e9
    found = weighed(make(tmp_path), run_trial, trials)
    assert list(found) == ["a", "b", "c"]
    assert found["a"] > 0.8


def test_a_parameter_counts_where_it_is_active(
    tmp_path: Path, run_trial: Callable[..., Path]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        f"program: t.py\nmethod: random\nmetric: {{name: score}}\nrun_cap: 60\n"
        f"storage: {tmp_path}/trees\nparameters:\n  kind: {{values: [flat, deep]}}\n"
        "  depth: {min: 0.0, max: 1.0, when: \"kind == 'deep'\"}\n  idle: {min: 0.0, max: 1.0}\n"
    )
    sweep = load_sweep(file)
    trials = [(trial.params, float(trial.params.get("depth", 0.5))) for trial in sweep.trials()]
    assert next(iter(weighed(sweep, run_trial, trials))) == "depth"
