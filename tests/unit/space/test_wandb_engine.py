"""The same answers as W&B's engine, as recorded by ``record_wandb_engine.py``."""

from __future__ import annotations

import importlib.util
import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import SpecError
from sweeper.sweepfile import EarlyTerminate, load_sweep

HERE = Path(__file__).parent
ANSWERS: dict[str, Any] = json.loads((HERE / "wandb_engine.json").read_text())


def load(directory: Path, **document: Any) -> Any:
    path = directory / "sweep.yaml"
    path.write_text(json.dumps(document))
    return load_sweep(path)


def name(case: dict[str, Any]) -> str:
    return json.dumps(next(iter(case.values())))[:60]


@pytest.mark.parametrize("case", ANSWERS["ppf"], ids=name)
def test_a_distribution_gives_the_same_values(case: dict[str, Any], tmp_path: Path) -> None:
    sweep = load(tmp_path, method="random", parameters={"p": case["body"]})
    distribution = sweep.space.parameters[0].distribution
    for u, expected in zip(ANSWERS["u"], case["values"], strict=True):
        found = distribution.ppf(u)
        if isinstance(expected, float):
            # SciPy's and Python's normal quantiles agree to about ten digits.
            assert math.isclose(found, expected, rel_tol=1e-8, abs_tol=1e-12), u
        else:
            assert found == expected, u


@pytest.mark.parametrize("case", ANSWERS["grids"], ids=name)
def test_a_grid_has_the_same_points_in_the_same_order(case: dict[str, Any], tmp_path: Path) -> None:
    sweep = load(tmp_path, method="grid", parameters=case["parameters"])
    points = [trial.params for trial in sweep.trials()]
    assert points == case["points"]
    assert sweep.size() == len(points)


@pytest.mark.parametrize("case", ANSWERS["bands"], ids=name)
def test_hyperband_judges_at_the_same_iterations(case: dict[str, Any]) -> None:
    stop = EarlyTerminate("hyperband", **case["early_terminate"])
    expected = sorted(set(case["bands"]))
    assert list(stop.bands()[: len(expected)]) == expected


@pytest.mark.parametrize("case", ANSWERS["refused"], ids=lambda case: json.dumps(case)[:70])
def test_what_the_engine_refuses_is_refused(case: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        load(tmp_path, **case)


def test_the_recorded_answers_are_those_of_the_engine() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(
            "sweeps.grid_search", reason="pins NumPy below 2: see record_wandb_engine.py"
        )
        spec = importlib.util.spec_from_file_location("record", HERE / "record_wandb_engine.py")
        assert spec is not None
        assert spec.loader is not None
        record = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(record)
        assert [record.ppf(case["body"]) for case in ANSWERS["ppf"]] == [
            case["values"] for case in ANSWERS["ppf"]
        ]
        assert [record.grid(case["parameters"]) for case in ANSWERS["grids"]] == [
            case["points"] for case in ANSWERS["grids"]
        ]
        assert [record.stop_case(seed) for seed in range(len(ANSWERS["stops"]))] == ANSWERS["stops"]
