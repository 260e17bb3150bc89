"""What the displays of a launch say."""

from __future__ import annotations

import dataclasses
import fcntl
import io
import json
import math
import os
import select
import shutil
import signal
import socket
import struct
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TextIO

import pytest

from sweeper.cli import watching
from sweeper.cli.display import DrawnDisplay, LiveDisplay, PlainDisplay
from sweeper.cli.launch import _earlier
from sweeper.cli.main import main
from sweeper.cli.messages import is_terminal
from sweeper.cli.tables import Screen
from sweeper.sweepfile import Metric, Sweep


def lines(
    ends: Sequence[tuple[int, float | None]],
    goal: Literal["minimize", "maximize"] = "minimize",
    earlier: tuple[int, float] | None = None,
    end: str = "finished",
    repeated: bool = False,
) -> list[str]:
    """What is printed of trials that end with these values; each has reported 7 before."""
    stream = io.StringIO()
    display = PlainDisplay(Metric("loss", goal), stream, repeated)
    display.best = earlier
    display.started(len(ends))
    for trial, value in ends:
        display.trial_started(trial)
        display.trial_reported(trial, 1, 7.0, "run")
        display.trial_ended(trial, end, {}, value)
    return [line.split("] trial ")[1] for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("earlier", "said"), [(None, True), (1.0, False), (9.0, True)])
def test_a_trial_is_best_so_far_only_if_no_earlier_launch_has_a_better(
    earlier: float | None, said: bool
) -> None:
    (line,) = lines([(1, 2.0)], earlier=None if earlier is None else (0, earlier))
    assert ("(best so far)" in line) is said


def test_a_line_shows_the_value_of_the_run_and_not_its_last_report() -> None:
    assert lines([(1, 3.0), (0, 0.1), (2, 0.5), (3, None)]) == [
        "1 finished loss=3 (best so far)",
        "0 finished loss=0.1 (best so far)",
        "2 finished loss=0.5",
        "3 finished",
    ]
    assert lines([(0, 1.0), (1, 2.0)], "maximize")[1] == "1 finished loss=2 (best so far)"


def test_of_equal_values_the_first_trial_is_the_best_as_in_the_ranking() -> None:
    found = lines([(3, 1.0), (1, 1.0), (2, 1.0)])
    assert ["(best so far)" in line for line in found] == [True, True, False]
    resumed = lines([(1, 1.0)], earlier=(1, 1.0))
    assert resumed == ["1 finished loss=1 (best so far)"]


def test_what_is_no_finite_number_is_never_the_best() -> None:
    assert lines([(0, math.inf), (1, math.nan), (2, 5.0)]) == [
        "0 finished loss=inf",
        "1 finished loss=nan",
        "2 finished loss=5 (best so far)",
    ]


def test_neither_a_trial_that_was_lost_nor_one_of_several_replicates_is_the_best() -> None:
    assert lines([(0, 1.0)], end="lost") == ["0 lost loss=1"]
    assert lines([(0, 1.0)], end="lost", earlier=(0, 1.0)) == ["0 lost loss=1"]
    assert lines([(0, 1.0)], repeated=True) == ["0 finished loss=1"]


