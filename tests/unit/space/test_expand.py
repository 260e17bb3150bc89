"""From a sweep to its parameter dicts: grids, draws, lists, and what ties parameters together."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from sweeper.errors import SpecError, UsageError
from sweeper.space.sequences import Permutation
from sweeper.sweepfile import Sweep, Trial, check_launchable

Load = Callable[..., Sweep]


def params(sweep: Sweep, count: int | None = None) -> list[dict[str, Any]]:
    return [trial.params for trial in itertools.islice(sweep.trials(), count)]


# ---------------------------------------------------------------------------- grids


def test_a_grid_walks_sorted_names_with_the_last_one_fastest(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          b: {values: [1, 2]}
          a: {values: [x, y]}
          c: {value: 5}
        """
    )
    assert params(sweep) == [
        {"b": 1, "a": "x", "c": 5},
        {"b": 2, "a": "x", "c": 5},
        {"b": 1, "a": "y", "c": 5},
        {"b": 2, "a": "y", "c": 5},
    ]
    assert sweep.size() == 4
    assert list(params(sweep)[0]) == ["b", "a", "c"]  # keys as written


def test_nested_groups_and_flat_dotted_names_live_side_by_side(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          model:
            parameters:
              width: {values: [1, 2]}
              head: {parameters: {drop: {value: 0.5}}}
          model.width: {value: 3}
        """
    )
    assert params(sweep) == [
        {"model": {"width": width, "head": {"drop": 0.5}}, "model.width": 3} for width in (1, 2)
    ]


def test_equal_values_stand_once(load: Load) -> None:
    values = "[1, 1.0, true, 1, '1', {x: 1, y: 2}, {y: 2, x: 1}]"
    sweep = load(f"method: grid\nparameters:\n  a: {{values: {values}}}")
    assert [p["a"] for p in params(sweep)] == [1, True, "1", {"x": 1, "y": 2}]
    assert sweep.size() == 4


def test_q_uniform_in_a_grid_keeps_its_maximum(load: Load) -> None:
    text = "method: grid\nparameters:\n  a: {distribution: q_uniform, min: MIN, max: MAX, q: STEP}"

    def values(low: str, high: str, step: str) -> list[Any]:
        replaced = text.replace("MIN", low).replace("MAX", high).replace("STEP", step)
        return [p["a"] for p in params(load(replaced))]

    assert values("0", "10", "5") == [0, 5, 10]
    assert values("0", "11", "5") == [0, 5, 10]
    assert values("0.1", "0.5", "0.1")[-1] == 0.5
    assert values("0.0", "1.0", "0.25") == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_billion_points_are_counted_at_once_and_not_launched(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          a: {min: 1, max: 1000}
          b: {min: 1, max: 1000}
          model: {parameters: {c: {min: 1, max: 1000}}}
          d: {values: [1, 2]}
        """
    )
    assert sweep.size() == 2 * 10**9
    assert sweep.trial(10**9).params == {"a": 501, "b": 1, "model": {"c": 1}, "d": 1}
    assert params(sweep, 2)[1] == {"a": 1, "b": 1, "model": {"c": 2}, "d": 1}
    with pytest.raises(UsageError, match=r"2,000,000,000 trials .* a \(1,000\), b \(1,000\)"):
        check_launchable(sweep)
    check_launchable(load("method: grid\nparameters: {a: {min: 1, max: 1000}}"))


def test_a_grid_with_a_cap_may_be_huge(load: Load) -> None:
    text = "method: grid\nrun_cap: 3\nparameters: {a: {min: 0, max: 100000000000000000000}}"
    sweep = load(text)
    check_launchable(sweep)
    assert sweep.size() == 3
    assert params(sweep) == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_shuffle_is_a_permutation_that_the_seed_decides(load: Load) -> None:
    text = """
        method: grid
        order: ORDER
        seed: 3
        parameters: {a: {min: 1, max: 7}, b: {min: 1, max: 7}}
        """
    plain, mixed = (
        params(load(text.replace("ORDER", "as_written"))),
        params(load(text.replace("ORDER", "shuffle"))),
    )
    assert plain != mixed
    assert sorted(map(str, plain)) == sorted(map(str, mixed))
    assert mixed == params(load(text.replace("ORDER", "shuffle")))
    assert mixed != params(load(text.replace("ORDER", "shuffle"), seed=4))
    sweep = load(text.replace("ORDER", "shuffle"))
    assert [sweep.trial(i).params for i in range(49)] == mixed


