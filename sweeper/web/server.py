"""The server of `sweeper ui`: our pages and optuna-dashboard's, for one user, who may only look.

Every request comes through :class:`Gate`. It listens on the loopback interface alone.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, unquote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sweeper.errors import UsageError
from sweeper.results import Entry, LiveSweep, LiveSweeps, summary_csv

from . import pages
from .markup import Markup, link, tag, together

log = logging.getLogger("sweeper.web")

HOST = "127.0.0.1"
_HOSTS = (HOST, "localhost", "[::1]")  # with any port: `ssh -L` may have changed it
_ASSETS = {"/ui.css": "text/css", "/ui.js": "text/javascript"}
_DASHBOARD = ("/dashboard", "/api/", "/static/", "/favicon.ico")
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ALL = "base-uri 'none'; frame-ancestors 'none'; form-action 'self'; object-src 'none'"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    f"img-src 'self'; {_ALL}"
)
_DASHBOARD_POLICY = (  # its parallel coordinates compile shaders' code: eval
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    f"connect-src 'self'; img-src 'self' data: blob:; {_ALL}"
)

Answer = tuple[int, str, bytes]
"""Status, media type, body."""


class Gate:
    """Lets in who has the token, from this machine's own name, to look; a WSGI application."""

    def __init__(self, sweeps: LiveSweeps, token: str) -> None:
        from optuna_dashboard._app import create_app

        from .storage import TreeStorage

        self.token = token
        self.cookie = "sweeper"  # of each port its own: cookies do not tell ports apart
        self._sweeps = sweeps
        self._dashboard = create_app(TreeStorage(sweeps))

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        query = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=200)
        refused = self._refused(environ, query)
        if refused is None and path.startswith(_DASHBOARD):
            return self._dashboard(environ, _guarded(start))  # type: ignore[no-any-return]
        more = [("Cache-Control", "no-store"), ("Content-Security-Policy", _POLICY)]
        status, kind, body = refused or self._answer(path, query)
        if status == 405:
            more.append(("Allow", "GET, HEAD"))
        if status == 200 and "token" in query:
            given = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            more.append(("Set-Cookie", given))
        more += [("Content-Type", kind), ("Content-Length", str(len(body))), *_SAFE.items()]
        start(f"{status} {_REASONS[status]}", more)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _refused(self, environ: dict[str, Any], query: pages.Query) -> Answer | None:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _said(405, "This server shows and changes nothing: GET and HEAD alone.")
        if environ.get("HTTP_HOST", "").rpartition(":")[0] not in _HOSTS and (
            environ.get("HTTP_HOST") not in _HOSTS
        ):
            return _said(403, "Expected the host 127.0.0.1 or localhost, found another.")
        if "token" in query:
            if not hmac.compare_digest(pages.first(query, "token").encode(), self.token.encode()):
                return _said(403, "This token is not this server's: see what `sweeper ui` printed.")
            # A page of ours that leads on, as a cookie of SameSite=Strict is not sent along with
            # what a link in another page has begun.
            text = '<!doctype html><meta http-equiv="refresh" content="0;url=/">'
            return 200, "text/html; charset=utf-8", text.encode()
        cookies = (c.partition("=") for c in environ.get("HTTP_COOKIE", "").split("; "))
        found = next((value for name, _, value in cookies if name == self.cookie), "")
        if not hmac.compare_digest(found.encode(), self.token.encode()):
            return _said(403, "Open the address that `sweeper ui` has printed, with its token.")
        return None

    def _answer(self, path: str, query: pages.Query) -> Answer:
        try:
            found = self._page(path, query)
        except Exception as error:  # a tree that changes while it is read, a number that is none
            log.debug("%s", path, exc_info=True)
            return _said(500, f"This page could not be made: {error}")
        if found is None:
            return _said(404, "There is nothing here, or not any more.")
        return found if isinstance(found[0], int) else (200, *_shell(*found))

    def _page(self, path: str, query: pages.Query) -> pages.Page | Answer | None:
        if path == "/":
            return pages.sweeps_page(self._sweeps.all())
        if path in _ASSETS:
            return 200, _ASSETS[path], (Path(__file__).parent / "assets" / path[1:]).read_bytes()
        if path == "/compare":
            keys = (key.partition(":") for key in query.get("run", ())[: pages.MOST_RUNS])
            found = ((self._sweep(number), key) for number, _, key in keys)
            chosen = [(s, _entry(s, key)) for s, key in found if s]
            return pages.compare_page([(s, entry) for s, entry in chosen if entry])
        _, kind, number, *rest = [*path.split("/", 3), "", ""]
        sweep = self._sweep(number)
        if sweep is None:
            return None
        if kind == "sweep":
            return pages.sweep_page(sweep, query)
        if kind == "csv" and sweep.index is not None:
            return 200, "text/csv; charset=utf-8", summary_csv(sweep.index).encode()
        entry = _entry(sweep, rest[0])
        if entry is None or entry.record is None or entry.record.unreadable:
            return None
        if kind == "run":
            return pages.run_page(sweep, entry)
        if kind == "log":
            text, end = pages.tail(entry.record, int(pages.first(query, "from") or 0))
            return 200, "application/json", json.dumps({"text": text, "next": end}).encode()
        return None

    def _sweep(self, number: str) -> LiveSweep | None:
        return self._sweeps.get(int(number)) if number.isdecimal() and len(number) < 9 else None


