"""The Tune trainable: light, reused from trial to trial, with the training in a warm child.

There is no TensorFlow in this process, so nothing that training does can hurt it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sweeper.errors import SweeperError, TreeError, UsageError
from sweeper.experiment import begins_again, close_run, interrupt_run, newest_backup
from sweeper.tree import Control, RunPaths, RunRecord, Tree
from sweeper.worker import (
    NEXT,
    Child,
    End,
    Exit,
    MemoryWatch,
    Report,
    ServerLost,
    Session,
    TrialMessage,
    goes,
    of_gpu,
    server_log,
)

logger = logging.getLogger("sweeper.raytune")

LOOK_SECONDS = 2.0  # between looks at what is asked of the trial
SAVING_SECONDS = 1.0  # for the backup of an epoch that is reported before it is saved
GATHER_SECONDS = 0.02  # how long to wait for what follows a report
STARTING_SECONDS = 30.0  # a worker that is not up by then has found no room
CHILD_GROWTH_BYTES = 1 << 30  # a child is replaced when it has grown by so much since its first


class SweepTrainable(tune.Trainable):  # type: ignore[misc]
    """Runs one trial of a sweep; ``config["request"]`` is the trial in JSON text.

    Each ``step`` returns ``{"path", "epoch", "metric", "done", …}``, ``path`` being its run's. The
    last one, ``done``, says in ``end`` how the trial ended: ``finished``, ``failed``,
    ``out-of-memory``, ``timed-out``, ``lost`` (someone else continues the run), ``no-metric`` (the
    driver judges it by what other trials report), ``stopped`` by hand, ``paused``, to go on later,
    ``crowded``, to go again with a GPU for itself, or ``unfit``: this node cannot run it.
    """

    def setup(self, config: dict[str, Any], session: str = "", sweep: str = "") -> None:
        self._session = Session.from_json(session)
        self._sweep: dict[str, Any] = json.loads(sweep)
        self._gpus = [str(gpu) for gpu in ray.get_gpu_ids()]
        self._child: Child | None = None
        self._first_rss = 0
        self._running = False
        goes(NEXT)
        self._node = ray.get_runtime_context().get_node_id()
        self._all_up = False
        self._look_at = 0.0
        self._deadline = math.inf
        self._up_since = time.monotonic()
        self.reset_config(config)
        if self._storage_lacks() is None:
            Path(self._request["workers"], str(os.getpid()) + os.uname().nodename).touch()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._abandon()
        self._request: dict[str, Any] = {**self._sweep, **json.loads(new_config["request"])}
        self._gpu: float = new_config["gpu"]
        self._paused = False
        self._crowded = self._request.get("crowded", False)  # until it had its GPU for itself
        # outcome -> how many attempts have ended so
        self._attempts = Counter({"out-of-memory": 1} if self._crowded else {})
        self._result: dict[str, Any] = {"trial": self._request["trial"], "node": self._node}
        return True

    def step(self) -> dict[str, Any]:
        """The trial's next report, or its end.

        Without a scheduler, which must see every epoch, reports that have piled up become one.
        Raises ``ServerLost`` when the launch is ending.
        """
        reported = False
        if self._paused:
            return {**self._result, "end": "paused", "done": True}
        while True:
            try:
                if not self._running:
                    if (lacks := self._storage_lacks()) is not None:
                        return self._unfit(lacks)
                    self._start()
            except UsageError as error:
                return self._unfit(str(error))
            except (ServerLost, OSError) as error:
                if self._session.over:
                    raise
                return self._unfit(str(error), sure=False)
            message: Any = self._receive(GATHER_SECONDS if reported else None)
            if message is None:
                late = time.monotonic() >= self._deadline
                return self._timed_out() if late else self._reported()
            if message["kind"] == "report":
                self._note(message)
                reported = True
                if self._is_to_pause():
                    self._pause()
                    return self._reported()
                if self._request["every_report"]:
                    return self._reported()
            elif message["kind"] == "missing":
                self._result["missing"] = message["reported"]
                reported = True
            elif message["kind"] == "run":
                limit = self._request["time_limit"] or math.inf
                self._deadline = time.monotonic() + limit - message["elapsed"]
                self._result |= {k: message[k] for k in ("path", "resumed_epoch")}
            else:
                result = self._handle_end(message)
                if result is not None:
                    return result

    def cleanup(self) -> None:
        self._abandon()
        self._drop()

    def _start(self) -> None:
        if self._child is None:
            # An empty list hides every GPU from a trial that asked for none.
            gpus = {"CUDA_VISIBLE_DEVICES": ",".join(self._gpus)}
            self._child = Child(self._session, gpus)
            self._first_rss = 0
        retries, alone = self._request["retries"], self._attempts["out-of-memory"] > self._crowded
        self._retried = [how for how, most in retries.items() if self._attempts[how] < most]
        self._memory = MemoryWatch(self._child.pid)
        self._deadline = math.inf
        request = {**self._request, "gpus": self._gpus, "whole": self._gpu >= 1}
        request |= {"retried": self._retried, "alone": alone}
        self._child.start(request)
        self._running = True

    def _receive(self, timeout: float | None) -> TrialMessage | None:
        """The child's next message; None after ``timeout`` seconds, or at the trial's deadline."""
        assert self._child is not None
        while True:
            left = max(0.0, self._deadline - time.monotonic())
            message = self._child.receive(min(timeout or LOOK_SECONDS, left, LOOK_SECONDS))
            late = time.monotonic() >= self._deadline
            if message is not None or timeout is not None or late:
                return message
            if self._is_stopped():
                return {"kind": "end", "outcome": "lost"}

    def _is_stopped(self) -> bool:
        """Has the run been ended by hand? What trains hears of that when it writes next."""
        with contextlib.suppress(KeyError, TreeError):
            ended = RunRecord.at(Path(self._result["path"])).outcome
            return ended is not None and ended["outcome"] == "stopped"
        return False

    def _is_to_pause(self) -> bool:
        """Is the sweep paused, and has the trial something to go on from?"""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + LOOK_SECONDS
        home = Tree(self._request["base"]).home(self._request["sweep"])
        return Control.read(home).paused and not begins_again(RunPaths(Path(self._result["path"])))

    def _pause(self) -> None:
        self._paused, run = True, Path(self._result["path"])
        deadline = time.monotonic() + SAVING_SECONDS
        while newest_backup(RunPaths(run)) < self._result["epoch"] and time.monotonic() < deadline:
            time.sleep(0.05)
        self._drop(training=True)
        with contextlib.suppress(SweeperError):
            interrupt_run(run, "paused by `sweeper pause`")

    def _reported(self) -> dict[str, Any]:
        result = dict(self._result)
        self._result.pop("missing", None)  # said once
        return result

    def _note(self, report: Report) -> None:
        self._result["epoch"] = report["epoch"]
        metric = self._request["metric"]
        if metric in report["metrics"]:
            self._result["metric"] = report["metrics"][metric]
            self._result["iteration"] = report["iteration"]

    def _handle_end(self, message: End | Exit) -> dict[str, Any] | None:
        """The trial's final result, or None when it is to be tried again."""
        if message["kind"] == "end":
            error, outcome = message.get("error"), message["outcome"]
            if outcome in ("failed", "lost") and self._is_stopped():
                self._drop(training=True)
                return self._done("stopped")
            self._running = False
            self._keep_or_replace(message)
            if outcome == "broken" and error is not None:
                return self._unfit(error["message"])
            if outcome in ("failed", "lost") and (lacks := self._storage_lacks()) is not None:
                return self._unfit(lacks)
            if outcome == "out-of-memory" and self._is_crowded(error):
                return {**self._result, "end": "crowded", "done": True}
            if self._tried_again(outcome):
                return None
            for name in ("reported", "printed"):
                if name in message:
                    self._result[name] = message[name]
            return self._done(outcome, error)
        self._drop()
        if self._session.ended_by(message["signal"]):
            raise ServerLost("the launch is ending")
        if message["signal"] is None and message["code"] is None:
            return self._unfit("its fork server, from which trials start, is gone", sure=False)
        return self._crashed(message)

    def _timed_out(self) -> dict[str, Any]:
        self._drop(training=True)
        limit = self._request["time_limit"]
        error = {"type": "TimeoutError", "message": f"ran for {limit:g} s, its budget"}
        self._close("timed-out", error)
        return self._done("timed-out", error)

    def _crashed(self, message: Exit) -> dict[str, Any] | None:
        """As :meth:`_handle_end`, of a child that has died: its run is for us to close."""
        how = f"signal {message['signal']}" if message["signal"] else f"exit code {message['code']}"
        killed = message["signal"] == 9 and self._memory.killed
        outcome, peak = "out-of-memory" if killed else "failed", message.get("peak")
        if killed:
            how += f": the kernel's out-of-memory killer, at {(peak or 0) / 1e9:.1f} GB"
        error = {
            "type": "ProcessDied",
            "message": f"the training process died ({how})",
            # An exit code is our own mistake: what was printed then is not in output.log.
            "traceback": server_log(self._session) if message["code"] else "",
        }
        if self._tried_again(outcome):
            if "path" in self._result:
                interrupt_run(Path(self._result["path"]), f"{outcome}: {error['message']}", peak)
            return None
        self._close(outcome, error, peak)
        return self._done(outcome, error)

    def _tried_again(self, outcome: str) -> bool:
        again = outcome in self._retried
        self._attempts[outcome] += 1
        if again:
            logger.info("trial %s: %s; trying again", self._request["trial"], outcome)
        return again

    def _is_crowded(self, error: dict[str, Any] | None) -> bool:
        """Has the trial found too little of a GPU that it shares, and may it go again?

        Not in this place: what others' processes have of the GPU they keep even while they wait.
        """
        shares = 0 < self._gpu < 1 and "out-of-memory" in self._retried
        return shares and error is not None and of_gpu(f"{error['type']}: {error['message']}")

    def _storage_lacks(self) -> str | None:
        """What is wrong with the storage as this node sees it: the driver has made a directory."""
        try:
            os.utime(self._request["workers"])
        except OSError as error:
            base = self._request["base"]
            return f"{base}: the storage is not here as the launch has it ({error.strerror})"
        return None

    def _unfit(self, why: str, *, sure: bool = True) -> dict[str, Any]:
        """The end of a trial that this node cannot run: it goes to another."""
        self._drop()
        unfit = {"end": "unfit", "host": os.uname().nodename, "sure": sure, "error": why}
        return {**self._result, **unfit, "done": True}

    def _done(self, outcome: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
        self._await_workers()
        self._result |= {"done": True, "end": outcome}
        if error:
            self._result["error"] = f"{error['type']}: {error['message']}"
        return dict(self._result)

    def _await_workers(self) -> None:
        """Let no trial end before every worker of the launch is up.

        Tune gives a waiting trial to a worker that has become idle, and ends the one that is being
        started for it: of trials shorter than a worker's start only one would run at a time (seen
        in Ray 2.60, ``TuneController._maybe_reuse_cached_actor``).
        """
        deadline = self._up_since + STARTING_SECONDS
        while not self._all_up:
            up = len(os.listdir(self._request["workers"]))
            self._all_up = up >= self._request["slots"] or time.monotonic() > deadline
            if not self._all_up:
                time.sleep(0.02)

    def _close(self, outcome: str, error: dict[str, Any], peak: int | None = None) -> None:
        if "path" in self._result:
            run = Path(self._result["path"])
            close_run(run, outcome, error=error, by="driver", peak_memory=peak)

    def _abandon(self) -> None:
        """A scheduler stopped the trial in the middle: its child is not clean."""
        if self._running:
            self._drop(training=True)

    def _drop(self, *, training: bool = False) -> None:
        self._running = False
        if self._child is not None:
            if training:
                self._child.stop()
            else:
                self._child.kill()
            self._child = None

    def _keep_or_replace(self, end: End) -> None:
        assert self._child is not None
        rss = end.get("rss", 0)
        self._first_rss = self._first_rss or rss
        grown = rss - self._first_rss > CHILD_GROWTH_BYTES
        if not end.get("clean") or grown or self._child.trials >= self._request["child_trials"]:
            self._drop()
