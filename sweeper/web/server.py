"""The server of `sweeper ui`: our pages and optuna-dashboard's, for one user, who may only look.

Every request comes through :class:`Gate`. It listens on the loopback interface alone.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from importlib.resources import files as resources
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sweeper.errors import SweeperError, UsageError
from sweeper.results import Entry, LiveSweep, LiveSweeps, summary_csv

from . import pages
from .markup import Markup, link, tag, together

log = logging.getLogger("sweeper.web")

HOST = "127.0.0.1"
_HOSTS = {HOST, "localhost", "[::1]"}  # with any port: `ssh -L` may have changed it
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


class Answer(NamedTuple):
    """``version`` is the same as long as the page is."""

    status: int
    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    version: str = ""


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
        query = parse_qs(environ.get("QUERY_STRING", "")[:20_000])
        answer = self._refused(environ, query)
        if answer is None and path.startswith(_DASHBOARD):
            environ.setdefault("HTTP_ACCEPT_ENCODING", "")
            environ["wsgi.errors"] = io.StringIO()  # a traceback is no user's business
            return self._dashboard(environ, _guarded(start))  # type: ignore[no-any-return]
        answer = answer or self._answer(path, query, environ.get("HTTP_IF_NONE_MATCH"))
        headers = {**_SAFE, "Content-Security-Policy": _POLICY, "Content-Type": answer.kind}
        headers["Cache-Control"] = "no-cache" if answer.version else "no-store"
        if answer.version:
            headers["ETag"] = answer.version
        if answer.status != 304:
            headers["Content-Length"] = str(len(answer.body))
        if answer.status == 405:
            headers["Allow"] = "GET, HEAD"
        if answer.status == 200 and "token" in query:
            given = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            headers["Set-Cookie"] = given
        start(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _refused(self, environ: dict[str, Any], query: pages.Query) -> Answer | None:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _said(405, "This server shows and changes nothing: GET and HEAD alone.")
        host = environ.get("HTTP_HOST", "")
        if not {host, host.rpartition(":")[0]} & _HOSTS:
            return _said(403, "Expected the host 127.0.0.1 or localhost, found another.")
        if "token" in query:
            if not _same(pages.first(query, "token"), self.token):
                return _said(403, "This token is not this server's: see what `sweeper ui` printed.")
            # A page of ours that leads on, as a cookie of SameSite=Strict is not sent along with
            # what a link in another page has begun.
            return Answer(200, b'<!doctype html><meta http-equiv="refresh" content="0;url=/">')
        cookies = (c.partition("=") for c in environ.get("HTTP_COOKIE", "").split("; "))
        if not any(name == self.cookie and _same(value, self.token) for name, _, value in cookies):
            return _said(403, "Open the address that `sweeper ui` has printed, with its token.")
        return None

    def _answer(self, path: str, query: pages.Query, has: str | None) -> Answer:
        _, kind, number, key = [*path.split("/", 3), "", ""][:4]
        try:
            if path in _ASSETS:
                asset = resources("sweeper.web").joinpath("assets", path[1:])
                return Answer(200, asset.read_bytes(), _ASSETS[path])
            if path == "/":
                return _shown(pages.sweeps_page(self._sweeps.all()))
            if path == "/compare":
                named = (name.partition("/") for name in query.get("run", ())[: pages.MOST_RUNS])
                found = ((sweep, run) for n, _, run in named if (sweep := self._sweep(n)))
                return _shown(pages.compare_page([(s, e) for s, k in found if (e := _run(s, k))]))
            sweep = self._sweep(number)
            if sweep is None:
                return _GONE
            version = f'"{sweep.number}-{sweep.read_at}"'
            if has == version:
                return Answer(304, version=version)
            answer = _about(sweep, kind, key, query)
            return answer._replace(version=version) if kind != "log" else answer
        except (SweeperError, OSError) as error:
            return _said(500, f"This cannot be read: {error}")
        except Exception as error:
            log.debug("%s", path, exc_info=True)
            return _said(500, f"This is a bug of sweeper: {error!r}")

    def _sweep(self, number: str) -> LiveSweep | None:
        return self._sweeps.get(pages.whole(number))


def _about(sweep: LiveSweep, kind: str, key: str, query: pages.Query) -> Answer:
    """A page or the like of a sweep, or of its run that ``key`` names."""
    if kind == "sweep" and not key:
        return _shown(pages.sweep_page(sweep, query))
    if kind == "csv" and not key and sweep.index is not None:
        data = summary_csv(sweep.index)
        return Answer(200, data.encode(errors="replace"), "text/csv; charset=utf-8")
    entry = _run(sweep, key)
    if entry is not None and kind == "run":
        return _shown(pages.run_page(sweep, entry))
    if entry is not None and entry.record is not None and kind == "log":
        text, end = pages.tail(entry.record, pages.whole(pages.first(query, "from")))
        data = json.dumps({"text": text, "next": end})
        return Answer(200, data.encode(), "application/json")
    return _GONE


def _run(sweep: LiveSweep, key: str) -> Entry | None:
    """The run that an address names: one of those of the sweep; nothing else is opened."""
    for entry in sweep.index.entries if sweep.index is not None else ():
        record = entry.record
        if record and pages.key_of(sweep, record) == f"{sweep.number}/{key}":
            return None if record.unreadable else entry
    return None


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def _guarded(start: Callable[..., Any]) -> Callable[..., Any]:
    """``start_response`` with our headers, and our policy in the place of the dashboard's."""

    def start_guarded(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        others = [h for h in headers if h[0].lower() != "content-security-policy"]
        ours = {**_SAFE, "Content-Security-Policy": _DASHBOARD_POLICY}
        return start(status, [*others, *ours.items()], *rest)

    return start_guarded


def _said(status: int, text: str) -> Answer:
    return _shown((HTTPStatus(status).phrase, tag("p", text), pages.NOTHING))._replace(
        status=status
    )


def _shown(page: pages.Page) -> Answer:
    title, shows, below = page
    head = together(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
        tag("title", title, " · sweeper"),
        Markup('<link rel="stylesheet" href="/ui.css"><script defer src="/ui.js"></script>'),
    )
    bar = tag("nav", link("/", "sweeps"), " · ", link("/dashboard", "all figures"))
    body = tag("body", bar, tag("main", shows), tag("section", below))
    text = f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>'
    return Answer(200, text.encode(errors="replace"))


_GONE = _said(404, "There is nothing here, or not any more.")


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
