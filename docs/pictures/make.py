"""Make the pictures of docs/results.md: run the sweep beside this file, and photograph its report.

    pip install '.[figures]' playwright pillow && python docs/pictures/make.py

It takes about six minutes on two cores; a Chromium must be installed (`apt install chromium`, or
`playwright install chromium`). With a base directory as argument only its report is made.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent

PICTURES = {
    "report.png": ("light", 1000, ["What came of it", "Failures", "History", "Learning curves"]),
    "report-parameters.png": ("light", 1000, ["Parallel coordinates", "Importance of parameters"]),
    "report-values.png": ("light", 800, ["By value"]),
    "report-narrow.png": ("dark", 400, ["History", "Learning curves", "Contour"]),
}
"""File -> colours, width and the sections that it shows."""


def main(base: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        if base is None:
            place = ["--storage", scratch, "--parallel", "2"]
            sweeper = [sys.executable, "-m", "sweeper"]
            subprocess.run([*sweeper, "launch", HERE / "digits.yaml", *place])  # some trials fail
            base = Path(scratch) / "digits"
        page = Path(scratch) / "report.html"
        command = [sys.executable, "-m", "sweeper", "report", base, "-o", page]
        subprocess.run(command, check=True)
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for name, (colours, width, sections) in PICTURES.items():
                view = {"width": width, "height": 14000}
                tab = browser.new_page(viewport=view, color_scheme=colours)
                photograph(tab, page, HERE / name, sections)


def photograph(page: Any, path: Path, picture: Path, sections: list[str]) -> None:
    page.goto(path.as_uri())
    page.locator(".js-plotly-plot .plot-container").nth(5).wait_for()
    for section in page.locator("section").all():
        if section.locator("h2").inner_text() not in sections:
            section.evaluate("element => { element.hidden = true; }")
    page.locator("header, footer").evaluate_all("all => all.forEach(e => { e.hidden = true; })")
    page.wait_for_timeout(1000)  # what is drawn again has its new size
    page.locator("main").screenshot(path=picture)
    Image.open(picture).quantize(128).save(picture, optimize=True)  # half the size


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
