"""The warm child: runs one trial after another, each as if it were the first.

Its owner throws it away whenever it is not surely clean; what it can judge of that itself (its
memory, what a trial has left that cannot be put back) it says at the end of each trial.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from contextvars import copy_context
from decimal import localcontext
from functools import partial
from typing import Any, NoReturn

import psutil

from sweeper import script_api
from sweeper.errors import TreeError
from sweeper.experiment import (
    Run,
    configure_devices,
    current_source,
    describe_error,
    full_traceback,
    keras_callbacks,
    preload,
    raise_at_first_batch,
    reset_session,
    runtime_started,
    seed_library,
    seed_loaded,
)
from sweeper.tree import Program

from . import memory, trial
from .gpu_memory import GpuMemory
from .inject.sitecustomize import Finder
from .load_train import TrainFunction, load_session
from .messages import Connection, End, Message, TrialRequest
from .metric_watch import MetricWatch
from .process_state import ProcessState
from .processes import adopt_orphans, die_with_parent
from .session import STOPPING, Session


class _Enough(BaseException):
    """So much is trained as was asked for; no ``except Exception`` stops it."""


def prepare(train: TrainFunction) -> bool:
    """Import, before any fork, what every child will need; return whether forking is safe."""
    if train.uses_keras:
        preload()
    return not runtime_started()


_late = Finder({})  # what a train function without Keras imports first is seeded then


def serve(connection: Connection, train: TrainFunction, session: Session) -> None:
    """Say hello, then run the trials that the owner sends until it hangs up."""
    die_with_parent(signal.SIGKILL)
    adopt_orphans()
    memory.goes(memory.FIRST)
    connection.send({"kind": "hello", "pid": os.getpid()})
    sys.meta_path.insert(0, _late)
    caught, write = os.pipe()  # Python writes each signal there for which it has a handler
    for end_of_pipe in (caught, write):
        os.set_blocking(end_of_pipe, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def heed() -> None:
        """Go, if the launch ends by a signal that the user's handler has made something else of."""
        with contextlib.suppress(BlockingIOError):
            stopping = {*os.read(caught, 1 << 16)} & {*STOPPING}
            if stopping and session.ended_by(stopping.pop()):
                os._exit(0)

    def send(message: Message) -> None:
        """Go, if our owner is gone: to what trains it would be an error of its own."""
        try:
            connection.send(message)
        except OSError:
            os._exit(0)

    while True:
        try:
            request: TrialRequest = connection.receive()
        except EOFError:
            return
        with memory.room(session.directory, request.get("alone", False)):
            end = run_trial(request, train, send, heed)
        send(end)


def run_trial(
    request: TrialRequest,
    train: TrainFunction,
    send: Callable[[Message], None],
    heed: Callable[[], None],
) -> End:
    """Open the trial's run, train, ``heed`` signals, close the run; return the ``end`` message."""
    state, clean = ProcessState(), True

    def train_it(run: Run) -> End:
        nonlocal clean
        try:
            with warnings.catch_warnings(), localcontext():
                # Of its own are NumPy's error state and its way to print.
                return copy_context().run(_train, run, request, train, send, heed)
        finally:
            clean = state.put_back()

    try:
        end = trial.run_trial(request, send, train_it)
    finally:
        script_api.enter(None)
    end["rss"] = psutil.Process().memory_info().rss
    end["clean"] = end["outcome"] == "finished" and clean
    return end


def _train(
    run: Run,
    request: TrialRequest,
    train: TrainFunction,
    send: Callable[[Message], None],
    heed: Callable[[], None],
) -> End:
    metric = request["metric"]
    measured: set[int] = set()  # epochs; one that is reported again is no further iteration
    watch = MetricWatch(metric)
    began, reports = time.monotonic(), itertools.count(1)
    killed = memory.MemoryWatch()
    gpu = GpuMemory(request["gpus"], request.get("whole", False))
    memory.forget_peak()

    def report(row: dict[str, Any]) -> None:
        if not measured:  # the rows that a resumed run had already count too
            measured.update(int(kept["epoch"]) for kept in run.log.rows if metric in kept)
        elif metric in row["metrics"]:
            measured.add(row["epoch"])
        epoch, metrics = row["epoch"], row["metrics"]
        missing = None if measured else watch.look(metrics, epoch_over=True)
        if missing:
            send({"kind": "missing", "reported": missing})
        gpu.look()
        send({"kind": "report", "iteration": len(measured), "epoch": epoch, "metrics": metrics})
        enough = time.monotonic() - began > request.get("enough_seconds", math.inf)
        if enough or next(reports) >= request.get("most_reports", math.inf):
            raise _Enough

    try:
        script_api.enter(run)
        os.environ[script_api.RUN_DIR] = str(run.path)
        os.chdir(trial.start_directory(run, request))
        seed_loaded(run.seed)
        _late.hooked = dict.fromkeys(("numpy.random", "torch"), partial(seed_library, run.seed))
        arguments: list[Any] = [copy.deepcopy(run.params)]
        if train.uses_keras:
            configure_devices(request["cpus"], request["gpus"])
            reset_session(run.seed)
            arguments.append(keras_callbacks(run, report))
            if request.get("first_batch"):
                arguments[-1].append(raise_at_first_batch(_Enough))
        else:
            run.on_report(report)
            arguments.append([])
        if train.takes_run:
            arguments.append(run)
        try:
            _call(train, arguments)
        finally:
            heed()
            program = Program.from_json(request["program"])
            run.note_source(current_source(program, alone=False))
            gpu.look(at_once=True)
            run.note_peaks(peak_memory=memory.peak(), **gpu.peak)
    except TreeError:  # of the storage, not of the user's: the run stays open
        raise
    except _Enough:
        pass
    except BaseException as error:
        _print_traceback(error)
        told = describe_error(error)
        full = killed.explains(f"{told['type']}: {told['message']}")
        return trial.fail(run, "out-of-memory" if full else "failed", told, request)
    return trial.finish(run, metric)


def _call(train: TrainFunction, arguments: list[Any]) -> None:
    owner = os.getpid()
    try:
        train.call(*arguments)
    except BaseException as error:
        if os.getpid() != owner and not isinstance(error, SystemExit):
            _print_traceback(error)
        if not isinstance(error, SystemExit) or error.code:
            raise
    finally:
        if os.getpid() != owner:  # a fork of the user's has come back as if it were us
            os._exit(0)


def _print_traceback(error: BaseException) -> None:
    with open(2, "w", closefd=False) as stderr:  # sys.stderr may be the user's
        stderr.write(full_traceback(error))


def main() -> NoReturn:
    """A child in a fresh interpreter, for what cannot be forked; descriptor 0 is its owner."""
    session = Session.enter(sys.argv[1])
    connection = Connection(socket.socket(fileno=os.dup(0)))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if session.mode == "script":
        from . import script

        script.serve(connection, session)
    train = load_session(session)
    prepare(train)
    serve(connection, train, session)
    os._exit(0)
