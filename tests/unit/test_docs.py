"""docs/structure.md and README.md say what is so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.main import COMMANDS, main
from sweeper.results import index_sweep, write_summary
from sweeper.sweepfile import Sweep
from sweeper.tree import Program, RunPaths
from tests.opened import open_run

ROOT = Path(__file__).parents[2]
STRUCTURE = (ROOT / "docs" / "structure.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def section(title: str) -> str:
    """The text below the heading ``title``."""
    match = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", STRUCTURE, re.M | re.S)
    assert match is not None, title
    return match[1]


def fields(title: str) -> set[str]:
    """The fields in the table below the heading ``title``."""
    return set(re.findall(r"^\| `([^`]+)` \|", section(title), re.M))


def below(name: str, items: Iterable[Mapping[str, Any]]) -> set[str]:
    return {f"{name}.{key}" for item in items for key in item}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a git repository that has trained and failed, and its lease beside it."""
    program = Program.at(str(ROOT / "sweeps/digits.py"))
    opened = open_run(tmp_path_factory.mktemp("tree"), {"model": {"width": 8}}, program=program)
    opened.report(val_loss=0.5)
    lease = opened.lease.path.read_text()
    opened.close("failed", ValueError("no such layer"))
    (opened.path / "lease.json").write_text(lease)
    return opened.path


def test_every_path_that_is_named_exists() -> None:
    named = re.findall(r"`((?:sweeper|sweeps|tests|docs)/[\w./-]*)`", STRUCTURE)
    assert len(named) > 15
    drawn = re.findall(r"^(?:  )?([\w/]+(?:/|\.py)) {2,}", section("Rooms"), re.M)
    rooms = [
        name if name in ("sweeper/", "sweeps/", "tests/") else f"sweeper/{name}" for name in drawn
    ]
    assert len(rooms) > 10
    assert [name for name in [*named, *rooms] if not (ROOT / name).exists()] == []


def test_every_room_is_drawn() -> None:
    drawn = set(re.findall(r"^  (\w+)/ ", section("Rooms"), re.M))
    there = {path.parent.name for path in (ROOT / "sweeper").glob("*/__init__.py")}
    assert drawn == there


def test_every_file_of_a_run_is_drawn_and_described() -> None:
    paths = RunPaths(Path("/run"))
    names = [value.name for name in dir(paths) if isinstance(value := getattr(paths, name), Path)]
    for name in {*names} - {"run"}:
        assert f" {name}" in section("The tree"), name
        assert re.search(rf"^### {re.escape(name)}/?$", STRUCTURE, re.M), name


def test_the_fields_of_run_json(run: Path) -> None:
    found = json.loads((run / "run.json").read_text())
    optional = {"git.commit", "git.branch", "git.dirty"}
    optional |= {"continues", "attempts.inexact", "attempts.peak_memory"}
    optional |= {"attempts.peak_gpu_memory", "attempts.gpu_memory"}
    optional |= {"parent.experiment", "parent.run", "parent.epoch"}
    there = {*found} | below("attempts", found["attempts"]) | below("program", [found["program"]])
    assert there | optional == fields("run.json")


def test_the_fields_of_performances_outcome_and_lease(run: Path) -> None:
    for name, title in (
        ("performances.json", "performances.json"),
        ("lease.json", "lease.NNNNNN.json"),
    ):
        assert set(json.loads((run / name).read_text())) == fields(title)
    outcome = json.loads((run / "outcome.json").read_text())
    assert {*outcome} | below("error", [outcome["error"]]) == fields("outcome.json")


def test_the_fields_that_commands_and_summaries_give(
    grid: Sweep, grid_file: Path, run_trial: Callable[..., Path], capsys: Any
) -> None:
    run_trial(grid, next(grid.trials()), rows=[{"val_loss": 1.0}])
    for command in ("plan", "status", "best"):
        assert main([command, str(grid_file), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert set(found["trials"][0]) == fields(f"{command} --json")
        for name in {*found} - {"trials"}:
            assert f"`{name}`" in section(f"{command} --json")
    assert main(["ls", str(grid.storage), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["sweeps"][0]) == fields("ls --json")
    home = grid.base_dir / "sweeps" / "grid"
    home.mkdir(parents=True)
    write_summary(index_sweep(grid))
    summary = json.loads((home / "summary.json").read_text())
    assert set(summary) == fields("summary.json")
    assert set(summary["best"]) == fields("best --json")
    assert set(summary["trials"][0]) == fields("status --json")


def test_every_module_says_what_it_is_for() -> None:
    for path in (ROOT / "sweeper").rglob("*.py"):
        assert path.read_text().startswith(('"""', "#!")), path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_names_commands_that_exist() -> None:
    used = set(
        re.findall(r"^\s*(?:\$ |.*&& )?sweeper ([a-z]+)", (ROOT / "README.md").read_text(), re.M)
    )
    assert used
    assert used <= set(COMMANDS)
