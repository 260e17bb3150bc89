"""Properties of expansion that hold for every space, not for examples only."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper.space import value_key
from sweeper.sweepfile import Sweep, load_sweep
from sweeper.sweepfile.yaml12.read import parse
from sweeper.sweepfile.yaml12.write import to_yaml

thorough = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

names = st.from_regex(r"[a-z][a-z0-9_.-]{0,5}", fullmatch=True)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=6)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
listed = st.lists(values, min_size=1, max_size=4).map(lambda vs: {"values": vs})
constant = values.map(lambda value: {"value": value})
whole = st.tuples(st.integers(-5, 5), st.integers(1, 4)).map(
    lambda pair: {"min": pair[0], "max": pair[0] + pair[1]}
)
bodies = st.recursive(
    listed | constant | whole,
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3).map(
        lambda group: {"parameters": group}
    ),
    max_leaves=6,
)
spaces = st.dictionaries(names, bodies, min_size=1, max_size=4)


def load(path: Path, **document: Any) -> Sweep:
    path.write_text(to_yaml(document), encoding="utf-8")
    return load_sweep(path)


def key(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)


def by_hand(parameters: dict[str, Any]) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Every leaf with its different values, in W&B's order."""
    leaves: list[tuple[tuple[str, ...], list[Any]]] = []
    for name, body in sorted(parameters.items()):
        if "parameters" in body:
            leaves += [((name, *path), found) for path, found in by_hand(body["parameters"])]
        elif "value" in body:
            leaves.append(((name,), [body["value"]]))
        elif "values" in body:
            kept = {value_key(value): value for value in reversed(body["values"])}
            ordered = sorted(kept, key=lambda k: [value_key(v) for v in body["values"]].index(k))
            leaves.append(((name,), [kept[k] for k in ordered]))
        else:
            leaves.append(((name,), list(range(body["min"], body["max"] + 1))))
    return leaves


@thorough
@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    document = parse(to_yaml({"k": value}), "x")
    assert not document.problems
    assert json.dumps(document.data) == json.dumps({"k": value})


@thorough
@given(spaces)
def test_a_grid_is_the_product_of_its_leaves_in_order(
    tmp_path: Path, space: dict[str, Any]
) -> None:
    leaves = by_hand(space)
    size = 1
    for _, found in leaves:
        size *= len(found)
    sweep = load(tmp_path / "s.yaml", method="grid", parameters=space)
    assert sweep.size() == size
    expected = []
    for row in itertools.islice(itertools.product(*[found for _, found in leaves]), 200):
        params: dict[str, Any] = {}
        for (path, _), value in zip(leaves, row, strict=True):
            level = params
            for part in path[:-1]:
                level = level.setdefault(part, {})
            level[path[-1]] = value
        expected.append(params)
    trials = list(itertools.islice(sweep.trials(), 200))
    assert [key(t.params) for t in trials] == [key(p) for p in expected]


@thorough
@given(spaces, st.integers(0, 2**40))
def test_a_shuffled_grid_has_the_same_points(
    tmp_path: Path, space: dict[str, Any], seed: int
) -> None:
    plain = load(tmp_path / "s.yaml", method="grid", parameters=space)
    if (plain.size() or 0) > 500:
        return
    mixed = load(tmp_path / "s.yaml", method="grid", order="shuffle", seed=seed, parameters=space)
    assert sorted(key(t.params) for t in plain.trials()) == sorted(
        key(t.params) for t in mixed.trials()
    )


@thorough
@given(spaces, st.integers(0, 2**40))
def test_a_finite_space_is_drawn_once_through_in_a_stable_order(
    tmp_path: Path, space: dict[str, Any], seed: int
) -> None:
    sweep = load(tmp_path / "s.yaml", method="random", seed=seed, parameters=space)
    size = sweep.size()
    assert size is not None
    found = [key(t.params) for t in itertools.islice(sweep.trials(), 100)]
    assert len(set(found)) == len(found) == min(100, size)
    again = load(tmp_path / "s.yaml", method="random", seed=seed, run_cap=7, parameters=space)
    assert [key(t.params) for t in again.trials()] == found[:7]


@thorough
@given(spaces, st.integers(1, 3), st.integers(1, 9))
def test_a_stored_sweep_loads_back_equal(
    tmp_path: Path, space: dict[str, Any], repeats: int, cap: int
) -> None:
    sweep = load(tmp_path / "s.yaml", method="grid", repeats=repeats, run_cap=cap, parameters=space)
    (tmp_path / "t.yaml").write_text(sweep.to_yaml(), encoding="utf-8")
    again = load_sweep(tmp_path / "t.yaml")
    assert again == sweep
    assert list(again.trials()) == list(sweep.trials())
    assert len(list(sweep.trials())) == sweep.size()


@thorough
@given(spaces, st.integers(0, 2**32), st.data())
def test_a_searcher_can_go_there_and_back(
    tmp_path: Path, space: dict[str, Any], seed: int, data: st.DataObject
) -> None:
    sweep = load(
        tmp_path / "s.yaml", method="bayes", metric={"name": "x"}, seed=seed, parameters=space
    )
    inside = st.floats(0.001, 0.999)
    us = [data.draw(inside) for _ in sweep.space.axes]
    params = sweep.space.decode(us)
    assert params is not None
    back = sweep.space.encode(params)
    assert all(u is not None for u in back)
    assert key(sweep.space.decode([u or 0.5 for u in back]) or {}) == key(params)
