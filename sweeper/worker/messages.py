"""JSON lines over a stream socket: how a child, its fork server and its owner speak."""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Any

Message = dict[str, Any]


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

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, or None after ``timeout`` seconds; raises ``EOFError`` at the end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            line, found, rest = self._pending.partition(b"\n")
            if found:
                self._pending = rest
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if isinstance(message, dict):
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