@pytest.mark.parametrize("count", [1, 2, 3, 10, 64, 65, 1000])
def test_a_permutation_gives_each_number_once(count: int) -> None:
    permutation = Permutation(count, 5)
    assert sorted(permutation[i] for i in range(count)) == list(range(count))
    assert 0 <= Permutation(10**30, 1)[10**29] < 10**30


# ---------------------------------------------------------------------------- trials


def test_a_trial_knows_its_index_replicate_and_seed(load: Load) -> None:
    sweep = load("method: grid\nrepeats: 2\nparameters: {a: {values: [1, 2]}}")
    trials = list(sweep.trials())
    assert [(t.index, t.params, t.replicate) for t in trials] == [
        (0, {"a": 1}, 0),
        (1, {"a": 1}, 1),
        (2, {"a": 2}, 0),
        (3, {"a": 2}, 1),
    ]
    assert len({t.seed for t in trials}) == 4
    assert all(0 <= t.seed < 2**32 for t in trials)
    assert sweep.size() == 4
    assert [sweep.trial(i) for i in range(4)] == trials
    with pytest.raises(IndexError):
        sweep.trial(4)


def test_a_seed_follows_from_the_parameters_and_not_from_their_place(load: Load) -> None:
    small = load("method: grid\nparameters: {a: {values: [2]}, b: {value: 1}}")
    large = load("method: grid\nparameters: {b: {value: 1}, a: {values: [1, 2]}}")
    assert next(small.trials()).seed == list(large.trials())[1].seed
    other = load("method: grid\nseed: 1\nparameters: {a: {values: [2]}, b: {value: 1}}")
    assert next(other.trials()).seed != next(small.trials()).seed


def test_run_cap_counts_trials_and_may_cut_a_point(load: Load) -> None:
    sweep = load("method: grid\nrepeats: 2\nrun_cap: 3\nparameters: {a: {values: [1, 2]}}")
    assert [(t.params["a"], t.replicate) for t in sweep.trials()] == [(1, 0), (1, 1), (2, 0)]
    assert sweep.size() == 3


def test_trials_can_be_made_by_hand() -> None:
    assert Trial(1, {"a": 2}, 0, 7) == Trial(index=1, params={"a": 2}, replicate=0, sweep_seed=7)
    assert Trial(1, {"a": 2}, 0, 7) != Trial(1, {"a": 2}, 0, 8)


# ---------------------------------------------------------------------------- random

RANDOM = """
method: random
seed: 17
parameters:
  lr: {distribution: log_uniform_values, min: 1e-4, max: 0.1}
  opt: {values: [sgd, adam, rmsprop]}
  width: {min: 1, max: 512}
"""


def test_draws_are_pinned(load: Load) -> None:
    first, second = params(load(RANDOM), 2)
    assert first == PINNED[0]
    assert second == PINNED[1]


PINNED = [
    {"lr": 0.0032171447853912138, "opt": "adam", "width": 297},
    {"lr": 0.03057787286500513, "opt": "sgd", "width": 336},
]


def test_more_samples_extend_the_list(load: Load) -> None:
    assert params(load(RANDOM), 50)[:20] == params(load(RANDOM, max_trials=20))


def test_a_new_parameter_leaves_the_draws_of_the_others_alone(load: Load) -> None:
    before = params(load(RANDOM), 20)
    after = params(load(RANDOM + "  aaa: {min: 0.0, max: 1.0}\n"), 20)
    assert [{k: p[k] for k in ("lr", "opt", "width")} for p in after] == before