_REASONS = {200: "OK", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 500: "Error"}


def _entry(sweep: LiveSweep, key: str) -> Entry | None:
    """The run that an address names: one of those of the sweep; nothing else is opened."""
    entries = sweep.index.entries if sweep.index is not None else []
    return next((e for e in entries if e.record and pages.key_of(e.record) == unquote(key)), None)


def _guarded(start: Callable[..., Any]) -> Callable[..., Any]:
    """``start_response`` with our headers, and our policy in the place of the dashboard's."""

    def start_guarded(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        others = [h for h in headers if h[0].lower() != "content-security-policy"]
        ours = {**_SAFE, "Content-Security-Policy": _DASHBOARD_POLICY}
        return start(status, [*others, *ours.items()], *rest)

    return start_guarded


def _said(status: int, text: str) -> Answer:
    return status, *_shell(_REASONS[status], tag("p", text), pages.NOTHING)


def _shell(title: str, shows: Markup, below: Markup) -> tuple[str, bytes]:
    head = together(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
        tag("title", title, " · sweeper"),
        Markup('<link rel="stylesheet" href="/ui.css"><script defer src="/ui.js"></script>'),
    )
    bar = tag("nav", link("/", "sweeps"), " · ", link("/dashboard", "all figures"))
    body = tag("body", bar, tag("main", shows), tag("section", below))
    text = f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>'
    return "text/html; charset=utf-8", text.encode(errors="replace")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a browser that went away, or sent no HTTP", exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = 60  # seconds that a silent connection is kept

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def serve(targets: Sequence[Path], port: int, ready: Callable[[str], None]) -> None:
    """Serve until an interrupt ends it; ``ready`` is told the address, with its token.

    Raises UsageError where a target or the extra is missing, or the port is taken.
    """
    try:
        import optuna
        import optuna_dashboard  # noqa: F401
    except ImportError as error:
        what = f"expected optuna-dashboard, found none ({error})"
        raise UsageError(f"sweeper ui: {what}: pip install 'sweeper[ui]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("optuna_dashboard").setLevel(logging.CRITICAL)  # of sweeps that are gone
    sweeps = LiveSweeps(targets)
    gate = Gate(sweeps, secrets.token_urlsafe(24))
    try:
        server = make_server(HOST, port, gate, _Server, _Handler)
    except (OSError, OverflowError) as error:
        mend = "--port N for another one, --port 0 for any that is free"
        raise UsageError(f"port {port} cannot be used ({error}): {mend}") from error
    gate.cookie = f"sweeper-{server.server_port}"
    with server:
        ready(f"http://{HOST}:{server.server_port}/?token={gate.token}")
        server.serve_forever()
