"""What comes from a tree, a sweep file or a program reaches the terminal as text alone."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.cli.formatting import column, json_text, print_rows
from sweeper.cli.main import main
from sweeper.cli.runs import Safe
from sweeper.results import csv_lines
from sweeper.wording import printable

EVIL = "\x1b]0;title\x07\x9b31m\r\n\u202e\x7f"
OBEYED = ("\x1b", "\x07", "\x9b", "\u202e", "\x7f")


def harmless(text: str) -> bool:
    return not any(character in text for character in OBEYED)


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable(EVIL) == "\\x1b]0;title\\x07\\x9b31m\\r\\n\\u202e\\x7f"
    assert printable("naïve 日本\u3000\xa0語 😀") == "naïve 日本\u3000\xa0語 😀"
    assert printable("a\nb\tc", "\n") == "a\nb\\tc"


@pytest.mark.parametrize("format_", ["table", "json", "yaml"])
def test_names_and_values_of_every_table_are_harmless(format_: str) -> None:
    stream = io.StringIO()
    rows = [{"a": EVIL, "params": {EVIL: [EVIL]}}, {"a": 1, "params": {}}]
    with contextlib.redirect_stdout(stream):
        print_rows(format_, rows, {}, [column("a", EVIL), column("params")], ["a"])
    assert harmless(stream.getvalue())
    if format_ == "table":
        assert len(stream.getvalue().splitlines()) == 3
    if format_ == "json":
        assert json.loads(stream.getvalue())["trials"] == rows


def test_json_is_exact() -> None:
    assert json.loads(json_text([EVIL, "é\u2028\ud800"])) == [EVIL, "é\u2028\ud800"]


def test_csv_holds_no_formula_and_every_line_end_is_quoted() -> None:
    cells = ["=1+1", "+a", "-cmd", "@x", "-5", "+1e-3", "-inf", -5, "a\rb", "a\nb", "plain", None]
    names = [str(place) for place in range(len(cells))]
    _, line = csv_lines(names, [dict(zip(names, cells, strict=True))])
    (read,) = csv.reader(io.StringIO(line, newline=""))
    quoted = ["'=1+1", "'+a", "'-cmd", "'@x"]
    assert read == [*quoted, "-5", "+1e-3", "-inf", "-5", "a\rb", "a\nb", "plain", ""]


def test_trials_saved_as_csv_hold_no_formula_and_are_read_back_the_same(tmp_path: Path) -> None:
    sweep = tmp_path / "s.yaml"
    values = ["=1+1", "+a", "-cmd", "@x", "plain", -5]
    sweep.write_text(f"method: grid\nparameters: {{a: {{values: {json.dumps(values)}}}}}\n")
    saved = tmp_path / "trials.csv"
    assert main(["plan", str(sweep), "--storage", str(tmp_path), "--save-trials", str(saved)]) == 0
    assert not any(line[0] in "=+@" for line in saved.read_text().splitlines())
    sweep.write_text(f"method: list\ntrials: {saved}\n")
    from sweeper.sweepfile import load_sweep

    assert [trial.params["a"] for trial in load_sweep(sweep).trials()] == values


def test_complaints_and_log_lines_are_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = json.dumps(EVIL)
    sweep = tmp_path / f"s{EVIL}.yaml"
    sweep.write_text(f"method: grid\n{name}: 1\nparameters: {{{name}: {{values: {name}}}}}\n")
    assert main(["check", str(sweep)]) == 2
    assert main([f"no{EVIL}"]) == 2
    logging.getLogger("sweeper").warning("%s", EVIL)
    said = capsys.readouterr()
    assert harmless(said.err + said.out)
    assert "unknown key" in said.err


def test_output_keeps_its_colours_on_a_terminal_and_nothing_else() -> None:
    safe = Safe()
    pieces = [
        b"\x1b[1;3",
        b"2mgreen\x1b[0m\r 5%\x1b[K",
        b"\x1b]0;t\x07\xff \xc3",
        b"\xa9\x1b[2J\x9b\n",
    ]
    shown = b"".join(map(safe, pieces)).decode()
    assert shown.startswith("\x1b[1;32mgreen\x1b[0m\r 5%\x1b[K\\x1b]0;t\\x07")
    assert shown.endswith(" é\\x1b[2J\\x9b\n")


NAMES = ["loss[/m]", "[bold]x[/]", f"m{EVIL}", ":boom:"]
DISPLAY = """
import sys, time
from sweeper.cli.display import LiveDisplay
from sweeper.sweepfile import Metric
for name in sys.argv[1:]:
    with LiveDisplay(Metric(name), sys.stderr) as display:
        display.started(2)
        display.trial_started(0)
        display.trial_reported(0, 1, 0.5, "run")
        time.sleep(0.3)
        display.trial_ended(0, "failed", {"error": name}, 0.5)
        display.trial_ended(1, "finished", {}, 0.5)
        time.sleep(0.3)
"""


def test_the_live_display_shows_names_as_they_are() -> None:
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    program = subprocess.Popen(
        [sys.executable, "-c", DISPLAY, *NAMES], stderr=slave, env=env, stdout=subprocess.DEVNULL
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 1 << 16)
        except OSError:  # nobody writes any more
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert program.wait() == 0
    text = shown.decode()
    assert all(f"{printable(name)}=0.5" in text for name in NAMES)
    assert not any(character in text for character in ("\x07", "\x9b", "\u202e", "\x1b]0"))
