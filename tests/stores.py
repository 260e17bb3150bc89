"""An object store on this machine for tests, and what goes wrong on the way to it.

It is an S3; with SWEEPER_TEST_STORE=az it is an Azure, for which `azurite-blob` (npm's azurite) is
on the PATH and azure-storage-blob is installed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCHEME = os.environ.get("SWEEPER_TEST_STORE", "s3")
# Known to all, of the account that each Azurite has.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURE = f"""
import ctypes, socket, subprocess, sys
from azure.storage.blob import BlobServiceClient
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
words = ["azurite-blob", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
server = subprocess.Popen([*words, "--blobPort", str(port)], stdout=subprocess.DEVNULL,
    preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9))  # it dies with this
account = f"http://127.0.0.1:{{port}}/{ACCOUNT}"
client = BlobServiceClient(account, credential="{KEY}", retry_total=20)
client.create_container("lab")
print(port, flush=True)
sys.stdin.read()
"""
SERVER = """
import logging, sys, threading, urllib.request
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
bucket = urllib.request.Request(f"http://127.0.0.1:{port}/lab", method="PUT")
urllib.request.urlopen(bucket).close()
print(port, flush=True)
sys.stdin.read()
"""


def environment(port: int) -> dict[str, str]:
    """What a process must know of the store at ``port``."""
    if SCHEME == "az":
        return {
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def serving(source: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs ``source``, and is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def object_store() -> Iterator[int]:
    """The port of a store with the bucket ``lab``, in a process of its own."""
    with serving(AZURE if SCHEME == "az" else SERVER) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        yield next(int(line) for line in lines if line.strip().isdecimal())


class Faults:
    """Between a client and the store at ``port``: a part of the requests goes wrong, by a seed.

    ``drop``: closed before the store has heard of it. ``reset``: done, but the answer is lost.
    ``503`` and ``delay``. ``down``: nothing passes. ``only``: whose requests the S3 accepts.
    """

    KINDS = ("drop", "reset", "503", "delay")

    def __init__(self, port: int, rate: float, seed: int) -> None:
        self.rate, self.down, self.only = rate, False, ""
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = outer.fault()
                if fault == "drop":
                    return self._cut()
                if outer.only not in (self.headers["Authorization"] or ""):
                    return self._answer(403, {}, b"<Error><Code>ExpiredToken</Code></Error>")
                if fault == "503":
                    return self._answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
                if fault == "delay":
                    time.sleep(1.0)
                store = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                with contextlib.closing(store):
                    store.request(self.command, self.path, body, dict(self.headers))
                    answer = store.getresponse()
                    data = answer.read()
                if fault == "reset":
                    return self._cut()
                return self._answer(answer.status, dict(answer.getheaders()), data)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                length = headers.get("Content-Length") if self.command == "HEAD" else len(data)
                self.send_header("Content-Length", str(length or 0))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def _cut(self) -> None:
                linger = struct.pack("ii", 1, 0)  # a reset, not an end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def fault(self) -> str | None:
        with self._lock:
            if self.down:
                return "drop"
            if self._random.random() >= self.rate:
                return None
            kind = self._random.choice(self.KINDS)
            self.counts[kind] += 1
            return kind

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def missing() -> str | None:
    """Which library these tests need that is not here."""
    for name in ("obstore", "moto", "flask"):
        try:
            __import__(name)
        except ImportError:
            return name
    return None


def use(port: int, mirrors: os.PathLike[str]) -> dict[str, str]:
    """The environment of a process with mirrors of its own."""
    return {**environment(port), "SWEEPER_MIRRORS": os.fspath(mirrors)}
