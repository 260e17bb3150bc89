"""A look at the user's program before anything is launched: does it import, does it train?

Everything of the user's runs in processes of its own, and nothing is written to the tree.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sweeper.errors import SpecError
from sweeper.experiment import in_one_line
from sweeper.sweepfile import Sweep, check_command, check_program, detect_program_mode
from sweeper.tree import Program

from .client import Child, ServerControl
from .messages import Exit, TrialRequest
from .session import session_of


@dataclass(frozen=True)
class Corner:
    """One parameter dict that was tried: ``error`` is None if its first batch went well."""

    params: Mapping[str, Any]
    error: str | None
    seconds: float


class Training(NamedTuple):
    """What one training has reported, a row with its ``epoch`` each; ``error`` if it failed."""

    rows: list[dict[str, float]]
    error: str | None


class Difference(NamedTuple):
    """The first value that differs; None where there is none."""

    epoch: int
    metric: str
    fresh: float | None
    warm: float | None


@dataclass(frozen=True)
class Isolation:
    """What a comparison has found: nothing where ``why`` says that there is nothing to compare.

    ``unsteady`` are metrics that differ between fresh processes too: of them nothing can be said.
    """

    epochs: int = 0
    difference: Difference | None = None
    unsteady: tuple[str, ...] = ()
    error: str | None = None
    why: str | None = None


class ProgramCheck:
    """A sweep's program, looked at; use it as a context manager.

    ``mode`` is ``function`` or ``script``, ``why`` says what spoke for it where that may be
    doubted, else it is empty; ``takes_run`` says whether the train function takes a
    third argument. Raises ``UsageError`` if the program is missing, does not import, or cannot be
    called as it will be; ``ServerLost`` if the process that imports it dies.
    """

    def __init__(self, sweep: Sweep) -> None:
        check_program(sweep)
        check_command(sweep)
        self.sweep = sweep
        self.takes_run = False
        self.why = detect_program_mode(sweep).why
        self._stack = contextlib.ExitStack()
        self._child: Child | None = None
        self._session = session_of(sweep)
        self.mode = self._session.mode
        if self.mode == "script":
            return
        try:
            server = ServerControl(self._session)
            self._stack.callback(server.close)
            self.takes_run = bool(server.wait_ready()["takes_run"])
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> ProgramCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that was started to look."""
        self._drop()
        self._stack.close()

    def try_corners(self, corners: Iterable[Mapping[str, Any]], seconds: float) -> Iterator[Corner]:
        """Train one batch, or up to the first report, with each of these parameter dicts.

        ``seconds`` is the time that one may take. Raises ``UsageError`` for a script, which
        nobody but itself can stop after a batch.
        """
        if self.mode == "script":
            raise SpecError(
                [
                    self.sweep.problem(
                        "program",
                        "expected a train function to try, found a script",
                        "define train(params, callbacks), or check without the corners",
                    )
                ]
            )
        for number, params in enumerate(corners):
            began = time.monotonic()
            request = self._request(number, params)
            error = self._train({**request, "first_batch": True, "most_reports": 1}, seconds).error
            yield Corner(params, error, time.monotonic() - began)

    def try_isolation(self, params: Mapping[str, Any], seconds: float) -> Isolation:
        """Train ``params`` twice in one warm process and once in a fresh one, and compare.

        Each is trained to its end, or, where that takes longer than a quarter of ``seconds``, up
        to the first report after that; without one within ``seconds`` it has failed.
        """
        if self.mode == "script":
            return Isolation(why="each trial of a script has a process of its own")
        request = self._request(0, params)
        first = self._train({**request, "enough_seconds": seconds / 4}, seconds)
        if first.error is not None or not first.rows:
            return Isolation(error=first.error or "it reports nothing that could be compared")
        if self._child is None:
            why = "it leaves a thread, a process or the like: its own trains no other trial"
            return Isolation(why=why, epochs=len(first.rows))
        request["most_reports"] = len(first.rows)
        warm = self._train({**request, "base": f"{request['base']}-warm"}, seconds)
        self._drop()
        fresh = self._train({**request, "base": f"{request['base']}-fresh"}, seconds)
        return _compare(first, warm, fresh)

    def _train(self, request: TrialRequest | Any, seconds: float) -> Training:
        if self._child is None:
            # An empty list hides every GPU, as from a trial that asks for none.
            hidden = {} if self.sweep.resources.gpu else {"CUDA_VISIBLE_DEVICES": ""}
            self._child = Child(self._session, hidden)
        deadline = time.monotonic() + seconds
        self._child.start(request)
        rows: list[dict[str, float]] = []
        while True:
            message = self._child.receive(max(0.0, deadline - time.monotonic()))
            if message is None:
                self._drop()
                what = "batch and no report" if "first_batch" in request else "end and no report"
                return Training(rows, f"no {what} within {seconds:g} s")
            if message["kind"] == "report":
                rows.append({"epoch": message["epoch"], **message["metrics"]})
            if message["kind"] == "exit":
                self._drop()
                return Training(rows, f"the training process died ({_how(message)})")
            if message["kind"] == "end":
                if not message["clean"]:
                    self._drop()
                finished = message["outcome"] == "finished"
                error = message.get("error") or {"type": message["outcome"]}
                return Training(rows, None if finished else in_one_line(error))

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _request(self, number: int, params: Mapping[str, Any]) -> TrialRequest:
        trial = self.sweep.trial_of(number, dict(params))
        return {
            "trial": number,
            "params": trial.params,
            "replicate": 0,
            "seed": trial.seed,
            # Within the session's own directory, which goes with the session however it ends.
            "base": str(self._session.directory / "corners"),
            "sweep": "corners",
            "monitored": self.sweep.monitored,
            "checkpoint": {},
            "hook": "off",
            "metric": None,
            "links": self.sweep.links,
            "program": Program.of(self.sweep).to_json(),
            "cpus": self.sweep.resources.cpu,
            "gpus": ["all"] if self.sweep.resources.gpu else [],
        }


def _compare(first: Training, warm: Training, fresh: Training) -> Isolation:
    """Compare what the same trial has reported as a process's first, as its second, and afresh."""
    for training in (warm, fresh):
        if training.error is not None:
            return Isolation(error=training.error)
    names = {name for row in first.rows for name in row} - {"epoch"}
    unsteady = {name for name in names if _difference(first, fresh, {name})}
    found = _difference(first, warm, names - unsteady)
    error = None
    if unsteady == names:
        error = f"two fresh processes give different values of {', '.join(sorted(names))}"
    return Isolation(len(first.rows), found, tuple(sorted(unsteady)), error)


def _difference(fresh: Training, warm: Training, names: set[str]) -> Difference | None:
    for index in range(max(len(fresh.rows), len(warm.rows))):
        a, b = ((t.rows[index] if index < len(t.rows) else {}) for t in (fresh, warm))
        for name in sorted(names):
            if repr(a.get(name)) != repr(b.get(name)):  # NaN is NaN
                epoch = int((a or b)["epoch"])
                return Difference(epoch, name, a.get(name), b.get(name))
    return None


def _how(exit_: Exit) -> str:
    if exit_["signal"]:
        return f"signal {exit_['signal']}"
    return "its server is gone" if exit_["code"] is None else f"exit code {exit_['code']}"
