"""The report: one page that opens offline, whatever the tree holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.cli.main import main
from sweeper.sweepfile import load_sweep
from tests.unit.web.conftest import HOSTILE


@pytest.fixture
def tree(tmp_path: Path, make_run: Callable[..., Path]) -> Callable[..., Path]:
    def write(count: int, outcome: str | None = "finished") -> Path:
        """Runs of hostile names and values, every fifth of which has failed."""
        base = tmp_path / "hostile"
        for i in range(count):
            params = {"g": {"rate": 0.1 / (i + 1), **dict.fromkeys(HOSTILE, HOSTILE[i % 3])}}
            if i % 2:
                params["g"]["only"] = i
            error = {
                "type": "ValueError",
                "message": f"{HOSTILE[0]} {i}",
                "traceback": [HOSTILE[3]],
            }
            bad = i % 5 == 4
            rows = [{"val_loss": 1.0 + i + epoch, HOSTILE[3]: 1.0} for epoch in range(3)]
            path = make_run(
                *(base, params, ["g"]),
                rows=rows if outcome and not bad else [],
                outcome="failed" if bad else outcome,
                error=error if bad else None,
                trial=i,
            )
            (path / "output.log").write_text(f"line {i} {HOSTILE[0]}\x1b[31m")
            record = json.loads((path / "run.json").read_text())
            times = {"start": f"2026-11-24T00:00:{i:02d}Z", "end": f"2026-11-24T00:01:{i:02d}Z"}
            record["attempts"] = [{"number": 1, **times, "host": HOSTILE[0], "pid": i}]
            (path / "run.json").write_text(json.dumps(record))
        return base

    return write


def test_a_page_of_hostile_names(tree: Callable[..., Path], tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert main(["report", str(tree(20)), "-o", str(page)]) == 0
    text = page.read_text()
    assert len(text) < 3_000_000
    assert "<img" not in text
    assert "<b>bold" not in text
    assert "\x1b" not in text
    assert len(re.findall("<script", text)) == 3
    assert len(re.findall("</script>", text)) == 3
    assert "4 trials: ValueError: &lt;/script&gt;" in text  # one reason: they differ in numbers
    policy = re.search('Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy[1]
    assert not list(tmp_path.glob(".*tmp"))


def test_a_page_without_a_number_says_why(tree: Callable[..., Path], tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    asked = ["--metric", "val_loss", "--goal", "minimize"]
    assert main(["report", str(tree(5, None)), "-o", str(page), *asked]) == 0
    assert "1 run failed before recording val_loss" in page.read_text()


def test_what_cannot_be_reported(
    tree: Callable[..., Path], tmp_path: Path, grid_file: Path, capsys: Any
) -> None:
    base = str(tree(3))
    (tmp_path / "is.html").mkdir()
    page = str(tmp_path / "r.html")
    for words, code, said in [
        ([str(grid_file), "-o", page], 2, "expected runs to report on, found none"),
        ([base, "-o", page, "--metric", "val_los"], 2, "did you mean 'val_loss'?"),
        ([base, "-o", str(grid_file)], 2, "expected a file *.html"),
        ([base, "-o", str(tmp_path / "no" / "r.html")], 1, "r.html"),
        ([base, "-o", str(tmp_path / "is.html")], 2, "is a directory"),
    ]:
        assert main(["report", *words]) == code
        assert said in capsys.readouterr().err
    assert not Path(page).exists()
    assert "name: tree" in grid_file.read_text()


def test_the_page_in_a_browser(tree: Callable[..., Path], tmp_path: Path, browser: Any) -> None:
    path = tmp_path / "r.html"
    assert main(["report", str(tree(20)), "-o", str(path)]) == 0
    page = browser.new_page(viewport={"width": 1400, "height": 12000})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(path.as_uri())
    page.locator(".js-plotly-plot .plot-container").nth(5).wait_for()
    assert said == [path.as_uri()]  # no error, and nothing else is fetched
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, b").count() == 0
    assert "<!--<script>" in page.locator("#figure-importance").text_content()
    rows = page.locator("#table tr")
    assert rows.count() == 21
    page.fill("#table input", "val_loss < 4")
    assert rows.count() == 1 + 3
    page.fill("#table input", "failed")
    assert rows.count() == 1 + 4
    page.fill("#table input", "")
    canvas = page.locator("canvas").bounding_box()
    page.mouse.move(canvas["x"] + 60, canvas["y"] + 300)  # the axis of the metric
    page.mouse.down()
    page.mouse.move(canvas["x"] + 60, canvas["y"] + 395)
    page.mouse.up()
    assert 1 < rows.count() < 17
    blocked = page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')")
    assert blocked == "refused"


def test_what_failed_trials_share_is_named(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    for i in range(16):
        params = {"g": {"width": (8, 16)[i % 2], "kernel": (5, 7)[i // 2 % 2], "rate": i}}
        bad = params["g"]["width"] == 8 and params["g"]["kernel"] == 7
        error = {"type": "ValueError", "message": f"size {i}", "traceback": []} if bad else None
        rows = [] if bad else [{"val_loss": 1.0}]
        outcome = "failed" if bad else "finished"
        make_run(tmp_path / "b", params, ["g"], rows=rows, outcome=outcome, error=error, trial=i)
    page = tmp_path / "r.html"
    assert main(["report", str(tmp_path / "b"), "-o", str(page)]) == 0
    text = page.read_text()
    assert "<p>All have g.width = 8, g.kernel = 7, and no trial that ended well has.</p>" in text
    assert re.search(r"<dt>Trial</dt><dd>\d+, as good as (\d+, ){8}…</dd>", text)


def test_a_page_of_several_goals_names_them_and_what_the_best_has(
    grid_file: Path, run_trial: Callable[..., Path], tmp_path: Path
) -> None:
    document = yaml.safe_load(grid_file.read_text())
    del document["metric"]
    goals = [{"name": "val_loss"}, {"name": "speed", "goal": "maximize"}]
    document["metrics"] = [*goals, {"name": "mb", "max": 50}]
    grid_file.write_text(yaml.safe_dump(document))
    sweep = load_sweep(grid_file)
    for trial, mb in zip(sweep.trials(), (60, 40), strict=False):
        run_trial(sweep, trial, rows=[{"val_loss": 0.1 * mb, "speed": 3.25, "mb": mb}])
    assert main(["report", str(grid_file), "-o", str(tmp_path / "r.html")]) == 0
    text = (tmp_path / "r.html").read_text()
    assert "val_loss, to minimize (best epoch); speed, to maximize; mb &lt;= 50" in text
    assert "<dt>speed</dt><dd>3.25</dd><dt>mb</dt><dd>40</dd>" in text