def test_parameters_do_not_walk_in_step(load: Load) -> None:
    text = "method: random\nparameters: {a: {min: 0.0, max: 1.0}, b: {min: 0.0, max: 1.0}}"
    assert all(abs(p["a"] - p["b"]) > 1e-6 for p in params(load(text), 100))


def test_a_finite_space_is_drawn_once_through(load: Load) -> None:
    text = (
        "method: random\nparameters: {a: {min: 1, max: 20}, b: {values: [x, y, x]}, c: {value: 1}}"
    )
    found = params(load(text))
    assert len(found) == len({str(p) for p in found}) == 40
    assert load(text).size() == 40
    assert load(text, max_trials=100).size() == 40


def test_a_skewed_finite_space_is_drawn_once_through_too(load: Load) -> None:
    text = """
        method: random
        parameters:
          a: {values: [1, 2, 3], probabilities: [0.999999, 0.000001, 0]}
          b: {distribution: q_log_uniform_values, min: 1, max: 300, q: 1}
        """
    found = params(load(text))
    assert len(found) == len({str(p) for p in found}) == 2 * 300


def test_a_random_search_has_no_end_of_its_own(load: Load) -> None:
    sweep = load(RANDOM)
    assert sweep.size() is None
    assert len(params(sweep, 1000)) == 1000
    assert load(RANDOM, max_trials=10).size() == 10


def test_an_adaptive_method_has_no_trials_before_it_starts(load: Load) -> None:
    text = RANDOM.replace("random", "bayes") + "metric: {name: val_loss}\n"
    sweep = load(text)
    assert sweep.adaptive
    assert params(sweep) == []
    assert sweep.size() is None
    with pytest.raises(UsageError, match="goes on without end"):
        check_launchable(sweep)
    check_launchable(load(text, max_trials=3))
    check_launchable(load(text + "budget: {wall: 1h}\n"))
    drawn = sweep.space.decode([0.5, 0.5, 0.5])
    assert drawn is not None
    assert drawn["opt"] == "adam"
    assert sweep.space.decode(sweep.space.encode(drawn)) == pytest.approx(drawn)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- base, lists

BASE = """
base:
  debug: false
  training: {batch_size: 128, epochs: 12, learning-rate: 0.008}
  model: {conv_0: 32, dropout.x: 0.1}
  comment: VGG net
"""


def test_a_dotted_name_is_an_address_in_base(load: Load) -> None:
    sweep = load(
        BASE
        + """
method: grid
parameters:
  training.batch_size: {values: [64, 128]}
  model.dropout.x: {value: 0.3}
  training: {parameters: {patience: {value: 3}}}
  comment: other
"""
    )
    assert params(sweep) == [
        {
            "debug": False,
            "training": {
                "batch_size": size,
                "epochs": 12,
                "learning-rate": 0.008,
                "patience": 3,
            },
            "model": {"conv_0": 32, "dropout.x": 0.3},
            "comment": "other",
        }
        for size in (64, 128)
    ]


def test_a_base_alone_is_one_trial(load: Load) -> None:
    assert len(params(load(BASE + "method: grid\n"))) == 1


