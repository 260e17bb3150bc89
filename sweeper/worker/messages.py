"""What a child, its fork server and its owner say to each other: JSON lines over a socket."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from typing import NotRequired  # from Python 3.11 on

    from sweeper.tree import Monitored

# -- to the fork server -------------------------------------------------------------------------


class Control(TypedDict):
    """The driver: ``control``, as long as this connection lasts; ``bye``, it is done."""

    kind: Literal["control", "bye"]


class Fork(TypedDict):
    """Make a child, which talks over this connection from now on."""

    kind: Literal["fork"]
    env: dict[str, str]
    fresh: bool  # in a new interpreter, not forked


# -- to a child ---------------------------------------------------------------------------------


class TrialRequest(TypedDict):
    """Run this trial. The only message without a kind; what else it holds is not for the child."""

    trial: int
    params: dict[str, Any]
    replicate: int
    seed: int
    base: str
    sweep: str
    lease: NotRequired[tuple[str, int]]  # the launch's, of the trial: a directory and a number
    monitored: Monitored
    checkpoint: dict[str, Any]
    hook: Literal["on", "off"]
    backup_every: NotRequired[Literal["epoch"] | None]
    metric: str | None
    pattern: NotRequired[str | None]  # that finds it in what a script prints
    links: NotRequired[list[str] | None]  # in the run's directory in which it starts, if it does
    program: dict[str, Any]  # as run.json has it
    passed_over: NotRequired[list[str]]  # runs of the same parameters that are not the trial's
    continues: NotRequired[str | None]  # a failed one of these with which a new run goes on
    cpus: float
    gpus: list[str]
    whole: NotRequired[bool]  # no other trial of the launch has these GPUs
    retried: NotRequired[list[str]]  # outcomes that leave the run open, for a retry to continue
    alone: NotRequired[bool]  # no other trial of the launch may run on the node meanwhile
    first_batch: NotRequired[bool]  # end after the first batch or report
    most_reports: NotRequired[int]  # end after so many
    enough_seconds: NotRequired[float]  # end with the first report after so long
    argv: NotRequired[list[str]]  # a script's command
    first_word: NotRequired[str]  # of it, with the names of variables of the environment


class Stop(TypedDict):
    """End the script, which has ``grace`` seconds to end by itself."""

    kind: Literal["stop"]
    grace: float


# -- from the fork server -----------------------------------------------------------------------


class Ready(TypedDict):
    """The train module is imported; a script has none."""

    kind: Literal["ready"]
    takes_run: NotRequired[bool]
    forkable: NotRequired[bool]


class Broken(TypedDict):
    """The train module cannot train."""

    kind: Literal["broken"]
    message: str


class Exit(TypedDict):
    """How the child died: by a signal, or with an exit code; neither if the server is gone too."""

    kind: Literal["exit"]
    signal: int | None
    code: int | None
    peak: NotRequired[int]  # the most bytes of memory that it had


# -- from a child -------------------------------------------------------------------------------


class Hello(TypedDict):
    """The child waits for a trial."""

    kind: Literal["hello"]
    pid: int


class RunOpened(TypedDict):
    """The trial has this run, in the directory ``path``."""

    kind: Literal["run"]
    path: str
    resumed_epoch: int
    elapsed: float  # seconds of the attempts before


class Report(TypedDict):
    """An epoch (from 1) is recorded; the metric was in ``iteration`` epochs so far."""

    kind: Literal["report"]
    iteration: int
    epoch: int
    metrics: dict[str, float]


class Missing(TypedDict):
    """The trial reports, but not the sweep's metric: the names that it has reported so far."""

    kind: Literal["missing"]
    reported: list[str]


class End(TypedDict):
    """The trial has ended: how, and whether the child may run another one.

    ``outcome`` is ``finished``, ``failed``, ``out-of-memory``, ``lost`` (someone else continues
    the run), ``no-metric`` or ``broken``; or what the run had ended with before.
    """

    kind: Literal["end"]
    outcome: str
    error: NotRequired[dict[str, Any]]
    reported: NotRequired[list[str]]  # the metrics there are where the sweep's is missing
    printed: NotRequired[list[str]]  # then, the last lines in which a pattern has found nothing
    rss: NotRequired[int]  # bytes; like the next, not of a script's keeper, which goes with it
    clean: NotRequired[bool]


TrialMessage = RunOpened | Report | Missing | End | Exit
"""What an owner hears of a trial."""

Message = Control | Fork | TrialRequest | Stop | Ready | Broken | Hello | TrialMessage


class Connection:
    """One end of a conversation in JSON lines.

    A line that does not parse is a message that its writer, killed in the middle of it, never
    finished: it is dropped. What follows it is read as usual.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._pending = b""
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, message: Message) -> None:
        """Send one message whole; raises ``OSError`` when the other end is gone."""
        self.sock.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout: float | None = None) -> Any:
        """The next message, or None after ``timeout`` seconds; raises ``EOFError`` at the end.

        Who asks says which messages the other end may send here.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            line, found, rest = self._pending.partition(b"\n")
            if found:
                self._pending = rest
                with contextlib.suppress(ValueError):
                    if isinstance(message := json.loads(line), dict):
                        return message
                continue
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not self._poll.poll(left):
                return None
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError("the other end of the connection is gone")
            self._pending += data

    def close(self) -> None:
        self.sock.close()
