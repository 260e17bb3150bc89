"""What a script calls from inside a sweep: its parameters, its reports, its Keras callbacks.

Outside a sweep each of these does nothing. Exported by ``sweeper`` itself.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import SweeperError

if TYPE_CHECKING:
    from sweeper.experiment import Run

log = logging.getLogger("sweeper.script_api")

REPORT_FILE = "SWEEPER_REPORT_FILE"
PARAMS_FILE = "SWEEPER_PARAMS_FILE"
RUN_DIR = "SWEEPER_RUN_DIR"
ADOPT = "SWEEPER_ADOPT"  # what a process needs to write into the run itself, in JSON
MARK = "sweeper"  # the key of what these functions say in a line of the report file
ADOPT_SECONDS = 30.0

_run: Run | None = None  # the run that this process writes into
_no_numbers: set[str] = set()  # the metrics that it was said of
asked = False  # the script has asked for its callbacks
told: set[str] = set()  # the names of what it has reported into the file
listener: Callable[[Mapping[str, float]], bool] | None = None  # records what is reported, or not


def enter(run: Run | None) -> None:
    """Let what follows be about ``run``: a train function's, or none."""
    global _run
    _run = run


def params(defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The trial's parameters, over ``defaults``; outside a sweep the defaults alone."""
    path = os.environ.get(PARAMS_FILE)
    given = dict(_run.params) if _run is not None else {}
    if not given and path:
        given = json.loads(Path(path).read_text())
    return {**(defaults or {}), **given}


def run_dir() -> Path:
    """The directory of the trial's run; outside a sweep the current one."""
    return Path(os.environ.get(RUN_DIR) or os.getcwd())


def report(epoch: int | None = None, **metrics: Any) -> None:
    """Report an epoch's metrics (from 1; the next one by default). Nothing outside a sweep.

    Raises ``UsageError`` for an epoch that is not a positive integer.
    """
    path = os.environ.get(REPORT_FILE)
    if _run is not None and listener is None:
        _run.report(epoch, **metrics)
    elif path:
        from sweeper.tree import as_row

        row: dict[str, Any] = as_row(1 if epoch is None else epoch, metrics, _no_numbers)
        number = row.pop("epoch")
        if listener is not None and listener(row):
            return
        told.update(row)
        append(path, row if epoch is None else {"epoch": number, **row})
    else:
        log.debug("no sweep, so nobody hears of %s", metrics)


def callbacks() -> list[Any]:
    """The Keras callbacks of the trial's run: records, checkpoints, exact resume. Loads Keras.

    Outside a sweep there are none. Of several processes of a trial the first gets them, the others
    none.
    """
    global asked
    asked = True
    run = _run or adopt_for_keras()
    if run is None:
        return []
    from sweeper.experiment import keras_callbacks

    # A script's process was seeded as it began; what the script has seeded itself since then stays.
    unseeded = getattr(sys.modules.get("_sweeper_seed"), "seed", None) is None
    return keras_callbacks(run, seed=unseeded)


class NoRun:
    """What :func:`run` gives outside a sweep: keeps and restores nothing."""

    path: Path | None = None
    resumed_epoch = 0

    def report(self, epoch: int | None = None, **metrics: Any) -> None:
        """Nothing."""

    def save(self, state_dir: str | os.PathLike[str]) -> None:
        """Nothing."""

    def restore(self) -> None:
        """Nothing was saved."""


@contextmanager
def run() -> Iterator[Run | NoRun]:
    """The trial's run for a program without ``fit``: report, save, restore, as train functions do.

    Outside a sweep, and in another process than the trial's first, it does nothing. Loads no Keras.
    """
    global asked
    asked = True
    yield _run or adopt() or NoRun()


def adopt_for_keras() -> Run | None:
    """As :func:`adopt`, and fits the backend to the trial's resources."""
    run = adopt()
    if run is not None:
        from sweeper.experiment import configure_devices

        given = json.loads(os.environ[ADOPT])
        configure_devices(given["cpus"], given["gpus"])
    return run


def adopt() -> Run | None:
    """The trial's run, into which this process writes from now on; None where another one does."""
    text = os.environ.get(ADOPT)
    if not text:
        return None
    path = os.environ[REPORT_FILE]
    if not _may_write(path):
        log.warning("another process of this trial records its run: no callbacks here")
        return None
    from sweeper.experiment import Settings, adopt_run

    given = json.loads(text)
    elapsed = given["elapsed"] + time.time() - given["time"]
    settings = Settings.parse(given["checkpoint"], backup_every=given["backup_every"])
    run = adopt_run(Path(given["run"]), given["lease"], settings, elapsed=elapsed)
    enter(run)

    def forward(row: dict[str, Any]) -> None:
        append(path, {MARK: "recorded", "epoch": row["epoch"], **row["metrics"]})

    run.on_report(forward)
    return run


def metric() -> str | None:
    """The sweep's metric, in a script's process."""
    found = json.loads(os.environ.get(ADOPT, "{}")).get("metric")
    return None if found is None else str(found)


def _may_write(path: str) -> bool:
    """Ask the process that watches over this one to leave the recording to us."""
    append(path, {MARK: "adopt", "pid": os.getpid()})
    deadline = time.monotonic() + ADOPT_SECONDS
    while time.monotonic() < deadline:
        try:
            writer = Path(adopter_file(path)).read_text()
        except FileNotFoundError:
            writer = ""
        if writer:
            return int(writer) == os.getpid()
        time.sleep(0.01)
    raise SweeperError(f"{path}: nobody reads what this script reports: is its sweep still there?")


def adopter_file(path: str | Path) -> str:
    """Where the number of the process stands that may write into the run."""
    return f"{path}.adopter"


def append(path: str | Path, line: Mapping[str, Any]) -> None:
    """Add a line to a report file, whole: those of several processes do not mix."""
    hook = sys.modules.get("_sweeper_hook")
    if hook is not None:
        hook.tell_modules()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)