def test_trials_do_not_share_what_varies(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters: {g: {parameters: {a: {values: [[1], [2]]}, b: {values: [1, 2]}}}}
        """
    )
    first, second, *_ = params(sweep)
    first["g"]["a"].append("changed")
    first["g"]["b"] = "changed"
    assert second == {"g": {"a": [1], "b": 2}}
    assert params(sweep)[0] == {"g": {"a": [1], "b": 1}}


def test_a_list_of_trials(load: Load) -> None:
    sweep = load(
        BASE
        + """
method: list
repeats: 2
trials:
  - {training.epochs: 3}
  - {model: {conv_0: 64}, note: x}
"""
    )
    points = params(sweep)[::2]
    assert points[0]["training"] == {"batch_size": 128, "epochs": 3, "learning-rate": 0.008}
    assert points[1]["model"] == {"conv_0": 64, "dropout.x": 0.1}
    assert points[1]["note"] == "x"
    assert sweep.size() == 4
    assert sweep.trial(2).params == points[1]


def test_a_list_keeps_constants_and_constraints(load: Load) -> None:
    sweep = load(
        """
        method: list
        parameters: {g: {parameters: {k: {value: 1}}}}
        trials: [{g: {a: 1}}, {g: {a: 2}}, {g: {a: 3}}]
        constraints: [g.a != 2]
        """
    )
    assert params(sweep) == [{"g": {"k": 1, "a": 1}}, {"g": {"k": 1, "a": 3}}]
    assert sweep.size() == 2


# ---------------------------------------------------------------------------- ties


def test_a_zip_of_unequal_lengths_is_a_complaint_beside_a_constraint_too(
    complaints: Callable[..., list[str]],
) -> None:
    text = "method: grid\nzip: [[a, b]]\nconstraints: [a < 9]\n"
    (found,) = complaints(text + "parameters: {a: {values: [1, 2, 3]}, b: {values: [4, 5]}}\n")
    assert "expected the same number of values, but a has 3, b has 2" in found


def test_zip_walks_together(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          a: {values: [1, 2, 2]}
          b: {values: [x, y]}
          c: {values: [10, 20, 20]}
        zip: [[c, a]]
        """
    )
    assert [(p["a"], p["b"], p["c"]) for p in params(sweep)] == [
        (1, "x", 10),
        (1, "y", 10),
        (2, "x", 20),
        (2, "y", 20),
    ]
    assert sweep.size() == 4
    assert [axis.names for axis in sweep.space.axes] == [("c", "a"), ("b",)]
    assert sweep.trial(2).params == {"a": 2, "b": "x", "c": 20}


def test_zip_in_a_random_search(load: Load) -> None:
    sweep = load(
        "method: random\nparameters: {a: {min: 1, max: 3}, b: {values: [x, y, z]}}\nzip: [[a, b]]"
    )
    assert sorted((p["a"], p["b"]) for p in params(sweep)) == [(1, "x"), (2, "y"), (3, "z")]


