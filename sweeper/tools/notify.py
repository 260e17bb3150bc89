"""`notify:` of a sweep file: a command, or Apprise, hears of failures, new bests and the end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
from typing import Any

from sweeper.errors import UsageError
from sweeper.sweepfile import ENVIRONMENT, Notify, Sweep

from .libraries import library

SECONDS = 30.0  # that a command, or Apprise, has for one event


class Notifier:
    """Sends events from a thread of its own: nobody waits for it, and no failure of it counts.

    Raises UsageError for a variable that is not set, a command or a library that is not there.
    """

    def __init__(self, sweep: Sweep, notify: Notify) -> None:
        self._sweep, self._on = sweep, notify.on
        self._env = dict(os.environ)  # before the launch marks what belongs to it, and is ended
        self._words = [ENVIRONMENT.sub(self._variable, word) for word in notify.command]
        if self._words and shutil.which(self._words[0]) is None:
            what = f"found nothing of the name {notify.command[0]!r}"
            raise UsageError(f"notify.command: expected a command that can be started, {what}")
        self._apprise: Any = None
        if notify.apprise is not None:
            self._apprise = library("apprise", "apprise").Apprise()
            logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would log addresses
            if not self._apprise.add(ENVIRONMENT.sub(self._variable, notify.apprise)):
                what = f"an address that Apprise knows, found another in {notify.apprise}"
                raise UsageError(f"notify.apprise: expected {what}")
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(100)
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self.problems: dict[str, None] = {}

    def _variable(self, match: re.Match[str]) -> str:
        if match[1] not in self._env:
            raise UsageError(f"notify: the variable {match[1]} is not set")
        return self._env[match[1]]

    def start(self) -> None:
        self._thread.start()

    def tell(self, event: str, message: str, **more: Any) -> None:
        if event in self._on:
            told = {"event": event, "sweep": self._sweep.title, "message": message}
            told |= {"directory": str(self._sweep.base_dir), **more}
            try:
                self._queue.put_nowait(told)
            except queue.Full:
                self.problems["too many events at once: some were left out"] = None

    def close(self) -> None:
        """Wait for what is to be sent, for a while."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=SECONDS)
        if self._thread.ident is not None:
            self._thread.join(2 * SECONDS)

    def _send_all(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                if self._words:
                    self._run(event)
                if self._apprise is not None:
                    title = f"{event['sweep']}: {event['event']}"
                    if not self._apprise.notify(title=title, body=event["message"]):
                        self.problems["Apprise could not deliver an event"] = None
            except Exception as error:  # its text may hold an address
                self.problems[f"an event was not sent: {type(error).__name__}"] = None

    def _run(self, event: dict[str, Any]) -> None:
        env = {"SWEEPER_EVENT": event["event"], "SWEEPER_MESSAGE": event["message"][:2000]}
        env = {name: value.replace("\0", "") for name, value in env.items()}
        process = subprocess.Popen(
            self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**self._env, **env},
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(event).encode(), timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            why = "took too long" if process.returncode < 0 else f"ended with {process.returncode}"
            self.problems[f"the command {why}"] = None
