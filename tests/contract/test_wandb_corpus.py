"""Sweep files that strangers wrote for W&B: what runs there runs here, with the same grids.

The files are not part of this repository; the test is skipped where they are not beside it.
"""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sweeper.errors import SpecError
from sweeper.sweepfile import load_sweep
from sweeper.sweepfile.schema import schema

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "wandb"
EXPECTED = CORPUS / "expected.csv"
LINES = EXPECTED.read_text(encoding="utf-8").splitlines() if EXPECTED.is_file() else []
CASES = {row["id"]: row for row in csv.DictReader(LINES)}
# What W&B runs with a warning and we refuse before anything starts; docs/coming-from-wandb.md.
STRICTER = {
    "004": "`early_terminate: hyperband` is no mapping: W&B fails when it first looks at it",
    "019": "`goal` is neither minimize nor maximize: W&B silently minimises",
    "053": "`goal: maximum`: W&B silently minimises under hyperband",
}
DOCUMENTED = Path(__file__).parents[2] / "docs" / "coming-from-wandb.md"

pytestmark = pytest.mark.skipif(not CASES, reason="the corpus is not beside this checkout")


def rounded(value: Any) -> Any:
    """Floats to ten digits: a probability and back loses the last ones."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return float(f"{value:.10g}") if isinstance(value, float) else value


def accepted() -> list[str]:
    return [i for i, row in CASES.items() if row["wandb_verdict"] != "reject" and i not in STRICTER]


def refused() -> list[str]:
    return [i for i, row in CASES.items() if row["wandb_verdict"] == "reject" or i in STRICTER]


@pytest.mark.parametrize("case", accepted())
def test_what_runs_there_loads_and_expands_here(case: str, tmp_path: Path) -> None:
    sweep = load_sweep(CORPUS / f"{case}.yaml")
    row = CASES[case]
    assert sweep.method == row["method"]
    trials = list(itertools.islice(sweep.trials(), 500))
    assert bool(trials) != sweep.adaptive
    if row["grid_points"]:
        assert sweep.size() == int(row["grid_points"])
    stored = tmp_path / "stored.yaml"
    stored.write_text(sweep.to_yaml(), encoding="utf-8")
    assert load_sweep(stored) == sweep


@pytest.mark.parametrize("case", accepted())
def test_a_searcher_could_work_on_it(case: str) -> None:
    space = load_sweep(CORPUS / f"{case}.yaml").space
    for u in (0.001, 0.5, 0.999):
        params = space.decode([u] * len(space.axes))
        assert params is not None
        numbers = [0.5 if one is None else one for one in space.encode(params)]
        assert rounded(space.decode(numbers)) == rounded(params)


@pytest.mark.parametrize("case", [i for i in CASES if (CORPUS / "grids" / f"{i}.json").exists()])
def test_a_grid_has_the_same_points_in_the_same_order(case: str) -> None:
    expected = json.loads((CORPUS / "grids" / f"{case}.json").read_text(encoding="utf-8"))
    if case in STRICTER:
        sweep = load_sweep(CORPUS / f"{case}.yaml", ["metric.goal=minimize"])
    else:
        sweep = load_sweep(CORPUS / f"{case}.yaml")
    found = [trial.params for trial in sweep.trials()]
    assert [json.dumps(p, sort_keys=True) for p in found] == [
        json.dumps(p, sort_keys=True) for p in expected
    ]


@pytest.mark.parametrize("case", refused())
def test_what_fails_there_is_refused_here_with_its_place(case: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_sweep(CORPUS / f"{case}.yaml")
    for problem in caught.value.problems:
        assert problem.line > 0
        assert problem.column > 0
        assert problem.mend or "expected" in problem.message


@pytest.mark.parametrize("case", accepted())
def test_the_schema_accepts_it(case: str) -> None:
    from sweeper.sweepfile.yaml12.read import parse

    text = (CORPUS / f"{case}.yaml").read_text(encoding="utf-8")
    jsonschema.Draft7Validator(schema()).validate(parse(text, case).data)


def test_every_difference_is_documented() -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    for words in ("early_terminate: hyperband", "goal: maximum"):
        assert words in text
