"""compare, importance and curves; tables for papers; runs whose logs are gone."""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

import sweeper
from sweeper.cli.comparing import drawn
from sweeper.cli.main import main
from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep, load_sweep

RunTrial = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def runs(grid: Sweep, run_trial: RunTrial) -> list[Path]:
    """Four finished runs: the width decides, and the last trial is the best."""
    values = [4.0, 3.9, 1.0, 0.9]
    return [
        run_trial(grid, trial, rows=[{"val_loss": 9.0}, {"val_loss": value}])
        for trial, value in zip(grid.trials(), values, strict=True)
    ]


def read(capsys: Capture, *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    assert "this is a bug" not in said.err, said.err
    return code, said.out, said.err


def test_compare_ranks_the_trials_of_all_sweeps_together(
    grid: Sweep, grid_file: Path, runs: list[Path], run_trial: RunTrial, capsys: Capture
) -> None:
    wider = grid_file.with_name("wider.yaml")
    wider.write_text(grid_file.read_text().replace("tree", "wider").replace("[8, 16]", "[32]"))
    for trial in load_sweep(wider).trials():
        run_trial(load_sweep(wider), trial, rows=[{"val_loss": 2.0}])
    code, out, _ = read(capsys, "compare", grid_file, wider, "--json", "--top", "3")
    found = json.loads(out)
    assert code == 0
    assert [s["trials"] for s in found["sweeps"]] == [4, 2]
    assert [s["best"] for s in found["sweeps"]] == [0.9, 2.0]
    assert found["sweeps"][0]["median"] == pytest.approx(2.45)
    ranked = [(t["rank"], t["sweep"], t["trial"], t["value"]) for t in found["trials"]]
    names = [s["sweep"] for s in found["sweeps"]]
    assert ranked == [(1, names[0], 3, 0.9), (2, names[0], 2, 1.0), (3, names[1], 0, 2.0)]
    _, out, _ = read(capsys, "compare", grid_file, wider, "--where", "model.width == 32")
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["3", "4"]
    _, out, _ = read(capsys, "compare", grid_file, grid_file.parent / "experiments" / "wider")
    assert "wider" in out


def test_importance_names_the_parameter_that_decides(
    grid_file: Path, runs: list[Path], capsys: Capture
) -> None:
    code, out, _ = read(capsys, "importance", grid_file)
    assert code == 0
    assert out.splitlines()[1].split()[0] == "model.width"
    assert "█" in out
    _, out, _ = read(capsys, "importance", grid_file, "--json")
    assert json.loads(out)["parameters"][0]["name"] == "model.width"


@pytest.mark.parametrize("left", [0, 3])
def test_importance_says_why_it_cannot_as_its_figure_does(
    grid_file: Path, runs: list[Path], capsys: Capture, left: int
) -> None:
    for run in runs[left:]:
        (run / "outcome.json").write_text('{"outcome": "failed", "elapsed": 1, "epochs": 2}')
    code, _, err = read(capsys, "importance", grid_file)
    with pytest.raises(UsageError) as caught:
        sweeper.load(grid_file).figures.importance()
    assert (code, str(caught.value) in err) == (2, True)


def test_curves_draw_the_best_above_the_others(
    grid_file: Path, runs: list[Path], capsys: Capture
) -> None:
    code, out, _ = read(capsys, "curves", grid_file, "--top", "2")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("  9 ┤1")
    assert lines[7].startswith("0.9 ┤")
    assert lines[-2:] == [
        "1  trial 3  val_loss=0.9 at epoch 2",
        "2  trial 2  val_loss=1 at epoch 2",
    ]


def test_a_curve_of_equal_values_and_one_of_a_single_epoch_are_drawn() -> None:
    assert any("1" in line for line in drawn([{1: 0.5, 2: 0.5}], 40, 8))
    assert any("1" in line for line in drawn([{7: 0.5}], 40, 8))


def test_a_metric_that_no_run_has_is_refused_with_those_that_there_are(
    grid_file: Path, runs: list[Path], capsys: Capture
) -> None:
    for command in ("best", "curves", "importance", "compare", "report"):
        code, _, err = read(capsys, command, grid_file, "--metric", "vall_loss")
        assert (code, "val_loss" in err) == (2, True), command


def test_tables_for_papers(grid_file: Path, runs: list[Path], capsys: Capture) -> None:
    _, out, _ = read(capsys, "best", grid_file, "--format", "md", "--top", "1")
    heads, rule, row = out.splitlines()
    assert heads.startswith("| rank | trial | val\\_loss | epoch | status | rate | width |")
    assert rule.startswith("| --: | --: | --: | --: | :-- | --: | --: |")
    assert row.startswith("| 1 | 3 | 0.9 | 2 | finished | 0.2 | 16 |")
    _, out, _ = read(
        capsys, "compare", grid_file, "--format", "latex", "--columns", "rank,val_loss"
    )
    assert out.splitlines()[:4] == [
        "\\begin{tabular}{rr}", "\\toprule", "rank & val\\_loss \\\\", "\\midrule",
    ]  # fmt: skip
    _, out, _ = read(capsys, "importance", grid_file, "--format", "md")
    assert out.splitlines()[2].startswith("| model.width |")


GONE = ["training-logs.csv", "output.log", "performances.json", "models", "run.json"]
READERS = [
    "status", "best", "compare", "importance", "curves", "report", "logs --failed", "logs --grep x",
    "status --sparkline", "best --json", "status --csv",
]  # fmt: skip


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("all_of_them", [False, True], ids=["the best's", "all"])
def test_runs_whose_logs_are_gone_stop_no_command(
    grid_file: Path,
    runs: list[Path],
    capsys: Capture,
    tmp_path: Path,
    gone: str,
    all_of_them: bool,
) -> None:
    for run in runs if all_of_them else runs[3:]:
        (run / gone).rename(tmp_path / f"{run.parent.name}-gone")
    for command in READERS:
        words = command.replace("--csv", "--format csv").split()
        if words[0] == "report":
            words += ["-o", str(tmp_path / "report.html")]
        code, out, err = read(capsys, words[0], grid_file, *words[1:])
        assert code == 0 or (words[0] == "importance" and "importance" in err), (command, err)
        if words[0] == "curves" and gone == "training-logs.csv":
            assert "trial 3: no curve, for its training log has no val_loss" in err
            assert ("1  trial 2" in out) is not all_of_them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sweeper.load(grid_file)
    logs = 4 if gone != "training-logs.csv" else 0 if all_of_them else 3
    assert len(found.history()) == 2 * logs
    found.trials()
    found.best()
    for name in ("history", "curves", "parallel_coordinates", "slice", "contour", "edf"):
        with contextlib.suppress(UsageError):
            getattr(found.figures, name)()


def test_a_report_that_no_browser_opens_says_so(
    grid_file: Path,
    runs: list[Path],
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, page = tmp_path / "seen", tmp_path / "a page.html"
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!{sys.executable}\nimport sys\nopen({str(seen)!r}, "w").write(sys.argv[1])'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    assert read(capsys, "report", grid_file, "-o", page, "--open")[0] == 0
    assert seen.read_text() == page.as_uri()
    monkeypatch.setattr(webbrowser, "_tryorder", [])
    code, _, err = read(capsys, "report", grid_file, "-o", page, "--open")
    assert (code, "no browser was found" in err) == (0, True)