def test_a_launch_knows_the_best_run_of_earlier_ones(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    assert _earlier(grid) == (None, False)
    for trial, value in zip(grid.trials(), (3.0, 2.0), strict=False):
        run_trial(grid, trial, rows=[{"val_loss": value}])
    assert _earlier(grid) == ((1, 2.0), False)


def test_a_run_that_has_not_ended_has_no_last_value_yet(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    trials = list(grid.trials())
    run_trial(grid, trials[0], rows=[{"val_loss": 3.0}])
    run_trial(grid, trials[1], rows=[{"val_loss": 0.1}], outcome=None)
    best = dataclasses.replace(grid, metric=Metric("val_loss", target=0.2))
    assert _earlier(best) == ((0, 3.0), True)  # trial 1 goes on, perhaps from nothing
    last = dataclasses.replace(grid, metric=Metric("val_loss", target=0.2, mode="last"))
    assert _earlier(last) == ((0, 3.0), False)


def test_a_launch_says_why_nothing_more_runs_once_the_target_is_reached(
    grid: Sweep,
    grid_file: Path,
    run_trial: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_trial(grid, next(grid.trials()), rows=[{"val_loss": 0.1}])
    (grid_file.parent / "train.py").touch()
    assert main(["launch", str(grid_file), "metric.target=0.2"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("tree (sweep grid): 4 trials: 3 new, 1 reused -> ")
    assert err[1:] == [
        "val_loss has reached its target of 0.2: nothing more to run",
        "1 finished, 3 pending",
    ]


def test_the_exit_code_comes_from_the_tree(
    grid: Sweep, grid_file: Path, run_trial: Callable[..., Path]
) -> None:
    (grid_file.parent / "train.py").touch()
    trials = list(grid.trials())
    for trial, outcome in zip(trials, ["finished", "stopped", "pruned", "failed"], strict=True):
        path = run_trial(grid, trial, rows=[{"val_loss": 1.0}], outcome=outcome)
    assert main(["launch", str(grid_file)]) == 3
    shutil.rmtree(path)
    run_trial(grid, trials[3], rows=[{"val_loss": 1.0}])
    assert main(["launch", str(grid_file)]) == 0


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """A terminal to write to, and what is on it."""
    master, slave = os.openpty()

    def read() -> str:
        found = b""
        while select.select([master], [], [], 0.3)[0]:  # what was written comes a little later
            found += os.read(master, 1 << 20)
        return found.decode()

    with open(slave, "w") as stream:
        yield stream, read
    os.close(master)


def test_a_signal_is_told_at_once(
    terminal: tuple[TextIO, Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, read = terminal
    plain = PlainDisplay(Metric("loss"), stream)
    plain.trial_started(0)
    plain.stopping(signal.SIGINT)
    said = "stopping: 1 running trial ends here and can be resumed; Ctrl-C again to stop at once"
    assert read().strip() == said
    monkeypatch.setenv("TERM", "xterm")
    with LiveDisplay(Metric("loss"), stream) as live:
        live.started(4)
        live.trial_started(0)
        live.trial_started(1)
        live.stopping(signal.SIGTERM)
    assert read().strip().endswith(
        "stopping (SIGTERM): 2 running trials end here and can be resumed; "
        "once more to stop at once"
    )  # fmt: skip


def test_whatever_ends_it_a_live_display_leaves_the_terminal_as_it_was(
    terminal: tuple[TextIO, Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, read = terminal
    monkeypatch.setenv("TERM", "xterm")

    def run(live: LiveDisplay) -> None:
        live.__enter__()
        live.started(4)
        live.trial_ended(0, "finished", {}, 1.0)
        live._live.refresh()

    live = LiveDisplay(Metric("loss"), stream)
    run(live)
    live.__exit__(ValueError, ValueError(), None)
    assert read().endswith("\x1b[1A\x1b[2K" * 2)
    live.abandon()  # the second Ctrl-C while it ends
    assert read() == "\r\x1b[2K"
    live = LiveDisplay(Metric("loss"), stream)
    run(live)
    live.abandon()
    written = read()
    assert "\x1b[?25l" not in written.rpartition("\x1b[?25h")[2]  # the cursor is there
    assert written.endswith("\r\x1b[2K\x1b[1A\x1b[2K")  # the bar is not


def drawn(display: DrawnDisplay, width: int = 120) -> list[str]:
    return [text for text, _ in display.drawn(width, 24)]


def test_each_running_trial_shows_its_epochs_values_pace_and_what_differs(
    grid: Sweep, run_trial: Callable[..., Path]
) -> None:
    trial = next(grid.trials())
    path = run_trial(grid, trial, rows=[{"val_loss": 2.0}, {"val_loss": 3.0}], outcome=None)
    summary = json.loads((path / "performances.json").read_text())
    (path / "performances.json").write_text(json.dumps({**summary, "epochs": 9}))
    record = json.loads((path / "run.json").read_text())
    here = {"host": socket.gethostname(), "pid": os.getpid(), "gpus": ["3"]}
    (path / "run.json").write_text(json.dumps({**record, "attempts": [here]}))
    display = DrawnDisplay(grid.metric, io.StringIO())
    display.started(4)
    for other in grid.trials():
        display.trial_started(other.index, other.params)
    display.trial_reported(0, 1, 2.0, str(path))
    display.trial_reported(0, 2, 3.0, str(path))
    head, titles, first, *_ = drawn(display)
    assert "0/4 trials  0:00 elapsed  0:" in head  # 7 epochs of 1.5 s are left
    assert head.endswith(" left")
    assert titles.split() == [
        *("trial", "epoch", "val_loss", "best", "curve", "s/epoch", "rate", "width", "GPU"),
        "memory",
    ]
    assert first.split()[:9] == ["0", "2/9", "3", "2", "▁█", "1.5", "0.1", "8", "3"]
    narrow = drawn(display, 60)
    assert all(len(line) <= 60 for line in narrow)
    assert narrow[1].endswith("rate  +3")


def test_a_trial_that_ends_leaves_its_line(terminal: tuple[TextIO, Callable[[], str]]) -> None:
    stream, read = terminal
    with LiveDisplay(Metric("loss"), stream) as live:
        live.started(1)
        live.trial_ended(0, "finished", {}, 1.0)
    assert "[1/1] trial 0 finished loss=1 (best so far)" in read()


def test_a_terminal_in_which_nobody_looks_gets_plain_lines(
    terminal: tuple[TextIO, Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, _ = terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert not is_terminal(stream)  # it has no size
    fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    assert is_terminal(stream)
    assert Screen.of(stream).height
    for name, value in (("TERM", "dumb"), ("JPY_PARENT_PID", "1")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert not is_terminal(stream)
            assert not Screen.of(stream).height  # no pager
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):  # a kernel that no Jupyter has started
        monkeypatch.setenv(name, "1")
    for name in ("PAGER", "GIT_PAGER"):
        monkeypatch.setenv(name, "cat")
    assert not is_terminal(stream)


def test_what_is_watched_says_what_ends_and_stops_when_all_has(
    grid: Sweep,
    grid_file: Path,
    run_trial: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, *others = list(grid.trials())
    run_trial(grid, first, rows=[{"val_loss": 3.0}])
    path = run_trial(grid, second, rows=[{"val_loss": 5.0}], outcome=None)
    looks: list[float] = []

    def look_again(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            end = {"outcome": "failed", "elapsed": 1, "epochs": 1, "error": "no room\nat all"}
            (path / "outcome.json").write_text(json.dumps(end))
        elif others:
            run_trial(grid, others.pop(0), rows=[{"val_loss": 2.0}])

    monkeypatch.setattr(watching.time, "sleep", look_again)
    assert main(["status", str(grid_file), "--watch"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-4:] == [
        "[2/4] trial 1 failed no room",
        "[3/4] trial 2 finished val_loss=2 (best so far)",
        "[4/4] trial 3 finished val_loss=2",
        "tree (sweep grid): 3 finished, 1 failed",
    ]
    assert main(["status", str(grid_file), "--watch", "--json"]) == 2
    assert main(["status", str(grid_file), "--watch", "--all-columns"]) == 2
