"""Who hears of what, whatever becomes of the telling."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.cli.display import LaunchProgress
from sweeper.cli.told import Told
from sweeper.errors import UsageError
from sweeper.sweepfile import Sweep, load_sweep

Load = Callable[..., Sweep]
TELL = """\
import os, sys
with open(sys.argv[1], "a") as file:
    file.write(sys.stdin.read() + "\\n" + os.environ["SWEEPER_EVENT"] + "\\n")
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_with(notify: str) -> Sweep:
        path = tmp_path / "s.yaml"
        text = "program: t.py\nmethod: grid\nmetric: {name: loss, goal: minimize}\n"
        text += f"parameters: {{a: {{values: [1, 2]}}}}\nstorage: {tmp_path}\nnotify: {notify}\n"
        path.write_text(text)
        return load_sweep(path)

    return load_with


def launched(sweep: Sweep) -> list[str]:
    """What is said of a launch in which a trial is good, one fails and one is no better."""
    told, said = Told(sweep, LaunchProgress(sweep.metric)), []
    with told:
        told.started(3)
        told.trial_ended(0, "finished", {"path": "/run"}, 0.5)
        told.trial_ended(1, "failed", {"error": "ValueError: no"}, None)
        told.trial_ended(2, "finished", {}, 0.7)
    told.ended(3, said.append)
    return said


def test_a_command_gets_each_event_as_json(load: Load, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("WHERE", str(tmp_path / "heard"))
    (tmp_path / "tell.py").write_text(TELL)
    words = json.dumps([sys.executable, str(tmp_path / "tell.py"), "${envvar:WHERE}"])
    assert launched(load(f"{{on: [end, failure, best], command: {words}}}")) == []
    lines = (tmp_path / "heard").read_text().splitlines()
    assert lines[1::2] == ["best", "failure", "end"]
    best, failure, end = map(json.loads, lines[::2])
    assert (best["trial"], best["value"], best["run"]) == (0, 0.5, "/run")
    assert (failure["trial"], failure["error"]) == (1, "ValueError: no")
    assert (end["exit_code"], end["best"], end["sweep"]) == (3, 0, "s")


def test_a_command_that_fails_or_hangs_is_said_at_the_end(load: Load, monkeypatch: Any) -> None:
    assert launched(load("{command: [sh, -c, 'exit 7']}")) == [
        "sweeper: notify: the command ended with 7"
    ]
    monkeypatch.setattr("sweeper.tools.notify.SECONDS", 0.3)
    found = launched(load("{on: [end], command: [sleep, '100']}"))
    assert found == ["sweeper: notify: the command took too long"]


@pytest.mark.parametrize(
    ("notify", "says"),
    [
        ("{command: [there-is-no-such]}", "there-is-no-such"),
        ("{command: ['${envvar:NOT_SET}']}", "NOT_SET is not set"),
        ("{on: [end]}", "needs `command` or `apprise`"),
        ("{on: [start], command: [true]}", "a list of end, failure or best"),
        ("{apprise: 'slack://secret'}", "envvar:NAME"),
        ("{apprise: '${envvar:NOT_SET}'}", "NOT_SET is not set"),
    ],
)
def test_what_cannot_be_told_is_refused_before_the_launch(
    load: Load, notify: str, says: str
) -> None:
    if "apprise" in notify and "NOT_SET" in notify:
        pytest.importorskip("apprise")
    with pytest.raises(UsageError, match=says):
        Told(load(notify), LaunchProgress(None))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Apprise imports
def test_apprise(load: Load, monkeypatch: Any, caplog: Any) -> None:
    apprise = pytest.importorskip("apprise")
    sent = []
    monkeypatch.setenv("APPRISE_URL", "json://me:secret@127.0.0.1:9/")
    sweep = load("{apprise: '${envvar:APPRISE_URL}'}")
    said = launched(sweep)
    assert said == ["sweeper: notify: Apprise could not deliver an event"]
    assert "secret" not in caplog.text + sweep.to_yaml()
    monkeypatch.setattr(apprise.Apprise, "notify", lambda self, **what: sent.append(what) or True)
    assert launched(sweep) == []
    assert [what["title"] for what in sent] == ["s: failure", "s: end"]
    monkeypatch.setenv("APPRISE_URL", "nonsense")
    with pytest.raises(UsageError, match="an address that Apprise knows"):
        Told(sweep, LaunchProgress(None))