def test_a_condition_takes_a_parameter_out(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          opt: {values: [sgd, adam]}
          momentum: {values: [0.8, 0.9], when: "opt == 'sgd'"}
          nesterov: {values: [true, false], when: momentum > 0.85}
        """
    )
    assert params(sweep) == [
        {"opt": "sgd", "momentum": 0.8},
        {"opt": "adam"},
        {"opt": "sgd", "momentum": 0.9, "nesterov": True},
        {"opt": "sgd", "momentum": 0.9, "nesterov": False},
    ]
    assert sweep.size() == 4
    assert [sweep.trial(i).params for i in range(4)] == params(sweep)


def test_without_its_condition_a_parameter_leaves_what_base_has(load: Load) -> None:
    sweep = load(
        """
        method: grid
        base: {opt: {name: sgd, momentum: 0.5}}
        parameters:
          opt.name: {values: [sgd, adam]}
          opt.momentum: {value: 0.9, when: "opt.name == 'sgd'"}
        """
    )
    assert [p["opt"]["momentum"] for p in params(sweep)] == [0.9, 0.5]


def test_a_condition_of_a_group_holds_for_all_in_it(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          opt: {values: [sgd, adam]}
          sgd:
            when: opt == 'sgd'
            parameters:
              momentum: {values: [0.8, 0.9]}
              nesterov: {value: true, when: sgd.momentum > 0.85}
        """
    )
    assert params(sweep) == [
        {"opt": "sgd", "sgd": {"momentum": 0.8}},
        {"opt": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
        {"opt": "adam"},
    ]
    assert sweep.size() == 3


def test_nothing_is_left_of_a_group_whose_condition_fails(load: Load) -> None:
    text = """
        method: grid
        base: BASE
        parameters:
          opt: {values: [sgd, adam]}
          adam:
            when: opt == 'adam'
            parameters:
              sub: {parameters: {x: {values: [5, 6]}}}
              fixed: {value: 1}
          plain: {parameters: {inner: {when: opt == 'sgd', parameters: {y: {value: 1}}}}}
        """
    adam = [{"opt": "adam", "adam": {"sub": {"x": x}, "fixed": 1}, "plain": {}} for x in (5, 6)]
    sweep = load(text.replace("BASE", "{}"))
    assert params(sweep) == [{"opt": "sgd", "plain": {"inner": {"y": 1}}}, *adam]
    based = load(text.replace("BASE", "{adam: {sub: {x: 1}}}"))
    assert params(based)[0] == {
        "opt": "sgd",
        "adam": {"sub": {"x": 1}},
        "plain": {"inner": {"y": 1}},
    }


def test_a_group_that_not_every_trial_has_identifies_together_with_others(load: Load) -> None:
    text = """
        method: grid
        parameters:
          opt: {values: [sgd, adam]}
          adam: {when: opt == 'adam', parameters: {x: {values: [5, 6]}}}
        """
    assert load(text).monitored == (("adam", "opt"),)
    text = """
        method: grid
        parameters:
          model: {parameters: {opt: {values: [sgd, adam]}}}
          momentum: {values: [1, 2], when: model.opt == 'sgd'}
        """
    assert load(text).monitored == (("model", "momentum"),)


def test_a_constraint_keeps_trials_out(load: Load) -> None:
    text = """
        method: METHOD
        parameters:
          model: {parameters: {conv_0: {values: [16, 32, 64]}, conv_1: {values: [16, 32, 64]}}}
          other: {min: 1, max: 10}
        constraints:
          - model.conv_1 >= model.conv_0
          - not (model.conv_0 == 16 and model.conv_1 == 64)
        """
    grid = load(text.replace("METHOD", "grid"))
    assert grid.size() == 50
    assert len(params(grid)) == 50
    drawn = params(load(text.replace("METHOD", "random")))
    assert sorted(map(str, drawn)) == sorted(map(str, params(grid)))
    assert grid.space.decode([0.9, 0.1, 0.5]) is None


def test_the_size_of_a_large_grid_with_conditions_is_exact_and_quick(load: Load) -> None:
    sweep = load(
        """
        method: grid
        parameters:
          a: {min: 1, max: 100}
          b: {min: 1, max: 100}
          c: {min: 1, max: 1000000}
          d: {values: [1, 2, 3], when: a > 50}
        constraints: [a >= b]
        """
    )
    assert sweep.size() == (sum(range(1, 51)) + 3 * sum(range(51, 101))) * 10**6
    assert not sweep.space.size_is_bound


def test_a_constraint_that_hardly_ever_holds_ends_with_a_reason(load: Load) -> None:
    text = """
        method: random
        parameters: {a: {min: 0.0, max: 1.0}, b: {min: 0.0, max: 1.0}}
        constraints: [a * b > 0.9999999]
        """
    with pytest.raises(UsageError, match="draws in a row broke a constraint"):
        params(load(text), 3)


def test_conditional_dicts_are_not_drawn_twice(load: Load) -> None:
    text = """
        method: random
        parameters:
          opt: {values: [sgd, adam]}
          momentum: {min: 0.0, max: 1.0, when: "opt == 'sgd'"}
        """
    found = params(load(text), 30)
    assert found.count({"opt": "adam"}) == 1
    assert len(found) == 30


# ---------------------------------------------------------------------------- corners


def test_corners_are_the_ends_of_every_parameter(load: Load) -> None:
    from sweeper.space import corners

    text = """
        method: random
        parameters:
          a: {min: 1, max: 9}
          b: {values: [x, y, z]}
          c: {value: 5}
        constraints: ["a < 9 or b == 'x'"]
        """
    assert list(corners(load(text).space)) == [
        {"a": 1, "b": "x", "c": 5},
        {"a": 1, "b": "z", "c": 5},
        {"a": 9, "b": "x", "c": 5},
    ]
    lines = [f"  p{i}: {{min: 1, max: 9}}\n" for i in range(9)]
    many = "method: random\nparameters:\n" + "".join(lines)
    found = list(corners(load(many).space))
    assert len(found) == 2 + 2 * 9
    assert {value for params in found for value in params.values()} == {1, 9}


# ---------------------------------------------------------------------------- pruning

_GRIDS = [
    "constraints: [a + b + c >= 8]",
    "constraints: [a < b < c, 'not (a == 1 and c > 3)']",
    "constraints: [g.x > 1, a != c]",
    "constraints: ['g.x > 1 or a == 1', 'm.u < c', z != 'q']",
    "zip: [[b, c]]\nconstraints: [b + 0 * a >= 3]",
    "zip: [[c, g.x]]",
    "constraints: ['z in [''p'', a]']",
]


@pytest.mark.parametrize("rest", _GRIDS)
def test_pruning_leaves_out_nothing_and_keeps_the_order(load: Load, rest: str) -> None:
    sweep = load(
        """
method: grid
parameters:
  a: {values: [1, 2, 3]}
  b: {min: 1, max: 4}
  c: {values: [4, 3, 2, 1]}
  g: {when: c > 2, parameters: {x: {values: [1, 2, 2, 3]}, y: {values: [0, 1], when: g.x > 1}}}
  m: {values: [{u: 1}, {u: 3}, {v: 2}]}
  z: {values: [p, q]}
"""
        + rest
    )
    space = sweep.space
    every = []
    for digits in itertools.product(*map(range, space.lengths)):
        found, inactive = space.assembler.build(space.row(digits))
        if space.is_first(digits, inactive) and space.allows(found):
            every.append(found)
    assert params(sweep) == every
    assert sweep.size() == len(every)


@pytest.mark.parametrize(
    "constraint",
    ["p0 + p1 + p2 >= 30", "p0 + p1 + p2 + p3 + p4 + p5 + p6 + p7 + p8 >= 90", "p8 ** 2 == 100"],
)
def test_a_selective_constraint_on_a_huge_grid_is_walked_at_once(
    load: Load, constraint: str
) -> None:
    names = "\n".join(f"  p{k}: {{min: 1, max: 10}}" for k in range(9))
    sweep = load(f"method: grid\nparameters:\n{names}\nconstraints: [{constraint}]\n")
    (first,) = params(sweep, 1)
    assert first["p8"] == 10 or first["p0"] == 10


def test_what_many_conditions_switch_off_is_not_walked(load: Load) -> None:
    names = "\n".join(f"  q{k:02}: {{min: 1, max: 9, when: p == 'x'}}" for k in range(15))
    sweep = load(f"method: grid\nparameters:\n  p: {{values: [y, x]}}\n{names}\n")
    found = params(sweep, 3)
    assert found[0] == {"p": "y"}
    assert [one["q14"] for one in found[1:]] == [1, 2]


def test_constraints_that_leave_nothing_of_a_range_are_said(load: Load) -> None:
    names = "{a: {min: 0.0, max: 1.0}, b: {min: 0.0, max: 1.0}, c: {min: 0.0, max: 1.0}}"
    text = f"method: random\nrun_cap: 5\nparameters: {names}\nconstraints: "
    circle = load(text + '["a > b", "b > c", "c > a"]\n')
    (warning,) = circle.warnings
    assert "constraints: none of 2,000 random points satisfies all of them" in warning
    with pytest.raises(SpecError) as caught:
        next(circle.trials())
    (problem,) = caught.value.problems
    assert (problem.key, problem.line, problem.column) == ("constraints", 4, 14)
    assert "100,000 draws in a row broke a constraint (a > b; b > c; c > a)" in problem.message
    assert load(text + '["a > b", "b > c"]\n').warnings == ()
