"""Script mode: a child that runs the user's program for one trial, hears its reports, judges it.

The child is the program's keeper: it opens the run, records what the program reports, and ends the
program and all that it started when the trial is to stop. It leads the process group of them all,
and orphans among them become its own children, so that none is forgotten.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import psutil

from sweeper import script_api
from sweeper.errors import TreeError
from sweeper.experiment import Run, Source, derived_seed
from sweeper.sweepfile import wandb_param_file
from sweeper.tree import Program, files
from sweeper.wording import uncoloured

from . import memory, trial
from .client import GRACE_SECONDS, INTERPRETER, JSON_FILE, RUN_DIR
from .gpu_memory import GpuMemory
from .messages import Connection, End, Stop, TrialRequest
from .printed_metric import PrintedMetric
from .processes import MARK, adopt_orphans, die_with_parent
from .report_recorder import ReportRecorder, complain
from .session import Session
from .stop_listener import StopListener, Stopped

POLL_SECONDS = 0.05  # between two looks at the report file
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
KILL_SECONDS = 2.0
TAIL_LINES, TAIL_BYTES = 30, 1 << 16
INJECTED = Path(__file__).parent / "inject"
_UNHEARD = (
    "sweeper: no Python of this trial has been heard of (it is none, is frozen, runs with -I or -E "
    "or has another PYTHONPATH): its model.fit and W&B's logs do not reach the sweep; append JSON "
    "lines to $SWEEPER_REPORT_FILE, or name a metric.pattern"
)


def serve(connection: Connection, session: Session) -> NoReturn:
    """Say hello, run the one trial that the owner sends, and wait to be thrown away."""
    stop = StopListener(connection)
    die_with_parent(signal.SIGTERM)
    adopt_orphans()
    memory.goes(memory.NEXT)
    connection.send({"kind": "hello", "pid": os.getpid()})
    request: TrialRequest | Stop | None = None
    with contextlib.suppress(Stopped, EOFError, OSError):
        while request is None and stop.grace is None:
            request = connection.receive(1.0)
        if request is not None and "kind" not in request:

            def train(run: Run) -> End:
                return Script(run, request, session, connection, stop).run_to_end()

            with memory.room(session.directory, request.get("alone", False)):
                end = trial.run_trial(request, connection.send, train)
            connection.send(end)
            while stop.grace is None:
                stop.wait(1.0)
    os._exit(128 + signal.SIGTERM)


class Script:
    """One attempt of a trial: the program's process, and the run that its reports go into."""

    def __init__(
        self,
        run: Run,
        request: TrialRequest,
        session: Session,
        connection: Connection,
        stop: StopListener,
    ) -> None:
        self._request = request
        self._session = session
        self._stop = stop
        self._gpu = GpuMemory(request["gpus"], request.get("whole", False))
        self._program = Program.from_json(request["program"])
        self._directory = session.directory / f"trial-{os.getpid()}"
        self._report_file = self._directory / "reports.jsonl"
        self._recorder = ReportRecorder(run, self._report_file, request["metric"], connection)
        pattern = request.get("pattern")
        self._printed = PrintedMetric(run.paths.output, pattern, complain) if pattern else None

    @property
    def run(self) -> Run:
        """The trial's run; another object after the program itself has written to it."""
        return self._recorder.run

    def run_to_end(self) -> End:
        """Run the program, close the run; return the ``end`` message.

        Raises ``Stopped``, with the run left open, once the program has been ended because the
        trial was to stop.
        """
        self._directory.mkdir(mode=0o700)
        before = self.run.paths.output.stat().st_size, memory.MemoryWatch()
        try:
            try:
                source = Source.of(self._program, time.time())
                directory = trial.start_directory(self.run, self._request)
                program = self._start(directory)
            except OSError as error:
                self.run.interrupt(f"its program does not start: {error.strerror}")
                word = self._request["first_word"].replace(INTERPRETER, sys.executable)
                message = f"{word}: the program of the sweep does not start: {error.strerror}"
                told = {"type": "UsageError", "message": message}
                return {"kind": "end", "outcome": "broken", "error": told}
            try:
                self._follow(program)
                self._recorder.keep_leftover(finished=program.returncode == 0)
            finally:
                if program.poll() is None:
                    self._end_program()
                    program.wait()
                self._recorder.take_back()
                peak = memory.peak_of(resource.getrusage(resource.RUSAGE_CHILDREN))
                self.run.note_peaks(peak_memory=peak, **self._gpu.peak)
                source.add(self._recorder.modules)
                self.run.note_source(source)
            return self._judge(program.returncode, *before)
        except Stopped:
            if self._stop.why:
                sys.stderr.write(f"sweeper: interrupted: {self._stop.why}\n")
            self.run.interrupt("stopped")
            raise
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, directory: Path) -> subprocess.Popen[bytes]:
        params, json_file = self._request["params"], self._directory / "params.json"
        json_file.write_text(json.dumps(params))
        wandb_file = self._directory / "wandb.yaml"
        wandb_file.write_text(wandb_param_file(params))
        self._report_file.touch(mode=0o600)
        stand_for = {INTERPRETER: sys.executable, JSON_FILE: str(json_file)}
        words = [stand_for.get(word, word) for word in self._request["argv"]]
        memory.goes(memory.FIRST)  # the program, which inherits it
        try:
            return subprocess.Popen(
                [word.replace(RUN_DIR, str(self.run.path)) for word in words],
                stdin=subprocess.DEVNULL,
                cwd=directory,
                env=self._environment(json_file, wandb_file),
            )
        finally:
            memory.goes(memory.NEXT)

    def _environment(self, json_file: Path, wandb_file: Path) -> dict[str, str]:
        run, request = self.run, self._request
        adopt = {
            "run": str(run.path),
            "lease": run.lease.number,
            "checkpoint": request["checkpoint"],
            "backup_every": request.get("backup_every"),
            "metric": request["metric"],
            "cpus": request["cpus"],
            "gpus": request["gpus"],
            "elapsed": run.elapsed,
            "time": time.time(),
        }
        path = [str(INJECTED), *self._import_path()]
        defaults = {  # what the user has set, wins
            "WANDB_NAME": f"{run.path.parent.name}-{run.path.name}",
            "WANDB_MODE": "offline",
            "WANDB_DIR": str(run.path),
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            "PYTHONUNBUFFERED": "1",
        }
        kept = {name: os.environ.get(name, value) for name, value in defaults.items()}
        del kept["WANDB_NAME"]  # another run's in a process that clears it
        return {
            **defaults,
            **os.environ,
            MARK: self._session.token,
            script_api.REPORT_FILE: str(self._report_file),
            script_api.PARAMS_FILE: str(json_file),
            script_api.ADOPT: json.dumps(adopt),
            "SWEEPER_PROGRAM_ROOT": self._program.root,
            "SWEEPER_HOOK": "off" if self._printed else request["hook"],
            "SWEEPER_SWEEP": request["sweep"],
            "SWEEPER_WANDB": json.dumps(kept),
            script_api.RUN_DIR: str(run.path),
            "SWEEPER_RUN": str(run.path),  # its older name
            "SWEEPER_SEED": str(run.seed),
            "SWEEPER_PROCESS_SEED": str(derived_seed(run.seed)),  # for the hook
            "WANDB_SWEEP_PARAM_PATH": str(wandb_file),
            "PYTHONPATH": os.pathsep.join(path),
        }

    def _import_path(self) -> list[str]:
        """What the program finds modules in, first; the same wherever it starts."""
        given = os.environ.get("PYTHONPATH", "")
        places = list(filter(None, [self._session.place, given]))
        if self._request.get("links") is None:
            return places
        given = given and os.pathsep.join(map(os.path.abspath, given.split(os.pathsep)))
        by_name = {"-m", "-c"} & set(self._request["argv"])  # which look where they start
        return list(filter(None, [self._session.place, os.getcwd() if by_name else "", given]))

    def _follow(self, program: subprocess.Popen[bytes]) -> None:
        """Record and forward the program's reports until it ends. Raises ``Stopped``."""
        while True:
            ended = program.poll() is not None
            for value in self._printed.read(last=ended) if self._printed else ():
                script_api.append(self._report_file, {str(self._request["metric"]): value})
            for report in self._recorder.reports.read(last=ended):
                self._recorder.take(report)
                self._look(0)
            if ended:
                return
            self._gpu.look()
            self._look(POLL_SECONDS)

    def _look(self, seconds: float) -> None:
        self._stop.wait(seconds)
        if self._stop.grace is not None:
            raise Stopped

    def _end_program(self) -> None:
        """SIGTERM to all, SIGKILL to those who are still there when the grace is over.

        What left the process group (W&B's helper, a daemon) may end by itself at first, and is
        asked to after half of the grace.
        """
        if self._stop.grace is None:
            self._stop.stop(GRACE_SECONDS)
        began, asked = time.monotonic(), False
        os.killpg(0, signal.SIGTERM)
        while left := _descendants():
            passed = time.monotonic() - began
            grace = self._stop.grace or 0.0
            if passed >= grace:
                for process in left:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
            elif passed >= grace / 2 and not asked:
                asked = True
                for process in left:
                    with contextlib.suppress(psutil.Error):
                        process.terminate()
            self._stop.wait(POLL_SECONDS)

    def _judge(self, code: int, output_size: int, watch: memory.MemoryWatch) -> End:
        run = self.run
        run.lease.check()  # else it may have failed for having lost its run
        # What kills a program may be about to end us and our owner, too: a node that goes down.
        deadline = time.monotonic() + KILL_SECONDS * (code in KILLED)
        while self._stop.grace is None and (left := deadline - time.monotonic()) > 0:
            self._stop.wait(left)
        # Whatever its code is: a handler of its own may have ended it before its time.
        told = self._stop.grace is not None
        if told or self._session.ended_by(-code if code < 0 else code - 128):
            self._stop.stop(0, "the launch has ended")
            raise Stopped
        if code == 0:
            end = trial.finish(run, self._request["metric"])
            if self._printed and not self._printed.matched:
                end["printed"] = self._printed.last_lines
            elif end["outcome"] == "no-metric" and not self._recorder.is_hooked:
                complain(_UNHEARD)
            return end
        lines = _tail(run.paths.output, output_size)
        how = f"exit code {code}" if code > 0 else f"killed by {_signal_name(-code)}"
        killed = code in KILLED and watch.killed
        if killed:
            how += ": the kernel's out-of-memory killer"
        elif lines and code > 0:
            how += f": {uncoloured(lines[-1]).strip()[:500]}"
        full = killed or bool(lines and watch.explains(lines[-1]))
        error = {"type": "ScriptFailed", "message": how, "traceback": lines}
        return trial.fail(run, "out-of-memory" if full else "failed", error, self._request)


def _descendants() -> list[psutil.Process]:
    """The living processes below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(path: Path, start: int) -> list[str]:
    """The last lines of the output from byte ``start`` on, without empty ones at the end."""
    size, data = 0, b""
    with contextlib.suppress(TreeError):
        size, data = files.read_end(path, TAIL_BYTES)
    text = data[-(size - start) :] if size > start else b""
    return text.decode(errors="replace").rstrip().splitlines()[-TAIL_LINES:]
