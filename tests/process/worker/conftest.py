"""A fork server and its children without Ray: one trial of a script at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from sweeper.raytune.trial_requests import sweep_request, trial_request
from sweeper.sweepfile import load_sweep
from sweeper.tree import Claims, PlannedTrial, RunRecord, Tree
from sweeper.worker import MARK, Child, Message, ServerControl, session_of


class Stage:
    """Runs single trials of a sweep of scripts, as a trainable would."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.control: ServerControl | None = None
        self.child: Child | None = None

    def write(self, name: str, text: str, **keys: Any) -> None:
        """Write the script ``name`` and the sweep that runs it."""
        (self.directory / name).write_text(text)
        sweep: dict[str, Any] = {
            "program": name,
            "method": "grid",
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": {"lr": {"values": [0.5, 0.25]}, "width": {"value": 8}},
            "storage": str(self.directory / "experiments"),
            **keys,
        }
        sweep = {key: value for key, value in sweep.items() if value is not None}
        self.file = self.directory / "case.yaml"
        self.file.write_text(yaml.safe_dump(sweep))

    def start(
        self, trial: int = 0, *, last: bool = True, env: Mapping[str, str] = {}, **more: Any
    ) -> Child:
        sweep = load_sweep(self.file)
        if self.control is None:
            session = replace(session_of(sweep), cwd=str(self.directory))
            self.session = replace(session, env={**session.env, **env})
            self.control = ServerControl(self.session)
            self.control.wait_ready()
        planned = PlannedTrial(next(islice(sweep.trials(), trial, None)), "exp-1", None, "new")
        claims = Claims(sweep, self.directory)  # of which none is taken
        retried = [] if last else ["failed", "out-of-memory"]
        request = {**sweep_request(sweep), **trial_request(sweep, "script", claims, planned)}
        request = json.loads(json.dumps({**request, "gpus": [], "retried": retried, **more}))
        self.child = Child(self.session, {})
        self.child.start(request)
        return self.child

    def run(self, trial: int = 0, **options: Any) -> tuple[list[Message], Message]:
        """Run a trial to its end: its reports, and its last message."""
        child = self.start(trial, **options)
        reports: list[Message] = []
        while True:
            message = self.next()
            if message["kind"] == "report":
                reports.append(message)
            elif message["kind"] in ("end", "exit"):
                child.kill()
                return reports, message

    def next(self, kind: str | None = None, timeout: float = 60) -> Message:
        """The child's next message (of this kind)."""
        assert self.child is not None
        while True:
            message = self.child.receive(timeout)
            assert message is not None, "the child is silent"
            if kind in (None, message["kind"]):
                return message

    @property
    def record(self) -> RunRecord:
        """The only run that there is."""
        (record,) = Tree(self.directory / "experiments" / "case").all_runs()
        return record

    @property
    def output(self) -> str:
        return self.record.paths.output.read_text()

    def living(self) -> list[str]:
        """The command lines of what the trials have started and still lives."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.session.token:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def await_gone(self, seconds: float) -> float:
        """Wait until nothing lives any more, nor the keeper; how long it took."""
        began = time.monotonic()
        while (left := self.living()) or self.record.status == "running":
            assert time.monotonic() - began < seconds, left
            time.sleep(0.05)
        return time.monotonic() - began


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    if stage.child is not None:
        stage.child._connection.close()
    if stage.control is not None:
        stage.control.close()
        assert stage.living() == []
        deadline = time.monotonic() + 10
        while stage.session.directory.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
