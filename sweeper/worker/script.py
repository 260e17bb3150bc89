"""Script mode: a child that runs the user's program for one trial, hears its reports, judges it.

The child is the program's keeper: it opens the run, records what the program reports, and ends the
program and all that it started when the trial is to stop. It leads the process group of them all,
and orphans among them become its own children, so that none is forgotten.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import psutil

from sweeper import api
from sweeper.errors import SweeperError
from sweeper.experiment import Run, adopt_run
from sweeper.sweepfile import wandb_param_file
from sweeper.tree import process_start

from . import trial
from .client import GRACE_SECONDS, INTERPRETER, JSON_FILE
from .messages import Connection, Message
from .processes import MARK, adopt_orphans, die_with_parent, oom_kills
from .reports import ScriptReport, ScriptReports
from .session import Session
from .stop_watch import Stopped, Watch

POLL_SECONDS = 0.05  # between two looks at the report file
TAIL_LINES, TAIL_BYTES = 30, 1 << 16
INJECTED = Path(__file__).parent / "inject"

_OUT_OF_MEMORY = re.compile(r"([\w.]*\.)?(MemoryError|ResourceExhaustedError|OutOfMemoryError)\b")


def serve(connection: Connection, session: Session) -> NoReturn:
    """Say hello, run the one trial that the owner sends, and wait to be thrown away."""
    watch = Watch(connection)
    die_with_parent(signal.SIGTERM)
    adopt_orphans()
    connection.send({"kind": "hello", "pid": os.getpid()})
    request: Message | None = None
    with contextlib.suppress(Stopped, EOFError, OSError):
        while request is None and watch.grace is None:
            request = connection.receive(1.0)
        if request is not None and request.get("kind") != "stop":
            connection.send(run_trial(request, session, connection, watch))
            while watch.grace is None:
                watch.wait(1.0)
    os._exit(128 + signal.SIGTERM)


def run_trial(request: Message, session: Session, connection: Connection, watch: Watch) -> Message:
    """Open the trial's run, run its program, close the run; return the ``end`` message.

    ``request`` is that of :func:`sweeper.worker.child.run_trial` and ``argv``. Raises ``Stopped``,
    with the run left open, once the program has been ended because the trial was to stop.
    """
    run: Run | None = None
    try:
        run = trial.open_run(request)
        connection.send(trial.opened(run))
        with run.capture_output():
            end = Script(run, request, session, connection, watch).run_to_end()
    except (SweeperError, OSError) as error:
        end = trial.abandon(run, error)
    return {**end, "rss": 0, "clean": False}


class Script:
    """One attempt of a trial: the program's process, and the run that its reports go into."""

    def __init__(
        self,
        run: Run,
        request: Message,
        session: Session,
        connection: Connection,
        watch: Watch,
    ) -> None:
        self.run = run
        self._request = request
        self._session = session
        self._connection = connection
        self._watch = watch
        self._metric: str | None = request["metric"]
        self._directory = session.directory / f"trial-{os.getpid()}"
        self._reports = ScriptReports(self._directory / "reports.jsonl", self._metric, _complain)
        self._adopter = 0  # the process of the program that writes into the run instead of us
        self._first = True
        self._measured = {int(row["epoch"]) for row in run.log.rows if self._metric in row}

    def run_to_end(self) -> Message:
        """Run the program; return the ``end`` message."""
        self._directory.mkdir(mode=0o700)
        before = self.run.paths.output.stat().st_size, oom_kills()
        try:
            try:
                program = self._start()
            except OSError as error:
                self.run.interrupt(f"its program does not start: {error}")
                return {"kind": "end", "outcome": "broken", "error": _no_start(error)}
            try:
                self._follow(program)
                self._keep_leftover()
            finally:
                if program.poll() is None:
                    self._end_program()
                    program.wait()
                self._take_back()
            return self._judge(program.returncode, *before)
        except Stopped:
            self.run.interrupt("stopped")
            raise
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        params, json_file = self._request["params"], self._directory / "params.json"
        json_file.write_text(json.dumps(params))
        wandb_file = self._directory / "wandb.yaml"
        wandb_file.write_text(wandb_param_file(params))
        self._reports.path.touch(mode=0o600)
        stand_for = {INTERPRETER: sys.executable, JSON_FILE: str(json_file)}
        return subprocess.Popen(
            [stand_for.get(word, word) for word in self._request["argv"]],
            stdin=subprocess.DEVNULL,
            env=self._environment(json_file, wandb_file),
        )

    def _environment(self, json_file: Path, wandb_file: Path) -> dict[str, str]:
        run, request = self.run, self._request
        adopt = {
            "run": str(run.path),
            "lease": run.lease.number,
            "checkpoint": request["checkpoint"],
            "cpus": request["cpus"],
            "gpus": request["gpus"],
            "elapsed": run.elapsed,
            "time": time.time(),
        }
        path = [str(INJECTED), *filter(None, [os.environ.get("PYTHONPATH")])]
        defaults = {  # what the user has set, wins
            "WANDB_MODE": "offline",
            "WANDB_DIR": str(run.path),
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            "PYTHONUNBUFFERED": "1",
        }
        return {
            **defaults,
            **os.environ,
            MARK: self._session.token,
            api.REPORT_FILE: str(self._reports.path),
            api.PARAMS_FILE: str(json_file),
            api.ADOPT: json.dumps(adopt),
            "SWEEPER_RUN": str(run.path),
            "SWEEPER_SEED": str(run.seed),
            "WANDB_SWEEP_PARAM_PATH": str(wandb_file),
            "PYTHONPATH": os.pathsep.join(path),
        }

    # -- what the program reports -----------------------------------------------------------

    def _follow(self, program: subprocess.Popen[bytes]) -> None:
        """Record and forward the program's reports until it ends. Raises ``Stopped``."""
        while True:
            ended = program.poll() is not None
            for report in self._reports.read(last=ended):
                self._take(report)
                self._look(0)
            if ended:
                return
            self._look(POLL_SECONDS)

    def _look(self, seconds: float) -> None:
        self._watch.wait(seconds)
        if self._watch.grace is not None:
            raise Stopped

    def _take(self, report: ScriptReport) -> None:
        if report.kind == "adopt":
            self._let_write(report.pid)
        elif report.kind == "recorded":
            self._note(report.epoch or 0, report.metrics)
            self._send(report.epoch or 0, report.metrics)
        elif not self._adopter:
            epoch = report.epoch
            if epoch is None:
                after = self.run.resumed_epoch if self._first else self.run.log.last_epoch
                epoch = after + 1
            self._send(epoch, self._record(epoch, report.metrics))

    def _record(self, epoch: int, metrics: dict[str, float]) -> dict[str, float]:
        if not self._first and epoch == self.run.log.last_epoch:
            metrics = {**(self.run.log.row(epoch) or {}), **metrics}  # more about the same epoch
        row = self.run.record(epoch, metrics)
        self._note(epoch, row)
        return {name: value for name, value in row.items() if name != "epoch"}

    def _note(self, epoch: int, metrics: dict[str, float]) -> None:
        if self._first:  # what an attempt does again, it has not done yet
            self._measured = {known for known in self._measured if known < epoch}
            self._first = False
        if self._metric in metrics:
            self._measured.add(epoch)

    def _send(self, epoch: int, metrics: dict[str, float]) -> None:
        message = {"kind": "report", "iteration": len(self._measured)}
        try:
            self._connection.send({**message, "epoch": epoch, "metrics": metrics})
        except OSError:
            raise Stopped from None  # nobody is there to hear it

    def _let_write(self, pid: int) -> None:
        """Leave the run to a process of the program; of several, to the first that lives."""
        if not self._adopter or process_start(self._adopter) is None:
            self._adopter = pid
        answer = Path(api.adopter_file(self._reports.path))
        staged = answer.with_suffix(".new")
        staged.write_text(str(self._adopter))
        staged.replace(answer)

    def _take_back(self) -> None:
        """The program is gone: the run is ours again, as the program has left it."""
        if self._adopter:
            run = self.run
            self._adopter = 0
            self.run = adopt_run(run.path, run.lease, run.settings, elapsed=run.elapsed)

    def _keep_leftover(self) -> None:
        """Metrics that came after the last row go into it, or make one if there is none."""
        left = self._reports.leftover()
        adopted = bool(self._adopter)
        self._take_back()
        if adopted and (self._metric is None or self._measured or self._metric not in left):
            return  # the callbacks have recorded all there is
        if left and self._first:
            epoch = self.run.resumed_epoch + 1
            self._send(epoch, self._record(epoch, left))
        elif left:
            last = self.run.log.last_epoch
            row = self.run.log.row(last) or {}
            if left.keys() - row.keys():
                self._record(last, {**left, **row})

    # -- how it ends ------------------------------------------------------------------------

    def _end_program(self) -> None:
        """SIGTERM to all, SIGKILL to those who are still there when the grace is over.

        What left the process group (W&B's helper, a daemon) may end by itself at first, and is
        asked to after half of the grace.
        """
        if self._watch.grace is None:
            self._watch.stop(GRACE_SECONDS)
        began, asked = time.monotonic(), False
        os.killpg(0, signal.SIGTERM)
        while left := _descendants():
            passed = time.monotonic() - began
            grace = self._watch.grace or 0.0
            if passed >= grace:
                for process in left:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
            elif passed >= grace / 2 and not asked:
                asked = True
                for process in left:
                    with contextlib.suppress(psutil.Error):
                        process.terminate()
            self._watch.wait(POLL_SECONDS)

    def _judge(self, code: int, output_size: int, kills: int) -> Message:
        run = self.run
        run.lease.check()  # else it may have failed for having lost its run
        if code == 0:
            return trial.finish(run, self._metric)
        lines = _tail(run.paths.output, output_size)
        how = f"exit code {code}" if code > 0 else f"killed by {_signal_name(-code)}"
        killed = code in (-signal.SIGKILL, 128 + signal.SIGKILL) and oom_kills() > kills
        if killed:
            how += ": the kernel's out-of-memory killer"
        elif lines and code > 0:
            how += f": {lines[-1].strip()[:500]}"
        memory = killed or bool(lines and _OUT_OF_MEMORY.match(lines[-1].strip()))
        error = {"type": "ScriptFailed", "message": how, "traceback": lines}
        outcome = "out-of-memory" if memory else "failed"
        return trial.fail(run, outcome, error, self._request["last_attempt"])


def _descendants() -> list[psutil.Process]:
    """The living processes below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _no_start(error: OSError) -> dict[str, Any]:
    message = f"{error.filename or 'command'}: the program of the sweep does not start: "
    return {"type": "UsageError", "message": message + (error.strerror or str(error))}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(path: Path, start: int) -> list[str]:
    """The last lines of the output from byte ``start`` on, without empty ones at the end."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.rstrip().splitlines()[-TAIL_LINES:]


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")  # into the run's output.log
    sys.stderr.flush()
