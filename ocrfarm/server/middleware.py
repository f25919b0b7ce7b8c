"""What happens to every request: a check of its framing, security headers, a count, and a line in the log."""

import logging
import time
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocrfarm.server.metrics import ApiMetrics
from ocrfarm.server.problems import make_problem_response

_log = logging.getLogger(__name__)

_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers that forbid a browser to cache a response, to run anything in it, or to show it in another page."""

_HEALTH_ROUTES = ("/healthz", "/readyz")
"""Routes that probes request every few seconds: they are logged at level debug."""

_UNKNOWN_ROUTE = "unknown"
"""Stands for every path that is no route, so that no client can make up labels of metrics."""


class SecurityHeaders:
    """Adds the security headers to every response, unless the response sets them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the start of the response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class FramingCheck:
    """Refuses a request whose end is ambiguous, since a proxy may see another end than this server does.

    RFC 9112 forbids both `Content-Length` and `Transfer-Encoding` in one request, and the latter in HTTP/1.0. The
    connection is closed, so that the rest of the body cannot be taken for another request (request smuggling).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ambiguous request with status 400, and pass on any other."""
        app = self._app
        if scope["type"] == "http" and _is_ambiguous(Headers(scope=scope), scope["http_version"]):
            detail = "a request may have Content-Length or Transfer-Encoding, not both, and HTTP/1.0 only the former"
            app = make_problem_response(400, detail, headers={"Connection": "close"})
        await app(scope, receive, send)


def _is_ambiguous(headers: Headers, http_version: str) -> bool:
    return "transfer-encoding" in headers and ("content-length" in headers or http_version == "1.0")


@dataclass(slots=True)
class _Exchange:
    """A request and its response, as far as it has come."""

    request: Request
    started: float = field(default_factory=time.monotonic)
    status: int = 0

    @property
    def route(self) -> str:
        """The route with the names of its parameters, such as /v1/jobs/{job_id}."""
        return getattr(self.request.scope.get("route"), "path", _UNKNOWN_ROUTE)

    @property
    def seconds(self) -> float:
        """Seconds since the request arrived."""
        return time.monotonic() - self.started

    def log(self) -> None:
        """Write who requested what, and how it ended: never a key, a name or a query."""
        state, route = self.request.state, self.route
        extra = {
            "job": getattr(state, "job", "") or self.request.path_params.get("job_id", "")[:40],
            "owner": getattr(state, "owner", ""),
            "status": self.status,
            "seconds": round(self.seconds, 4),
        }
        level = logging.DEBUG if route in _HEALTH_ROUTES else logging.INFO
        text = "%s %s %s %.0f ms"
        _log.log(level, text, self.request.method, route, self.status or "-", self.seconds * 1000, extra=extra)


class AccessLog:
    """Counts and logs every request. A status of 0 means that the connection was lost before the response."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request, and log it when it has ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(Request(scope))
        try:
            await self._app(scope, receive, self._watch(exchange, send))
        finally:
            exchange.log()

    def _watch(self, exchange: _Exchange, send: Send) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                self._metrics.count(
                    exchange.request.method, exchange.route, status=exchange.status, seconds=exchange.seconds
                )
            await send(message)

        return watched
