"""The live page: for one user, who may look at what lies below the storage, and at nothing else."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.main import main
from tests.conftest import write_run
from tests.unit.web.conftest import HOSTILE

pytest.importorskip("optuna_dashboard")


@dataclass
class Served:
    """A ``sweeper ui`` that runs, and who has its cookie."""

    storage: Path
    address: str

    @property
    def port(self) -> int:
        return int(self.address.split(":")[2].partition("/")[0])

    @property
    def cookie(self) -> str:
        return f"sweeper-{self.port}={self.address.partition('token=')[2]}"

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Cookie": self.cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, headers=given)
        with connection.getresponse() as answer:
            return answer.status, answer.read().decode(), answer.headers

    def sweep(self, title: str) -> str:
        """The number of a sweep."""
        found = json.loads(self.ask("/api/studies")[1])["study_summaries"]
        return next(str(s["study_id"]) for s in found if s["study_name"] == title)


def write_tree(storage: Path) -> None:
    error = {"type": "ValueError", "message": f"{HOSTILE[0]} no", "traceback": [HOSTILE[3]]}
    for i in range(6):
        params = {"g": {"rate": 0.1 / (i + 1), **dict.fromkeys(HOSTILE, HOSTILE[i % 3])}}
        rows = [{"val_loss": 1.0 + i + 1 / epoch, HOSTILE[3]: 1.0} for epoch in (1, 2, 3)]
        outcome = ("finished", "failed", None)[i % 3]
        path = write_run(
            *(storage / "hostile", params, ["g"]),
            **{"rows": rows, "outcome": outcome, "trial": i, "sweep": "hostile"},
            error=error if outcome == "failed" else None,
        )
        (path / "output.log").write_text(f"line {i} {HOSTILE[0]}\x1b[31m\nnext\n")
    for replicate in (0, 1):
        write_run(
            *(storage / "team" / "repeated", {"g": {"rate": 0.1}}, ["g"]),
            **{"rows": [{"val_loss": 1.0 + replicate}], "trial": replicate, "sweep": "repeated"},
            **{"replicate": replicate, "run": f"run--26-11-24--00-1{replicate}"},
        )
    outside = storage.parent / "outside"
    write_run(outside, {"g": {"rate": 1}}, ["g"], rows=[{"val_loss": 7.0}], sweep="secret")
    (storage / "link").symlink_to(outside)
    linked = storage / "hostile" / "exp-11111111" / "run--26-11-24--00-15"
    linked.parent.mkdir()
    linked.symlink_to(next(outside.glob("exp-*/run--*")))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    storage = tmp_path_factory.mktemp("ui") / "experiments"
    write_tree(storage)
    command = [sys.executable, "-m", "sweeper", "ui", str(storage), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    def heed_ctrl_c() -> None:  # which whoever runs the tests in the background ignores
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, text=True, preexec_fn=heed_ctrl_c, **pipes) as process:
        assert process.stdout is not None
        try:
            yield Served(storage, process.stdout.readline().strip())
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=20)[1]
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "sweeper: Ctrl-C ends it\nsweeper: ended\n")


def test_who_has_no_token_sees_nothing(served: Served) -> None:
    for path in ("/", "/sweep/1", "/api/studies", "/dashboard", "/static/bundle.js", "/ui.css"):
        for cookie in ("", "sweeper=x", f"sweeper-{served.port}=x", "a=b; ;="):
            status, text, _ = served.ask(path, Cookie=cookie)
            assert (status, "hostile" in text) == (403, False)
    assert served.ask("/?token=x", Cookie="")[0] == 403
    status, _, headers = served.ask(served.address.partition(str(served.port))[2], Cookie="")
    assert status == 200
    assert headers["Set-Cookie"] == f"{served.cookie}; HttpOnly; SameSite=Strict; Path=/"
    assert served.ask("/", Cookie=f"other=1; {served.cookie}")[0] == 200


def test_what_changes_anything_is_refused(served: Served) -> None:
    number = served.sweep("hostile")
    before = served.ask("/api/studies")[1]
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in ("/", "/api/studies", f"/api/studies/{number}", "/api/trials/1/tell"):
            status, _, headers = served.ask(path, method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert served.ask("/", "HEAD")[:2] == (200, "")
    assert served.ask("/api/studies", "HEAD")[:2] == (200, "")
    assert served.ask("/api/studies")[1] == before


@pytest.mark.parametrize("host", ["example.org", "example.org:80", "127.0.0.1.example.org:80", ""])
def test_a_foreign_host_is_refused(host: str, served: Served) -> None:
    assert served.ask("/", Host=host)[0] == 403
    assert served.ask("/api/studies", Host=host)[0] == 403


def test_the_hosts_that_are_its_own(served: Served) -> None:
    for host in ("localhost", "localhost:9999", f"127.0.0.1:{served.port}", "[::1]:1"):
        assert served.ask("/", Host=host)[0] == 200


def test_nothing_outside_the_storage_is_served(served: Served) -> None:
    number = served.sweep("hostile")
    pages = "".join(served.ask(path)[1] for path in ("/", f"/sweep/{number}", "/api/studies"))
    assert "outside" not in pages
    assert "secret" not in pages
    secret = next((served.storage.parent / "outside").glob("exp-*/run--*"))
    inside = "exp-11111111/run--26-11-24--00-15"
    for name in (
        *(f"/run/{number}/{inside}", f"/log/{number}/{inside}", f"/run/{number}/../../etc/passwd"),
        *(f"/run/{number}/{secret}", f"/run/{number}/..%2foutside/{secret.parent.name}"),
        *("/../../etc/passwd", "/static/../_app.py", "/static/..%2f_app.py", "/markup.py"),
        *("/sweep/0", "/sweep/-1", "/sweep/%D9%A3", "/sweep/" + "9" * 5000),
        *("/artifacts/1/1/1", "/sql-profiler", "/etc/passwd", "/csv/99", "/api/studies/99"),
    ):
        assert served.ask(name)[0] in (403, 404), name


def test_every_page_of_hostile_names(served: Served) -> None:
    number = served.sweep("hostile")
    table = served.ask(f"/sweep/{number}?sort=-trial&status=failed&page=7")[1]
    runs = re.findall(f'/run/({number}/exp-[^"]+)', served.ask(f"/sweep/{number}")[1])
    assert len(runs) == 6
    failed = re.findall(f'/run/({number}/exp-[^"]+)', table)
    assert len(failed) == 2
    for path in (
        *("/", f"/sweep/{number}", f"/sweep/{number}?sort=%22%3E%3Cimg&status=%3Cb%3E&page=x"),
        *(f"/run/{failed[0]}", f"/compare?run={'&run='.join(runs)}", "/compare?run=x/y"),
    ):
        status, text, headers = served.ask(path)
        assert status == 200
        assert "<img" not in text
        assert "<b>bold" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert len(re.findall("<script", text)) == 1
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
    page = served.ask(f"/run/{failed[0]}")[1]
    assert "ValueError: &lt;/script&gt;" in page
    log = json.loads(served.ask(f"/log/{failed[0]}?from=0")[1])
    assert log["text"].startswith("line ")
    assert json.loads(served.ask(f"/log/{failed[0]}?from={log['next']}")[1])["text"] == ""
    assert "params.g.rate" in served.ask(f"/csv/{number}")[1]


def test_repetitions_are_one_trial_with_mean_and_deviation(served: Served) -> None:
    number = served.sweep("repeated")
    assert "1.5 ± 0.71 of 2" in served.ask(f"/sweep/{number}")[1]
    study = json.loads(served.ask(f"/api/studies/{number}")[1])
    assert [(t["state"], t["values"]) for t in study["trials"]] == [("Complete", [1.5])]
    assert study["objective_names"] == ["val_loss"]


def test_a_page_is_made_again_when_something_is_new(served: Served) -> None:
    path = f"/sweep/{served.sweep('repeated')}"
    _, _, headers = served.ask(path)
    status, text, again = served.ask(path, If_None_Match=headers["ETag"])
    assert (status, text) == (304, "") or again["ETag"] != headers["ETag"]


def test_what_cannot_be_served(served: Served, tmp_path: Path, capsys: Any) -> None:
    assert main(["ui", str(served.storage), "--port", str(served.port)]) == 2
    assert f"port {served.port} cannot be used" in capsys.readouterr().err
    assert main(["ui", str(tmp_path / "no")]) == 2
    assert "found nothing there" in capsys.readouterr().err


def test_a_missing_extra_says_how_to_install_it(served: Served, tmp_path: Path) -> None:
    (tmp_path / "optuna_dashboard.py").write_text("raise ImportError('not here')\n")
    given = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "sweeper", "ui", str(served.storage)]
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'sweeper[ui]'" in done.stderr


def test_the_pages_in_a_browser(served: Served, browser: Any) -> None:
    said: list[str] = []
    page = browser.new_page(viewport={"width": 400, "height": 900}, color_scheme="dark")
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(served.address)
    page.wait_for_url(f"http://127.0.0.1:{served.port}/")
    page.get_by_role("link", name="hostile", exact=True).click()
    page.locator("input[name=run]").nth(2).wait_for()
    for place in (0, 1):
        page.locator("input[name=run]").nth(place).check()
    page.get_by_role("button").click()
    page.locator("figure svg").first.wait_for()
    page.locator("thead a").first.click()
    log = page.locator("pre")
    log.wait_for()
    run = next(p for p in served.storage.glob("hostile/exp-*/run--*") if str(p) in page.content())
    with (run / "output.log").open("a") as file:
        file.write(f"news {HOSTILE[0]}\n")
    page.locator("pre", has_text="news").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"http://127.0.0.1:{served.port}/dashboard/studies/{served.sweep('hostile')}")
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.evaluate("window.hacked") is None
    assert said == []
