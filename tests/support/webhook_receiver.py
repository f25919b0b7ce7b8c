"""Receivers of webhooks on this machine, and dispatchers that take it for a public one.

python -m tests.support.webhook_receiver PORT CERTIFICATE: ocrfarm worker webhooks, with short pauses and leases.
"""

import http.server
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from ocrfarm import public_http
from ocrfarm.server import outbox, webhooks
from ocrfarm.server.webhooks import WebhookDispatcher, WebhookEvent
from ocrfarm.worker.main import WorkerOptions, run
from tests.support.certificates import create_certificate, make_server_context

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def respond_with_status(code: int) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.end_headers()

    return answer


def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def respond_slowly(handler: http.server.BaseHTTPRequestHandler) -> None:
    for char in "HTTP/1.1 200 OK and so on and on and on and on and on":
        handler.wfile.write(char.encode())
        time.sleep(0.2)


def respond_never(handler: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(8)


@dataclass
class WebhookReceiver:
    """Answers each request as planned, then with 200; keeps what it got."""

    url: str
    port: int
    certificate_file: Path
    planned_answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self, secret: str) -> list[dict[str, Any]]:
        """Give what came, checked by a library of others; WebhookVerificationError where a signature is wrong."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.requests]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def run_receiver(folder: Path) -> Iterator[WebhookReceiver]:
    file = create_certificate(folder)
    with _run(make_server_context(file)) as found:
        found.url, found.certificate_file = "https://localhost/hook?token=secret-of-a-url", file
        yield found


@contextmanager
def run_plain_receiver() -> Iterator[WebhookReceiver]:
    """Run a receiver without TLS."""
    with _run(None) as found:
        yield found


@contextmanager
def _run(context: ssl.SSLContext | None) -> Iterator[WebhookReceiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            (found.planned_answers.pop(0) if found.planned_answers else respond_with_status(200))(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        port = int(server.server_address[1])
        found = WebhookReceiver(f"http://127.0.0.1:{port}/hook", port, Path())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def dispatch_next(dispatcher: WebhookDispatcher) -> WebhookEvent | None:
    """Dispatch the first of the jobs that are due; the others wait for their next turn."""
    chosen = dispatcher.select_due()
    for each in chosen[1:]:
        dispatcher._slots.release(each)
    return dispatcher.dispatch(chosen[0]) if chosen else None


def trust_localhost(port: int, file: Path, set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Let this process take localhost for a public host that a receiver's certificate stands for."""
    context = ssl.create_default_context(cafile=file)
    set_attribute(public_http, "_PORT", port)
    set_attribute(public_http, "_is_public", lambda address: True)
    set_attribute(ssl, "create_default_context", lambda: context)
    set_attribute(socket, "getaddrinfo", _make_resolver(port))


def _make_resolver(port: int) -> Callable[..., Any]:
    known, place = socket.getaddrinfo, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    return lambda host, *others, **named: [place] if host == "localhost" else known(host, *others, **named)


if __name__ == "__main__":
    outbox.CLAIM_TTL = 3
    webhooks.RETRY_DELAYS = (1,) * 8
    port, file = sys.argv[1:]
    trust_localhost(int(port), Path(file), setattr)
    sys.exit(run(WorkerOptions(("webhooks",))))
