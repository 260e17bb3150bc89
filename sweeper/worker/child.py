"""The warm child: runs one trial after another, each as if it were the first.

Its owner throws it away whenever it is not surely clean; what it can judge of that itself (its
memory, threads left running) it says at the end of each trial.
"""

from __future__ import annotations

import copy
import itertools
import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import psutil

from sweeper import script_api
from sweeper.errors import LeaseLost, SweeperError
from sweeper.experiment import (
    Run,
    configure_devices,
    current_source,
    describe_error,
    keras_callbacks,
    preload,
    raise_at_first_batch,
    reset_session,
    runtime_started,
    seed_loaded,
)
from sweeper.tree import HEARTBEAT, Program

from . import trial
from .load_train import TrainFunction, load_session
from .messages import Connection, End, Message, TrialRequest
from .metric_watch import MetricWatch
from .processes import die_with_parent


class _Enough(BaseException):
    """So much is trained as was asked for; no ``except Exception`` stops it."""


def uses_keras(train: TrainFunction) -> bool:
    """Whether the train function wants Keras callbacks.

    One with a third argument, ``run``, may do without Keras: it gets callbacks only if something
    has imported Keras already.
    """
    return not train.takes_run or "keras" in sys.modules


def prepare(train: TrainFunction) -> bool:
    """Import, before any fork, what every child will need; return whether forking is safe."""
    if uses_keras(train):
        preload()
    return not runtime_started()


def serve(connection: Connection, train: TrainFunction) -> None:
    """Say hello, then run the trials that the owner sends until it hangs up."""
    die_with_parent(signal.SIGKILL)  # elsewhere than on Linux our owner's hang-up ends us
    connection.send({"kind": "hello", "pid": os.getpid()})
    while True:
        try:
            request: TrialRequest = connection.receive()
        except EOFError:
            return
        connection.send(run_trial(request, train, connection.send))


def run_trial(request: TrialRequest, train: TrainFunction, send: Callable[[Message], None]) -> End:
    """Open the trial's run, train, close the run; return the ``end`` message."""
    cwd, environ = os.getcwd(), dict(os.environ)
    threads = set(threading.enumerate())
    run: Run | None = None
    try:
        run = trial.open_run(request)
        send(trial.opened(run))
        if run.reopened:
            end = trial.over(run)
        else:
            with run.capture_output():
                end = _train(run, request, train, send)
    except (SweeperError, OSError) as error:
        end = trial.abandon(run, error)
    finally:
        script_api.enter(None)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environ)
    end["rss"] = psutil.Process().memory_info().rss
    left = [t for t in threading.enumerate() if t not in threads and t.name != HEARTBEAT]
    end["clean"] = end["outcome"] == "finished" and not left
    return end


def _train(
    run: Run, request: TrialRequest, train: TrainFunction, send: Callable[[Message], None]
) -> End:
    metric = request["metric"]
    measured: set[int] = set()  # epochs; one that is reported again is no further iteration
    watch = MetricWatch(metric)
    began, reports = time.monotonic(), itertools.count(1)

    def report(row: dict[str, Any]) -> None:
        if not measured:  # the rows that a resumed run had already count too
            measured.update(int(kept["epoch"]) for kept in run.log.rows if metric in kept)
        elif metric in row["metrics"]:
            measured.add(row["epoch"])
        epoch, metrics = row["epoch"], row["metrics"]
        missing = None if measured else watch.look(metrics, epoch_over=True)
        if missing:
            send({"kind": "missing", "reported": missing})
        send({"kind": "report", "iteration": len(measured), "epoch": epoch, "metrics": metrics})
        enough = time.monotonic() - began > request.get("enough_seconds", math.inf)
        if enough or next(reports) >= request.get("most_reports", math.inf):
            raise _Enough

    try:
        script_api.enter(run)
        seed_loaded(run.seed)
        arguments: list[Any] = [copy.deepcopy(run.params)]
        if uses_keras(train):
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
            program = Program.from_json(request["program"])
            run.note_source(current_source(program, alone=False))
    except LeaseLost:
        raise
    except _Enough:
        pass
    except BaseException as error:
        traceback.print_exc()
        outcome = "out-of-memory" if _is_out_of_memory(error) else "failed"
        return trial.fail(run, outcome, describe_error(error), request["last_attempt"])
    return trial.finish(run, metric)


def _call(train: TrainFunction, arguments: list[Any]) -> None:
    owner = os.getpid()
    try:
        train.call(*arguments)
    except SystemExit as error:
        if error.code:
            raise
    finally:
        if os.getpid() != owner:  # a fork of the user's has come back as if it were us
            os._exit(0)


def _is_out_of_memory(error: BaseException) -> bool:
    # TensorFlow's class cannot be named here: this module must not import TensorFlow.
    return isinstance(error, MemoryError) or type(error).__name__ in (
        "ResourceExhaustedError",
        "OutOfMemoryError",
    )


def main() -> NoReturn:
    """A child in a fresh interpreter, for what cannot be forked; descriptor 0 is its owner."""
    from .session import Session

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
    serve(connection, train)
    os._exit(0)


if __name__ == "__main__":
    main()
